//! Boosting on the CPU: all jobs of a batch in parallel, each from first to last tree on one core.

use std::cell::Cell;
use std::collections::HashMap;

use rayon::prelude::*;

use super::codes::Codes;
use super::grow::{self, Binned, Gradients, Workspace};
use super::histogram::SUM_BITS;
use super::objective::{self, Quantised};
use super::sample;
use super::split::{self, Ways};
use super::{BoostError, BoostJob, BoostParams, Cuts, Forest, MISSING, MOST_CLASSES, Table};

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
    // Heads of one symbol and fold learn from the same rows: their bins are made once.
    let mut groups: HashMap<BinsOf<'_>, Vec<usize>> = HashMap::new();
    for (i, job) in jobs.iter().enumerate() {
        groups.entry((&job.train, &job.valid, job.params.max_bin)).or_default().push(i);
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
    groups.sort_unstable();
    let ways = split::ways()[0];
    let trained: Vec<Vec<(usize, Result<Forest, BoostError>)>> = groups
        .par_iter()
        .map(|members| {
            let ready: Vec<Result<(), BoostError>> = members.iter().map(|&i| check(table, &jobs[i])).collect();
            let rows = members.iter().zip(&ready).find(|(_, ready)| ready.is_ok()).map(|(&i, _)| &jobs[i]);
            let binned = rows.map(|job| {
                let cuts = Cuts::new(table, &job.train, job.params.max_bin);
                let (train, valid) = (cuts.codes(table, &job.train), cuts.codes(table, &job.valid));
                Rows { grouped: Codes::new(&cuts, &train), cuts, train, valid }
            });
            members
                .par_iter()
                .zip(ready)
                .map(|(&i, ready)| {
                    let job = &jobs[i];
                    let result = ready.and_then(|()| match &binned {
                        Some(rows) => Ok(boost(job, features, rows, ways)),
                        None => Err(BoostError::NoRows { job: job.name.clone() }),
                    });
                    done(job);
                    (i, result)
                })
                .collect()
        })
        .collect();
    let mut results: Vec<(usize, Result<Forest, BoostError>)> = trained.into_iter().flatten().collect();
    results.sort_unstable_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

fn check(table: Table<'_>, job: &BoostJob) -> Result<(), BoostError> {
    let name = || job.name.clone();
    if table.features == 0 {
        return Err(BoostError::NoFeatures { job: name() });
    }
    if job.train.is_empty() {
        return Err(BoostError::NoRows { job: name() });
    }
    for (rows, labels) in [(&job.train, &job.train_labels), (&job.valid, &job.valid_labels)] {
        if rows.len() != labels.len() {
            return Err(BoostError::Lengths { job: name(), rows: rows.len(), labels: labels.len() });
        }
        if let Some(&row) = rows.iter().find(|&&row| row as usize >= table.rows()) {
            return Err(BoostError::Row { job: name(), row, rows: table.rows() });
        }
    }
    job.params.check(&job.name)?;
    objective::check_labels(job)
}

thread_local! {
    /// What the last job on this thread worked in: small jobs would spend much of their time on new memory.
    static WORK: Cell<Option<Workspace>> = const { Cell::new(None) };
}

/// The rows of jobs that share them, in bins.
struct Rows {
    cuts: Cuts,
    grouped: Codes,
    /// `[rows × features]` row-major.
    train: Vec<u8>,
    valid: Vec<u8>,
}

fn boost(job: &BoostJob, features: &[String], rows: &Rows, ways: Ways) -> Forest {
    let params = &job.params;
    let classes = params.objective.trees_per_round();
    let Rows { cuts, grouped, train: codes, valid: valid_codes } = rows;
    let width = cuts.cuts.len();
    let binned = Binned { cuts, codes: grouped };
    let base = objective::base_scores(params.objective, &job.train_labels);
    let mut scores = base.repeat(job.train.len());
    let mut valid_scores = base.repeat(job.valid.len());
    let mut forest = Forest {
        objective: params.objective,
        features: features.to_vec(),
        base_score: base,
        trees: Vec::new(),
        validation_loss: Vec::new(),
    };
    let mut work = WORK.take().unwrap_or_else(|| Workspace::new(ways));
    let mut gradients = Gradients::default();
    let (mut gradient, mut hessian) = (Quantised::default(), Quantised::default());
    let (mut g, mut h, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    let (mut best_loss, mut best_round) = (f64::INFINITY, 0);
    for round in 0..params.rounds as usize {
        let mut grew = false;
        // All classes of a round answer to the scores before it.
        let before = if classes > 1 { Some(scores.clone()) } else { None };
        for class in 0..classes {
            let tree_number = round * classes + class;
            let current = before.as_deref().unwrap_or(&scores);
            objective::gradients(params.objective, class, current, &job.train_labels, &mut g, &mut h);
            gradient.fill(&g, SUM_BITS);
            hessian.fill(&h, SUM_BITS);
            gradients.take(&gradient, &hessian);
            let drawn = sample::features(params.seed, round, width, params.colsample);
            let takes = |row: usize| sample::takes_row(params.seed, round, row, params.subsample);
            let rows = (0..job.train.len()).filter(|&row| takes(row)).map(|row| row as u32);
            let grown = grow::grow(&binned, params, &drawn, rows, &gradients, &mut work);
            grew |= !grown.tree.split_feature.is_empty();
            for (leaf, members) in grown.members {
                for &row in work.rows(members) {
                    scores[row as usize * classes + class] += grown.tree.leaf_value[leaf];
                }
            }
            let walk = Walk::new(&grown.tree, cuts);
            if params.subsample < 1.0 {
                for row in (0..job.train.len()).filter(|&row| !takes(row)) {
                    let leaf = walk.leaf(&codes[row * width..(row + 1) * width]);
                    scores[row * classes + class] += grown.tree.leaf_value[leaf];
                }
            }
            for row in 0..job.valid.len() {
                let leaf = walk.leaf(&valid_codes[row * width..(row + 1) * width]);
                valid_scores[row * classes + class] += grown.tree.leaf_value[leaf];
            }
            debug_assert_eq!(forest.trees.len(), tree_number);
            forest.trees.push(grown.tree);
        }
        if !grew {
            // Nothing is left to gain; a round of bare leaves would only shift the base.
            forest.trees.truncate(round * classes);
            break;
        }
        if !job.valid.is_empty() {
            let loss = objective::mean_loss(params.objective, &valid_scores, &job.valid_labels, &mut losses);
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

/// A tree over codes instead of values.
struct Walk<'a> {
    tree: &'a super::Tree,
    /// Last bin that goes left, a node.
    bins: Vec<usize>,
}

impl<'a> Walk<'a> {
    fn new(tree: &'a super::Tree, cuts: &Cuts) -> Self {
        let bins = tree
            .split_feature
            .iter()
            .zip(&tree.threshold)
            .map(|(&feature, &threshold)| {
                cuts.cuts[feature as usize].partition_point(|&cut| f64::from(cut) <= threshold).saturating_sub(1)
                    + usize::from(threshold == f64::MAX)
            })
            .collect();
        Self { tree, bins }
    }

    fn leaf(&self, codes: &[u8]) -> usize {
        let tree = self.tree;
        if tree.split_feature.is_empty() {
            return 0;
        }
        let mut node = 0;
        loop {
            let code = codes[tree.split_feature[node] as usize];
            let left = if code == MISSING { tree.missing_left[node] } else { code as usize <= self.bins[node] };
            match if left { tree.left[node] } else { tree.right[node] } {
                super::Child::Node(next) => node = next as usize,
                super::Child::Leaf(leaf) => return leaf as usize,
            }
        }
    }
}

impl BoostParams {
    /// Checks every parameter.
    ///
    /// # Errors
    /// The first one out of its range.
    pub fn check(&self, job: &str) -> Result<(), BoostError> {
        let fault =
            |key, value: String, expected| Err(BoostError::Parameter { job: job.to_owned(), key, value, expected });
        if self.rounds == 0 {
            return fault("rounds", "0".into(), "at least 1");
        }
        if !(2..=255).contains(&self.max_bin) {
            return fault("max-bin", self.max_bin.to_string(), "from 2 to 255");
        }
        if !(1..=20).contains(&self.max_depth) {
            return fault("max-depth", self.max_depth.to_string(), "from 1 to 20");
        }
        for (key, value) in [("subsample", self.subsample), ("colsample", self.colsample)] {
            if !(value > 0.0 && value <= 1.0) {
                return fault(key, value.to_string(), "above 0, at most 1");
            }
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return fault("learning-rate", self.learning_rate.to_string(), "above 0");
        }
        let penalties =
            [("l2", self.l2), ("min-child-hessian", self.min_child_hessian), ("min-split-gain", self.min_split_gain)];
        for (key, value) in penalties {
            if !(value >= 0.0 && value.is_finite()) {
                return fault(key, value.to_string(), "0 or more");
            }
        }
        if let super::Objective::Multiclass { classes } = self.objective
            && !(2..=MOST_CLASSES).contains(&classes)
        {
            return fault("number of classes", classes.to_string(), "from 2 to 1000");
        }
        Ok(())
    }
}
