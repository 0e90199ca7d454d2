//! Boosting on the CPU: all jobs of a batch in parallel, each from first to last tree on one core.

use std::cell::Cell;
use std::collections::HashMap;

use rayon::prelude::*;

use super::bins::Cuts;
use super::codes::Codes;
use super::grow::{self, Binned, Gradients, Grown, Workspace};
use super::histogram::SUM_BITS;
use super::loss::mean_loss;
use super::objective::{Targets, probabilities};
use super::quantised::Quantised;
use super::sample;
use super::split::{Ways, ways};
use super::walk::Walk;
use super::{BoostError, BoostJob, BoostParams, Ensemble, Forest, Table, Task, Tree};

/// What decides a job's bins and codes: training rows, validation rows, and most bins a feature.
pub(super) type BinsOf<'a> = (&'a [u32], &'a [u32], u32);

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
    train_all(ways, table, features, jobs, &|| true, done)
}

/// [`train`] that can be stopped: from where `wanted`, which is asked before every tree, says no, models that are not
/// finished come back as [`BoostError::Stopped`].
pub fn train_while(
    table: Table<'_>,
    features: &[String],
    jobs: &[BoostJob],
    wanted: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn(&BoostJob) + Sync),
) -> Vec<Result<Forest, BoostError>> {
    train_all(ways()[0], table, features, jobs, wanted, done)
}

fn train_all(
    ways: Ways,
    table: Table<'_>,
    features: &[String],
    jobs: &[BoostJob],
    wanted: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn(&BoostJob) + Sync),
) -> Vec<Result<Forest, BoostError>> {
    let tasks: Vec<Task> = jobs.iter().map(Task::own).collect();
    let finish = |task: &Task, forest| {
        done(task.job);
        forest
    };
    train_for(ways, table, features, &tasks, wanted, &finish)
}

