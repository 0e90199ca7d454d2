//! Training on the CPU: all jobs of a batch in parallel, each one from its first to its last tree on one core.

use std::cell::Cell;
use std::collections::HashMap;

use huracan_base::Instructions;
use rayon::prelude::*;

use super::bins::Cuts;
use super::codes::Codes;
use super::grow::{self, Binned, Gradients, Grown, Workspace};
use super::histogram::SUM_BITS;
use super::instructions::{self, InstructionSet};
use super::loss::mean_loss_with;
use super::objective::{Targets, probabilities};
use super::penalties::absolute;
use super::quantised::Quantised;
use super::sample::{self, Drawn};
use super::walk::CodedTree;
use super::{BoostError, BoostJob, BoostParams, Ensemble, Forest, Table, Task, Tree};

/// What a job's bins and codes depend on: training rows, validation rows, and most bins per feature.
type BinKey<'a> = (&'a [u32], &'a [u32], u32);

/// Trains every job of a batch on the CPU. The results are in the order of the jobs.
///
/// `features` are the names of the table's columns; `done` is called after each job, from any thread.
pub fn train(
    table: Table<'_>,
    features: &[String],
    jobs: &[BoostJob],
    done: &(dyn Fn(&BoostJob) + Sync),
) -> Vec<Result<Forest, BoostError>> {
    train_with(instructions::used(), table, features, jobs, done)
}

/// [`train`] with a given one of the machine's [`instruction_sets`](super::instruction_sets); all give the same bits.
pub fn train_with(
    instructions: InstructionSet,
    table: Table<'_>,
    features: &[String],
    jobs: &[BoostJob],
    done: &(dyn Fn(&BoostJob) + Sync),
) -> Vec<Result<Forest, BoostError>> {
    let tasks: Vec<Task> = jobs.iter().map(Task::own).collect();
    let finish = |index: usize, forest| {
        done(&jobs[index]);
        forest
    };
    train_tasks(instructions, table, features, &tasks, &|| true, &finish)
}

/// Trains every task of a batch, and keeps of each only what `finish` makes of its index and forest on the thread that trained it,
/// so more models can be tried than would fit into memory. `keep_going` is called before every tree; once it returns false, unfinished
/// tasks end with [`BoostError::Cancelled`].
pub fn train_tasks<T: Send>(
    instructions: InstructionSet,
    table: Table<'_>,
    features: &[String],
    tasks: &[Task<'_>],
    keep_going: &(dyn Fn() -> bool + Sync),
    finish: &(dyn Fn(usize, Result<Forest, BoostError>) -> T + Sync),
) -> Vec<T> {
    let params = absolute(tasks);
    let tasks: Vec<Task> = tasks.iter().zip(&params).map(|(task, params)| Task { job: task.job, params }).collect();
    let sets = sets(tasks.iter().copied().enumerate());
    let trained: Vec<Vec<(usize, T)>> = sets
        .par_iter()
        .map(|set| {
            let checks: Vec<Result<(), BoostError>> =
                set.iter().map(|&i| tasks[i].job.check(tasks[i].params, table)).collect();
            let first = set.iter().zip(&checks).find(|(_, check)| check.is_ok());
            let rows = first.filter(|_| keep_going()).map(|(&i, _)| Rows::new(table, &tasks[i]));
            set.par_iter()
                .zip(checks)
                .map(|(&i, check)| {
                    let task = &tasks[i];
                    let cancelled = || BoostError::Cancelled { job: task.job.name.clone() };
                    let result = check.and_then(|()| {
                        // Only a cancelled set has no rows.
                        let rows = rows.as_ref().ok_or_else(cancelled)?;
                        boost(task, features, rows, instructions, keep_going).ok_or_else(cancelled)
                    });
                    (i, finish(i, result))
                })
                .collect()
        })
        .collect();
    let mut results: Vec<(usize, T)> = trained.into_iter().flatten().collect();
    results.sort_unstable_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

thread_local! {
    /// The workspace of the last job on this thread: small jobs would spend much of their time on allocations.
    static WORK: Cell<Option<Workspace>> = const { Cell::new(None) };
}

/// Groups the indices of tasks into sets that have the same rows and so share their bins, such as the heads and
/// configurations of one symbol and fold.
pub(super) fn sets<'a>(tasks: impl Iterator<Item = (usize, Task<'a>)>) -> Vec<Vec<usize>> {
    let mut sets: HashMap<BinKey<'a>, Vec<usize>> = HashMap::new();
    for (index, Task { job, params }) in tasks {
        sets.entry((&job.train, &job.valid, params.max_bin)).or_default().push(index);
    }
    let mut sets: Vec<Vec<usize>> = sets.into_values().collect();
    sets.sort_unstable();
    sets
}

