//! Penalties as shares of what a job's rows weigh and could gain, so that a number means the same for every objective, weighting
//! and number of rows.

use huracan_base::Instructions;
use rayon::prelude::*;

use super::objective::{Targets, probabilities};
use super::{BoostJob, BoostParams, Objective, Task};

/// The parameters of tasks, with penalties as sums over their rows.
pub fn absolute(tasks: &[Task<'_>]) -> Vec<BoostParams> {
    tasks.par_iter().map(|task| task.params.absolute(task.job)).collect()
}

impl BoostParams {
    /// The same parameters with penalties as sums over the rows of `job`, not shares of them.
    pub fn absolute(&self, job: &BoostJob) -> Self {
        if !self.relative {
            return self.clone();
        }
        let total = self.subsample * self.total_hessian(job);
        // Without a least gain there is nothing to scale, and no need to look at every row.
        let gain = if self.min_split_gain > 0.0 { self.subsample * self.total_gain(job) } else { 0.0 };
        Self {
            relative: false,
            l2: self.l2 * total,
            min_child_hessian: self.min_child_hessian * total,
            min_split_gain: self.min_split_gain * gain,
            ..self.clone()
        }
    }

    /// Sum of the Hessians of a job's training rows: of their weights, for log loss times p(1 − p), where p is the weighted share
    /// of label 1.
    fn total_hessian(&self, job: &BoostJob) -> f64 {
        let mut sums = [0.0; 2];
        for (row, &label) in job.train_labels.iter().enumerate() {
            let weight = job.train_weights.get(row).map_or(1.0, |&weight| f64::from(weight));
            let one = self.objective == Objective::Binary && label > 0.5;
            sums[usize::from(one)] += if one { weight * self.scale_pos_weight } else { weight };
        }
        let total = sums[0] + sums[1];
        // Without both labels there is nothing to learn, whatever the unit is.
        if sums[0] > 0.0 && sums[1] > 0.0 { sums[0] * sums[1] / total } else { total }
    }

    /// What the first tree would gain with a leaf per row and no penalty: the sum of g²/h over a job's training rows at the score
    /// before it, for several classes the mean of their trees. Of log loss that is the total weight, of squared error the total
    /// weight times the variance of the labels. 0 for labels that are no numbers, which the check of the job finds.
    fn total_gain(&self, job: &BoostJob) -> f64 {
        let (rows, classes) = (job.train_labels.len(), self.objective.trees_per_round());
        let targets = Targets::of(job, self);
        let scores = targets.base_scores().repeat(rows);
        let mut before = scores.clone();
        if classes > 1 {
            probabilities(classes, &scores, &mut before);
        }
        let (mut gradients, mut hessians) = (Vec::new(), Vec::new());
        let mut total = 0.0;
        for class in 0..classes {
            targets.gradients(Instructions::used(), class, &before, &mut gradients, &mut hessians);
            let known = gradients.iter().zip(&hessians).filter(|(_, hessian)| **hessian > 0.0);
            total += known.map(|(gradient, hessian)| gradient * gradient / hessian).sum::<f64>();
        }
        if total.is_finite() { total / classes as f64 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Forest, Table, train};
    use huracan_base::arith::{draw, uniform};

    const ROWS: usize = 600;

    fn noise(row: usize, which: u64) -> f64 {
        uniform(draw(5, row as u64, which)) - 0.5
    }

    fn values() -> Vec<f32> {
        (0..ROWS).flat_map(|row| [noise(row, 0) as f32, noise(row, 1) as f32]).collect()
    }

    fn job(objective: Objective, params: BoostParams, scale: f64, weight: f32) -> BoostJob {
        let label = |row: usize| match objective {
            Objective::Binary => f32::from(noise(row, 0) + noise(row, 2) > 0.0),
            _ => (scale * (noise(row, 0) + noise(row, 2))) as f32,
        };
        BoostJob {
            train: (0..ROWS as u32).collect(),
            train_labels: (0..ROWS).map(label).collect(),
            train_weights: (0..ROWS).map(|row| weight * (1 + row % 3) as f32).collect(),
            params: BoostParams { objective, relative: true, rounds: 8, max_depth: 4, ..params },
            ..BoostJob::default()
        }
    }

    fn forest(job: &BoostJob) -> Forest {
        let values = values();
        let names = ["x", "y"].map(str::to_owned);
        let table = Table { values: &values, features: 2 };
        train(table, &names, std::slice::from_ref(job), &|_| {}).remove(0).unwrap()
    }

    fn splits(forest: &Forest) -> usize {
        forest.trees.iter().map(|tree| tree.leaf_value.len() - 1).sum()
    }

    #[test]
    fn shares_become_sums_over_the_rows_that_a_tree_draws() {
        let shares = BoostParams {
            l2: 0.5,
            min_child_hessian: 0.25,
            min_split_gain: 0.125,
            relative: true,
            subsample: 0.5,
            ..BoostParams::default()
        };
        let job = |labels: &[f32], weights: &[f32]| BoostJob {
            train: (0..labels.len() as u32).collect(),
            train_labels: labels.to_vec(),
            train_weights: weights.to_vec(),
            ..BoostJob::default()
        };
        let sums = |objective, labels: &[f32], weights: &[f32]| {
            let params = BoostParams { objective, ..shares.clone() }.absolute(&job(labels, weights));
            assert!(!params.relative);
            [params.l2, params.min_child_hessian, params.min_split_gain]
        };
        let near = |found: [f64; 3], known: [f64; 3]| {
            assert!(found.iter().zip(known).all(|(found, known)| (found - known).abs() < 1e-12), "{found:?} {known:?}");
        };
        // A total weight of 8, half of it drawn. Log loss: p(1 − p) is 3/16, the most that can be gained is 8.
        let binary = sums(Objective::Binary, &[1.0, 0.0, 0.0], &[2.0, 1.0, 5.0]);
        near(binary, [0.5 * 0.75, 0.25 * 0.75, 0.125 * 4.0]);
        // Squared error: the mean is 1, the weighted squares are 2·9 + 1·1 + 5·1 = 24.
        let squared = sums(Objective::Regression, &[4.0, 0.0, 0.0], &[2.0, 1.0, 5.0]);
        near(squared, [0.5 * 4.0, 0.25 * 4.0, 0.125 * 12.0]);
        // Huber: the median is 0, and the error of 4 counts as 1.
        let huber = sums(Objective::Huber { delta: 1.0 }, &[4.0, 0.0, 0.0], &[2.0, 1.0, 5.0]);
        near(huber, [0.5 * 4.0, 0.25 * 4.0, 0.125 * 1.0]);
        let plain = BoostParams { relative: false, ..shares.clone() };
        assert_eq!(plain.absolute(&job(&[1.0], &[])), plain);
        let unknown = shares.absolute(&job(&[f32::NAN, 1.0], &[]));
        assert_eq!(unknown.min_split_gain, 0.0);
    }

    #[test]
    fn weights_that_are_all_doubled_give_the_same_forest() {
        let params = BoostParams { l2: 0.1, min_child_hessian: 0.02, min_split_gain: 0.001, ..BoostParams::default() };
        for objective in [Objective::Binary, Objective::Regression, Objective::Huber { delta: 0.3 }] {
            let of = |weight| {
                let mut forest = forest(&job(objective, params.clone(), 1.0, weight));
                // What a tree records of weights and gains is in their own units.
                for tree in &mut forest.trees {
                    tree.split_gain.iter_mut().for_each(|gain| *gain /= weight);
                    for weights in [&mut tree.node_weight, &mut tree.leaf_weight] {
                        weights.iter_mut().for_each(|own| *own /= f64::from(weight));
                    }
                }
                forest
            };
            assert!(splits(&of(1.0)) > 8, "{objective:?}");
            assert_eq!(of(1.0), of(2.0), "{objective:?}");
        }
    }

    #[test]
    fn a_least_gain_means_the_same_for_labels_of_any_scale_and_for_every_objective() {
        let count = |objective, scale, least| {
            let params = BoostParams { l2: 0.0, min_split_gain: least, ..BoostParams::default() };
            splits(&forest(&job(objective, params, scale, 1.0)))
        };
        // A power of two: the same trees, only larger.
        for least in [0.0, 0.001, 0.01, 0.05] {
            let small = count(Objective::Regression, 1.0, least);
            assert_eq!(small, count(Objective::Regression, 1024.0, least), "{least}");
            assert!(least > 0.0 || small > 40);
        }
        for objective in [Objective::Binary, Objective::Regression, Objective::Huber { delta: 0.3 }] {
            let few = count(objective, 1.0, 0.02);
            assert!(few > 0 && few < count(objective, 1.0, 0.001), "{objective:?}: {few}");
            // Nothing explains all there is to explain.
            assert_eq!(count(objective, 1.0, 1.0), 0, "{objective:?}");
        }
    }

    #[test]
    fn a_share_of_l2_shrinks_a_leaf_equally_whatever_the_objective() {
        // One tree of one split between two halves, at full rate: a leaf with half the weight and λ of half the weight is
        // shrunk to one half.
        for objective in [Objective::Binary, Objective::Regression] {
            let one = |l2| {
                let values: Vec<f32> = (0..8).map(|row| f32::from(row >= 4_u8)).collect();
                let labels: Vec<f32> = [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0].to_vec();
                let params = BoostParams {
                    objective,
                    relative: true,
                    rounds: 1,
                    max_depth: 1,
                    learning_rate: 1.0,
                    l2,
                    min_child_hessian: 0.0,
                    ..BoostParams::default()
                };
                let job = BoostJob { train: (0..8).collect(), train_labels: labels, params, ..BoostJob::default() };
                let table = Table { values: &values, features: 1 };
                let forest = train(table, &["x".to_owned()], &[job], &|_| {}).remove(0).unwrap();
                forest.trees[0].leaf_value.clone()
            };
            let (free, shrunk) = (one(0.0), one(0.5));
            assert_eq!(free.len(), 2, "{objective:?}");
            assert!(
                free.iter().zip(&shrunk).all(|(free, shrunk)| (shrunk / free - 0.5).abs() < 1e-6),
                "{free:?} {shrunk:?}"
            );
        }
    }
}
