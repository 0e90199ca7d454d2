//! Boosting on the CPU: all jobs of a batch in parallel, each from first to last tree on one core.

use std::cell::Cell;
use std::collections::HashMap;

use rayon::prelude::*;

use super::bins::Cuts;
use super::codes::Codes;
use super::grow::{self, Binned, Gradients, Workspace};
use super::histogram::SUM_BITS;
use super::loss::mean_loss;
use super::objective::{Targets, predicted};
use super::quantised::Quantised;
use super::sample;
use super::split::{Ways, ways};
use super::walk::Walk;
use super::{BoostError, BoostJob, BoostParams, Ensemble, Forest, Table, Tree};

/// What decides a job's bins and codes: training rows, validation rows, and most bins a feature.
type BinsOf<'a> = (&'a [u32], &'a [u32], u32);

/// Trains every job of a batch; results stand in the jobs' order.
///
/// `features` names the table's columns; `done` is called after each job, from any thread.
pub fn train(
    table: Table<'_>,
    features: &[String],
    jobs: &[BoostJob],
    done: &(dyn Fn(&BoostJob) + Sync),
) -> Vec<Result<Forest, BoostError>> {
    train_by(ways()[0], table, features, jobs, done)
}

/// [`train`] with one of the machine's [`ways`] to search splits: all give the same bits.
pub fn train_by(
    ways: Ways,
    table: Table<'_>,
    features: &[String],
    jobs: &[BoostJob],
    done: &(dyn Fn(&BoostJob) + Sync),
) -> Vec<Result<Forest, BoostError>> {
    let tasks: Vec<Task> = jobs.iter().map(|job| Task { job, params: &job.params }).collect();
    let finish = |task: &Task, forest| {
        done(task.job);
        forest
    };
    train_for(ways, table, features, &tasks, &|| true, &finish)
}

/// A job, trained with these parameters instead of its own.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    pub job: &'a BoostJob,
    pub params: &'a BoostParams,
}