/// Trains every task of a batch, and keeps of each only what `finish` makes of it, on the thread that trained it: many
/// more models can be tried than would fit into memory. From where `wanted`, which is asked before every tree, says no, tasks that are not finished are stopped.
pub fn train_for<T: Send>(
    ways: Ways,
    table: Table<'_>,
    features: &[String],
    tasks: &[Task<'_>],
    wanted: &(dyn Fn() -> bool + Sync),
    finish: &(dyn Fn(&Task<'_>, Result<Forest, BoostError>) -> T + Sync),
) -> Vec<T> {
    let groups = sets(tasks.iter().copied().enumerate());
    let trained: Vec<Vec<(usize, T)>> = groups
        .par_iter()
        .map(|members| {
            let ready: Vec<Result<(), BoostError>> =
                members.iter().map(|&i| tasks[i].job.check(tasks[i].params, table)).collect();
            let first = members.iter().zip(&ready).find(|(_, ready)| ready.is_ok());
            let rows = first.filter(|_| wanted()).map(|(&i, _)| Rows::new(table, &tasks[i]));
            members
                .par_iter()
                .zip(ready)
                .map(|(&i, ready)| {
                    let task = &tasks[i];
                    let stopped = || BoostError::Stopped { job: task.job.name.clone() };
                    // A job that is ready has rows, unless they were no longer wanted.
                    let result = ready.and_then(|()| {
                        let rows = rows.as_ref().ok_or_else(stopped)?;
                        boost(task, features, rows, ways, wanted).ok_or_else(stopped)
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

/// Places of jobs by the rows that they learn from: heads and configurations of one symbol and fold share their bins.
pub(super) fn sets<'a>(tasks: impl Iterator<Item = (usize, Task<'a>)>) -> Vec<Vec<usize>> {
    let mut sets: HashMap<BinsOf<'a>, Vec<usize>> = HashMap::new();
    for (place, Task { job, params }) in tasks {
        sets.entry((&job.train, &job.valid, params.max_bin)).or_default().push(place);
    }
    let mut sets: Vec<Vec<usize>> = sets.into_values().collect();
    sets.sort_unstable();
    sets
}

/// The rows of jobs that share them, in bins.
pub(super) struct Rows {
    pub cuts: Cuts,
    pub train: Codes,
    pub valid: Codes,
}

impl Rows {
    pub fn new(table: Table<'_>, Task { job, params }: &Task<'_>) -> Self {
        let (cuts, columns) = Cuts::new(table, &job.train, params.max_bin);
        let train = Codes::from_columns(&cuts, columns);
        let valid = Codes::of_rows(&cuts, table, &job.valid);
        Self { cuts, train, valid }
    }
}

/// Cuts of every job, which must have been checked; codes are made as for training, and dropped.
pub fn bin(table: Table<'_>, jobs: &[BoostJob]) -> Vec<Cuts> {
    jobs.par_iter().map(|job| Rows::new(table, &Task::own(job)).cuts).collect()
}

/// Trains one model; none where it was stopped.
fn boost(
    task: &Task<'_>,
    features: &[String],
    rows: &Rows,
    ways: Ways,
    wanted: &(dyn Fn() -> bool + Sync),
) -> Option<Forest> {
    let mut work = WORK.take().unwrap_or_default();
    let mut training = Training::new(task, rows);
    let mut stopped = !wanted();
    for round in 0..task.params.rounds as usize {
        stopped = stopped || !wanted();
        if stopped || !training.grow(round, ways, &mut work) || training.stops(round) {
            break;
        }
    }
    WORK.set(Some(work));
    (!stopped).then(|| training.forest(features))
}

/// A model, as far as it has been trained.
struct Training<'a> {
    job: &'a BoostJob,
    params: &'a BoostParams,
    rows: &'a Rows,
    targets: Targets<'a>,
    classes: usize,
    /// Whether each tree answers to the base score alone, and their mean counts.
    averaged: bool,
    base: Vec<f64>,
    /// `[rows × classes]` of the training rows.
    scores: Vec<f64>,
    /// Of the validation rows; in an averaged forest the sum of the trees so far.
    valid_scores: Vec<f64>,
    trees: Vec<Tree>,
    validation_loss: Vec<f64>,
    best_loss: f64,
    best_round: usize,
    gradients: Gradients,
    buffers: Buffers,
}

/// Memory that rounds use again.
#[derive(Default)]
struct Buffers {
    probabilities: Vec<f64>,
    gradient: Vec<f64>,
    hessian: Vec<f64>,
    quantised: [Quantised; 2],
    losses: Vec<f64>,
}

impl<'a> Training<'a> {
    fn new(&Task { job, params }: &Task<'a>, rows: &'a Rows) -> Self {
        let averaged = params.ensemble == Ensemble::Forest;
        let classes = params.objective.trees_per_round();
        let targets = Targets::of(job, params);
        let base = targets.base_scores();
        let valid = if averaged { vec![0.0; classes] } else { base.clone() };
        Self {
            scores: base.repeat(job.train.len()),
            valid_scores: valid.repeat(job.valid.len()),
            trees: Vec::new(),
            validation_loss: Vec::new(),
            best_loss: f64::INFINITY,
            best_round: 0,
            gradients: Gradients::default(),
            buffers: Buffers::default(),
            job,
            params,
            rows,
            targets,
            classes,
            averaged,
            base,
        }
    }

    /// Grows a tree a class; gives back whether there is anything left to learn.
    fn grow(&mut self, round: usize, ways: Ways, work: &mut Workspace) -> bool {
        let mut grew = self.averaged;
        // All classes of a round answer to the scores before it.
        if self.classes > 1 && !(self.averaged && round > 0) {
            probabilities(self.classes, &self.scores, &mut self.buffers.probabilities);
        }
        let drawn = sample::features(self.params.seed, round, self.rows.cuts.cuts.len(), self.params.colsample);
        for class in 0..self.classes {
            // The one gradient of a forest's trees stays as it was.
            if !(self.averaged && self.classes == 1 && round > 0) {
                self.take_gradients(class);
            }
            let drawn_rows = (0..self.job.train.len()).filter(|&row| self.takes(round, row)).map(|row| row as u32);
            let binned = Binned { cuts: &self.rows.cuts, codes: &self.rows.train };
            let number = round * self.classes + class;
            let mut grown = grow::grow(&binned, self.params, number, &drawn, drawn_rows, &self.gradients, ways, work);
            grew |= !grown.tree.split_feature.is_empty();
            self.renew(&mut grown, work);
            if self.averaged {
                let values = grown.tree.leaf_value.iter_mut().chain(&mut grown.tree.node_value);
                values.for_each(|value| *value += self.base[class]);
            } else {
                self.score_train(round, class, &grown, work);
            }
            self.score_valid(class, &grown.tree);
            self.trees.push(grown.tree);
        }
        if !grew {
            // Nothing is left to gain; a round of bare leaves would only shift the base.
            self.trees.truncate(round * self.classes);
        }
        grew
    }

    fn takes(&self, round: usize, row: usize) -> bool {
        sample::takes_row(self.params.seed, round, row, self.params.subsample)
    }

    fn take_gradients(&mut self, class: usize) {
        let Buffers { probabilities, gradient, hessian, quantised: [g, h], .. } = &mut self.buffers;
        let before = if self.classes > 1 { probabilities } else { &self.scores };
        self.targets.gradients(class, before, gradient, hessian);
        g.fill(gradient, SUM_BITS);
        h.fill(hessian, SUM_BITS);
        self.gradients.take(g, h);
    }

    /// Sets leaves anew whose best output is no Newton step.
    fn renew(&self, grown: &mut Grown, work: &Workspace) {
        for (leaf, members) in &grown.members {
            if let Some(output) = self.targets.renewed_output(&self.scores, work.rows(members.clone())) {
                grown.tree.leaf_value[*leaf] = f64::from((output * self.params.rate()) as f32);
            }
        }
    }

    /// Adds a tree's outputs to the scores of the training rows, those included that were not drawn for it.
    fn score_train(&mut self, round: usize, class: usize, grown: &Grown, work: &Workspace) {
        for (leaf, members) in &grown.members {
            for &row in work.rows(members.clone()) {
                self.scores[row as usize * self.classes + class] += grown.tree.leaf_value[*leaf];
            }
        }
        if self.params.subsample < 1.0 {
            let walk = Walk::new(&grown.tree, &self.rows.cuts, &self.rows.train);
            let &BoostParams { seed, subsample, .. } = self.params;
            for row in (0..self.job.train.len()).filter(|&row| !sample::takes_row(seed, round, row, subsample)) {
                self.scores[row * self.classes + class] += grown.tree.leaf_value[walk.leaf(row)];
            }
        }
    }

    /// Adds a tree's outputs to the scores of the validation rows.
    fn score_valid(&mut self, class: usize, tree: &Tree) {
        if self.valid_scores.is_empty() {
            return;
        }
        let walk = Walk::new(tree, &self.rows.cuts, &self.rows.valid);
        for (row, score) in self.valid_scores.iter_mut().skip(class).step_by(self.classes).enumerate() {
            *score += tree.leaf_value[walk.leaf(row)];
        }
    }

    /// Notes the validation loss after a round; gives back whether there is no hope of a better one.
    fn stops(&mut self, round: usize) -> bool {
        let BoostJob { valid_labels, valid_weights, .. } = self.job;
        if valid_labels.is_empty() {
            return false;
        }
        let means: Vec<f64>;
        let said = if self.averaged {
            means = self.valid_scores.iter().map(|score| score / (round + 1) as f64).collect();
            &means
        } else {
            &self.valid_scores
        };
        let losses = &mut self.buffers.losses;
        let loss = mean_loss(self.params.objective, said, valid_labels, valid_weights, losses);
        self.validation_loss.push(loss);
        // A first few rounds are not to be chosen: on noisy rows they often look best by chance.
        let eligible = round + 1 >= self.params.min_rounds as usize;
        if eligible && loss < self.best_loss {
            (self.best_loss, self.best_round) = (loss, round);
        }
        let patience = self.params.early_stopping as usize;
        eligible && patience > 0 && round - self.best_round >= patience
    }

    /// What was trained, up to the best round where rounds are chosen.
    fn forest(mut self, features: &[String]) -> Forest {
        if self.params.early_stopping > 0 && self.best_loss < f64::INFINITY {
            self.trees.truncate((self.best_round + 1) * self.classes);
        }
        Forest {
            objective: self.params.objective,
            features: features.to_vec(),
            // The trees of an averaged forest carry it.
            base_score: if self.averaged { vec![0.0; self.classes] } else { self.base },
            averaged: self.averaged,
            trees: self.trees,
            validation_loss: self.validation_loss,
        }
    }
}