/// The rows of a set of jobs, in bins.
pub(super) struct Rows {
    /// From the training rows.
    pub cuts: Cuts,
    /// Codes of the training rows.
    pub train: Codes,
    /// Codes of the validation rows.
    pub valid: Codes,
}

impl Rows {
    /// The rows of a job that has been checked.
    pub fn new(table: Table<'_>, Task { job, params }: &Task<'_>) -> Self {
        let (cuts, columns) = Cuts::new(table, &job.train, params.max_bin);
        let train = Codes::from_columns(&cuts, columns);
        let valid = Codes::of_rows(&cuts, table, &job.valid);
        Self { cuts, train, valid }
    }
}

/// The cuts of every job. The jobs must have been checked. Codes are made as for training, and dropped.
pub fn bin(table: Table<'_>, jobs: &[BoostJob]) -> Vec<Cuts> {
    jobs.par_iter().map(|job| Rows::new(table, &Task::own(job)).cuts).collect()
}

/// Trains one model; none if it was cancelled.
fn boost(
    task: &Task<'_>,
    features: &[String],
    rows: &Rows,
    instructions: InstructionSet,
    keep_going: &(dyn Fn() -> bool + Sync),
) -> Option<Forest> {
    let mut work = WORK.take().unwrap_or_default();
    let mut training = Training::new(task, rows);
    let mut cancelled = !keep_going();
    for round in 0..task.params.rounds as usize {
        cancelled = cancelled || !keep_going();
        if cancelled
            || !training.grow(round, instructions, &mut work)
            || training.should_stop(round, instructions.instructions)
        {
            break;
        }
    }
    WORK.set(Some(work));
    (!cancelled).then(|| training.forest(features))
}

/// A model that is being trained.
struct Training<'a> {
    job: &'a BoostJob,
    params: &'a BoostParams,
    rows: &'a Rows,
    targets: Targets<'a>,
    classes: usize,
    /// Whether each tree starts from the base score, and the model is their mean: a random forest.
    averaged: bool,
    base: Vec<f64>,
    /// Scores of the training rows, `[rows × classes]`.
    scores: Vec<f64>,
    /// Scores of the validation rows, `[rows × classes]`; of an averaged forest the sum of the trees so far.
    valid_scores: Vec<f64>,
    trees: Vec<Tree>,
    validation_loss: Vec<f64>,
    best_loss: f64,
    best_round: usize,
    gradients: Gradients,
    /// The rows of the trees of a round.
    drawn: Drawn,
    buffers: Buffers,
}