/// Trains every task of a batch, and keeps of each only what `finish` makes of it, on the thread that trained it: many
/// more models can be tried than would fit into memory. From where `wanted` says no, tasks are stopped before they begin.
pub fn train_for<T: Send>(
    ways: Ways,
    table: Table<'_>,
    features: &[String],
    tasks: &[Task<'_>],
    wanted: &(dyn Fn() -> bool + Sync),
    finish: &(dyn Fn(&Task<'_>, Result<Forest, BoostError>) -> T + Sync),
) -> Vec<T> {
    // Heads and configurations of one symbol and fold learn from the same rows: their bins are made once.
    let mut groups: HashMap<BinsOf<'_>, Vec<usize>> = HashMap::new();
    for (i, Task { job, params }) in tasks.iter().enumerate() {
        groups.entry((&job.train, &job.valid, params.max_bin)).or_default().push(i);
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
    groups.sort_unstable();
    let trained: Vec<Vec<(usize, T)>> = groups
        .par_iter()
        .map(|members| {
            let ready: Vec<Result<(), BoostError>> =
                members.iter().map(|&i| tasks[i].job.check(tasks[i].params, table)).collect();
            let first = members.iter().zip(&ready).find(|(_, ready)| ready.is_ok());
            let rows = first.map(|(&i, _)| Rows::new(table, &tasks[i]));
            members
                .par_iter()
                .zip(ready)
                .map(|(&i, ready)| {
                    let task = &tasks[i];
                    let result = ready.and_then(|()| match &rows {
                        _ if !wanted() => Err(BoostError::Stopped { job: task.job.name.clone() }),
                        Some(rows) => Ok(boost(task, features, rows, ways)),
                        None => Err(BoostError::NoRows { job: task.job.name.clone() }),
                    });
                    (i, finish(task, result))
                })
                .collect()
        })
        .collect();
    let mut results: Vec<(usize, T)> = trained.into_iter().flatten().collect();
    results.sort_unstable_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

thread_local! {
    /// What the last job on this thread worked in: small jobs would spend much of their time on new memory.
    static WORK: Cell<Option<Workspace>> = const { Cell::new(None) };
}

/// The rows of jobs that share them, in bins.
struct Rows {
    cuts: Cuts,
    train: Codes,
    valid: Codes,
}

impl Rows {
    fn new(table: Table<'_>, Task { job, params }: &Task<'_>) -> Self {
        let (cuts, columns) = Cuts::new(table, &job.train, params.max_bin);
        let train = Codes::from_columns(&cuts, columns);
        let valid = Codes::of_rows(&cuts, table, &job.valid);
        Self { cuts, train, valid }
    }
}

fn boost(&Task { job, params }: &Task<'_>, features: &[String], rows: &Rows, ways: Ways) -> Forest {
    let averaged = params.ensemble == Ensemble::Forest;
    let classes = params.objective.trees_per_round();
    let width = rows.cuts.cuts.len();
    let binned = Binned { cuts: &rows.cuts, codes: &rows.train };
    let targets = Targets::of(job, params);
    let base = targets.base_scores();
    let mut scores = base.repeat(job.train.len());
    let mut valid_scores = if averaged { vec![0.0; job.valid.len() * classes] } else { base.repeat(job.valid.len()) };
    let mut forest = Forest {
        objective: params.objective,
        features: features.to_vec(),
        base_score: if averaged { vec![0.0; classes] } else { base.clone() },
        averaged,
        trees: Vec::new(),
        validation_loss: Vec::new(),
    };
    let mut work = WORK.take().unwrap_or_default();
    let mut gradients = Gradients::default();
    let (mut gradient, mut hessian) = (Quantised::default(), Quantised::default());
    let (mut g, mut h, mut before, mut losses) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut best_loss, mut best_round) = (f64::INFINITY, 0);
    for round in 0..params.rounds as usize {
        let mut grew = false;
        // All classes of a round answer to the scores before it.
        predicted(params.objective, &scores, &mut before);
        for class in 0..classes {
            // The trees of a forest all answer to the base score.
            if !(averaged && round > 0 && classes == 1) {
                targets.gradients(class, &before, &mut g, &mut h);
                gradient.fill(&g, SUM_BITS);
                hessian.fill(&h, SUM_BITS);
                gradients.take(&gradient, &hessian);
            }
            let drawn = sample::features(params.seed, round, width, params.colsample);
            let takes = |row: usize| sample::takes_row(params.seed, round, row, params.subsample);
            let all = (0..job.train.len()).filter(|&row| takes(row)).map(|row| row as u32);
            let tree_number = round * classes + class;
            let grown = grow::grow(&binned, params, tree_number, &drawn, all, &gradients, ways, &mut work);
            grew |= !grown.tree.split_feature.is_empty();
            let mut tree = grown.tree;
            for (leaf, members) in &grown.members {
                if let Some(output) = targets.renewed_output(&scores, work.rows(members.clone())) {
                    tree.leaf_value[*leaf] = f64::from((output * params.rate()) as f32);
                }
            }
            if averaged {
                tree.leaf_value.iter_mut().chain(&mut tree.node_value).for_each(|value| *value += base[class]);
            } else {
                for (leaf, members) in grown.members {
                    for &row in work.rows(members) {
                        scores[row as usize * classes + class] += tree.leaf_value[leaf];
                    }
                }
                if params.subsample < 1.0 {
                    let walk = Walk::new(&tree, &rows.cuts, &rows.train);
                    for row in (0..job.train.len()).filter(|&row| !takes(row)) {
                        scores[row * classes + class] += tree.leaf_value[walk.leaf(row)];
                    }
                }
            }
            score_valid(&tree, rows, class, classes, &mut valid_scores);
            forest.trees.push(tree);
        }
        if !grew && !averaged {
            // Nothing is left to gain; a round of bare leaves would only shift the base.
            forest.trees.truncate(round * classes);
            break;
        }
        if !job.valid.is_empty() {
            let counted: Vec<f64>;
            let said = if averaged {
                counted = valid_scores.iter().map(|score| score / (round + 1) as f64).collect();
                &counted
            } else {
                &valid_scores
            };
            let loss = mean_loss(params.objective, said, &job.valid_labels, &job.valid_weights, &mut losses);
            forest.validation_loss.push(loss);
            if loss < best_loss {
                (best_loss, best_round) = (loss, round);
            }
            if params.early_stopping > 0 && round - best_round >= params.early_stopping as usize {
                break;
            }
        }
    }
    if params.early_stopping > 0 && !job.valid.is_empty() {
        forest.trees.truncate((best_round + 1) * classes);
    }
    WORK.set(Some(work));
    forest
}

/// Adds a tree's outputs to the scores of the validation rows.
fn score_valid(tree: &Tree, rows: &Rows, class: usize, classes: usize, scores: &mut [f64]) {
    if scores.is_empty() {
        return;
    }
    let walk = Walk::new(tree, &rows.cuts, &rows.valid);
    for (row, score) in scores.iter_mut().skip(class).step_by(classes).enumerate() {
        *score += tree.leaf_value[walk.leaf(row)];
    }
}