/// Memory that is reused from round to round.
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
            drawn: Drawn::default(),
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

    /// Grows one tree per class. Returns whether there was anything left to learn.
    fn grow(&mut self, round: usize, instructions: InstructionSet, work: &mut Workspace) -> bool {
        let mut grew = self.averaged;
        // All classes of a round start from the scores before it.
        if self.classes > 1 && !(self.averaged && round > 0) {
            probabilities(self.classes, &self.scores, &mut self.buffers.probabilities);
        }
        let drawn = sample::features(self.params.seed, round, self.rows.cuts.cuts.len(), self.params.colsample);
        self.drawn.draw(self.params, round, self.job.train.len());
        for class in 0..self.classes {
            // All trees of an averaged forest have the same gradients.
            if !(self.averaged && self.classes == 1 && round > 0) {
                self.compute_gradients(class, instructions.instructions);
            }
            let binned = Binned { cuts: &self.rows.cuts, codes: &self.rows.train };
            let number = round * self.classes + class;
            let mut grown = grow::grow(
                &binned,
                self.params,
                number,
                &drawn,
                &self.drawn.taken,
                &self.gradients,
                instructions,
                work,
            );
            grew |= !grown.tree.split_feature.is_empty();
            self.refit_leaves(&mut grown, work);
            if self.averaged {
                let values = grown.tree.leaf_value.iter_mut().chain(&mut grown.tree.node_value);
                values.for_each(|value| *value += self.base[class]);
            } else {
                self.score_train(class, &grown, work);
            }
            self.score_valid(class, &grown.tree);
            self.trees.push(grown.tree);
        }
        if !grew {
            // No split gains anything; a round of single leaves would only shift the base.
            self.trees.truncate(round * self.classes);
        }
        grew
    }

    fn compute_gradients(&mut self, class: usize, instructions: Instructions) {
        let Buffers { probabilities, gradient, hessian, quantised: [g, h], .. } = &mut self.buffers;
        let before = if self.classes > 1 { probabilities } else { &self.scores };
        self.targets.gradients(instructions, class, before, gradient, hessian);
        g.fill(instructions, gradient, SUM_BITS);
        h.fill(instructions, hessian, SUM_BITS);
        self.gradients.set(g, h);
    }

    /// Refits the outputs of leaves whose best output is not a Newton step.
    fn refit_leaves(&self, grown: &mut Grown, work: &Workspace) {
        for (leaf, range) in &grown.leaf_rows {
            if let Some(output) = self.targets.refitted_output(&self.scores, work.rows(range.clone())) {
                grown.tree.leaf_value[*leaf] = f64::from((output * self.params.rate()) as f32);
            }
        }
    }

    /// Adds a tree's outputs to the scores of all training rows, including those that were not drawn for it.
    fn score_train(&mut self, class: usize, grown: &Grown, work: &Workspace) {
        for (leaf, range) in &grown.leaf_rows {
            for &row in work.rows(range.clone()) {
                self.scores[row as usize * self.classes + class] += grown.tree.leaf_value[*leaf];
            }
        }
        if !self.drawn.left_out.is_empty() {
            let walk = CodedTree::new(&grown.tree, &self.rows.cuts, &self.rows.train);
            walk.leaves(self.drawn.left_out.iter().copied(), |row, leaf| {
                self.scores[row as usize * self.classes + class] += grown.tree.leaf_value[leaf];
            });
        }
    }

    /// Adds a tree's outputs to the scores of the validation rows.
    fn score_valid(&mut self, class: usize, tree: &Tree) {
        if self.valid_scores.is_empty() {
            return;
        }
        let walk = CodedTree::new(tree, &self.rows.cuts, &self.rows.valid);
        walk.leaves(0..self.job.valid.len() as u32, |row, leaf| {
            self.valid_scores[row as usize * self.classes + class] += tree.leaf_value[leaf];
        });
    }

    /// Records the validation loss after a round. Returns whether early stopping ends the training.
    fn should_stop(&mut self, round: usize, instructions: Instructions) -> bool {
        let BoostJob { valid_labels, valid_weights, .. } = self.job;
        if valid_labels.is_empty() {
            return false;
        }
        let means: Vec<f64>;
        let scores = if self.averaged {
            means = self.valid_scores.iter().map(|score| score / (round + 1) as f64).collect();
            &means
        } else {
            &self.valid_scores
        };
        let losses = &mut self.buffers.losses;
        let loss = mean_loss_with(instructions, self.params.objective, scores, valid_labels, valid_weights, losses);
        self.validation_loss.push(loss);
        // The first few rounds cannot be chosen: on noisy rows they often look best by chance.
        let eligible = round + 1 >= self.params.min_rounds as usize;
        if eligible && loss < self.best_loss {
            (self.best_loss, self.best_round) = (loss, round);
        }
        let patience = self.params.early_stopping as usize;
        eligible && patience > 0 && round - self.best_round >= patience
    }

    /// The trained model, up to the best round if early stopping chooses one.
    fn forest(mut self, features: &[String]) -> Forest {
        if self.params.early_stopping > 0 && self.best_loss < f64::INFINITY {
            self.trees.truncate((self.best_round + 1) * self.classes);
        }
        Forest {
            objective: self.params.objective,
            features: features.to_vec(),
            // The trees of an averaged forest include it.
            base_score: if self.averaged { vec![0.0; self.classes] } else { self.base },
            averaged: self.averaged,
            trees: self.trees,
            validation_loss: self.validation_loss,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Objective;
    use huracan_base::arith::{draw, uniform};

    /// One job of more than 2²⁰ rows, which leaves 9 bits for the greatest gradient: a step of 0.1 in the first feature, noise
    /// ten times as wide, and one outlier. What it predicts on both sides of the step.
    fn learned(outlier: f32) -> (f64, f64) {
        const ROWS: usize = (1 << 20) + 1;
        let noise = |row: usize, which: u64| uniform(draw(3, row as u64, which)) - 0.5;
        let values: Vec<f32> = (0..ROWS).flat_map(|row| [0, 1].map(|which| noise(row, which) as f32)).collect();
        let label = |row: usize| (0.1 * noise(row, 0).signum() + 4.0 * noise(row, 2)) as f32;
        let mut labels: Vec<f32> = (0..ROWS).map(label).collect();
        labels[7] = outlier;
        let params = BoostParams {
            objective: Objective::Regression,
            relative: true,
            l2: 0.1,
            min_child_hessian: 0.02,
            rounds: 6,
            learning_rate: 0.5,
            max_depth: 2,
            ..BoostParams::default()
        };
        let job = BoostJob { train: (0..ROWS as u32).collect(), train_labels: labels, params, ..BoostJob::default() };
        let table = Table { values: &values, features: 2 };
        let forest = train(table, &["x", "y"].map(str::to_owned), &[job], &|_| {}).remove(0).unwrap();
        (forest.raw_scores(&[-0.25, 0.0])[0], forest.raw_scores(&[0.25, 0.0])[0])
    }

    /// The rows of a node are dealt out in other portions for each number of threads.
    #[test]
    fn any_number_of_threads_trains_the_same_large_model() {
        const ROWS: usize = 70_000;
        const FEATURES: usize = 9;
        let values: Vec<f32> = (0..ROWS * FEATURES)
            .map(|at| match uniform(draw(5, at as u64, 0)) {
                u if u < 0.03 => f32::NAN,
                u => (u * if at % FEATURES == 4 { 7.0 } else { 1e4 }).floor() as f32,
            })
            .collect();
        let table = Table { values: &values, features: FEATURES };
        let names: Vec<String> = (0..FEATURES).map(|feature| feature.to_string()).collect();
        let weights: Vec<f32> = (0..ROWS).map(|row| 0.5 + (row % 3) as f32).collect();
        let jobs: Vec<BoostJob> = [Objective::Binary, Objective::Multiclass { classes: 3 }]
            .into_iter()
            .map(|objective| {
                let label = |row: usize| (values[row * FEATURES] as usize % objective.trees_per_round().max(2)) as f32;
                let params =
                    BoostParams { objective, rounds: 3, max_depth: 4, subsample: 0.7, ..BoostParams::default() };
                BoostJob {
                    train: (0..ROWS as u32).collect(),
                    train_labels: (0..ROWS).map(label).collect(),
                    train_weights: weights.clone(),
                    params,
                    ..BoostJob::default()
                }
            })
            .collect();
        let with = |threads: usize| -> Vec<String> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let forests = pool.install(|| train(table, &names, &jobs, &|_| {}));
            forests.into_iter().map(|forest| forest.unwrap().digest()).collect()
        };
        let one = with(1);
        assert_ne!(one[0], one[1]);
        [2, 5].into_iter().for_each(|threads| assert_eq!(with(threads), one, "{threads} threads"));
    }

    #[test]
    fn a_million_rows_with_an_outlier_at_the_bound_of_edges_still_teach_a_small_step() {
        let knows_the_step = |(below, above): (f64, f64)| (below + 0.1).abs() < 0.02 && (above - 0.1).abs() < 0.02;
        // Four times the larger barrier of the default settings.
        assert!(knows_the_step(learned(10.0)), "{:?}", learned(10.0));
        // Without a bound, the gradients of all other rows are rounded to nothing.
        assert!(!knows_the_step(learned(1e5)));
    }
}
