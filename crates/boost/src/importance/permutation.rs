//! Permutation importance: how much worse a forest predicts when one feature is shuffled.

use rayon::prelude::*;

use crate::quantised::MAX_EXPONENT;
use crate::{Forest, Table, mean_loss};
use huracan_base::arith;

/// The increase of the mean loss when the values of a feature are shuffled among the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PermutationImportance {
    /// Mean over the repeats; below 0 if the feature makes predictions worse.
    pub mean: f64,
    /// Sample standard deviation over the repeats; 0 for a single repeat.
    pub deviation: f64,
}

/// Permutation importance (Breiman 2001; Fisher, Rudin and Dominici 2019), one entry per feature.
///
/// `rows` are rows of `table`, each with a label and a weight (`weights` empty: all equal); the loss is [`mean_loss`]. A shuffle
/// sorts the positions of the rows by a draw from `(seed, feature and repeat, position)`, ties by position. So it is the same
/// for any number of threads, and the first repeats do not depend on how many follow. Features that no tree splits on are
/// exactly 0, and so is everything without rows or repeats.
///
/// # Panics
/// The table has other features than the forest, a row is outside it, or there is not one label, or one weight, per row.
pub fn permutation_importance(
    forest: &Forest,
    table: Table<'_>,
    rows: &[u32],
    labels: &[f32],
    weights: &[f32],
    repeats: u32,
    seed: u64,
) -> Vec<PermutationImportance> {
    let features = forest.features.len();
    assert_eq!(table.features, features, "the table has the features of the forest");
    assert_eq!(labels.len(), rows.len(), "there is one label per row");
    assert!(weights.is_empty() || weights.len() == rows.len(), "there is one weight per row");
    if rows.is_empty() || repeats == 0 {
        return vec![PermutationImportance::default(); features];
    }
    let sums = Sums::new(forest);
    let mut totals = vec![0; rows.len() * sums.classes];
    let every: Vec<usize> = (0..forest.trees.len()).collect();
    totals.par_chunks_mut(sums.classes).zip(rows).for_each(|(totals, &row)| {
        sums.add(1, &every, table.row(row as usize), totals);
    });
    let loss_of = |totals: &[i64], scores: &mut Vec<f64>, losses: &mut Vec<f64>| {
        sums.scores(totals, scores);
        mean_loss(forest.objective, scores, labels, weights, losses)
    };
    let loss = loss_of(&totals, &mut vec![], &mut vec![]);
    let trees = trees_by_feature(forest);
    let permuted = |feature: usize| {
        let trees = &trees[feature];
        if trees.is_empty() {
            return PermutationImportance::default();
        }
        // The outputs of the trees without the feature stay the same.
        let mut others = totals.clone();
        for (others, &row) in others.chunks_exact_mut(sums.classes).zip(rows) {
            sums.add(-1, trees, table.row(row as usize), others);
        }
        let (mut changed, mut scores, mut losses) = (vec![], vec![], vec![]);
        let mut values = vec![0.0; features];
        let rises: Vec<f64> = (0..repeats)
            .map(|repeat| {
                changed.clone_from(&others);
                let order = shuffled(rows.len(), seed, feature, repeat);
                for ((changed, &row), from) in changed.chunks_exact_mut(sums.classes).zip(rows).zip(order) {
                    values.copy_from_slice(table.row(row as usize));
                    values[feature] = table.row(rows[from as usize] as usize)[feature];
                    sums.add(1, trees, &values, changed);
                }
                loss_of(&changed, &mut scores, &mut losses) - loss
            })
            .collect();
        summary(&rises)
    };
    (0..features).into_par_iter().map(permuted).collect()
}

/// The outputs of the trees as integer multiples of a power of two. Their sum is the same in any order, so a part of it can be
/// subtracted and added again. Scores differ from [`Forest::raw_scores`] by rounding errors of 2⁻⁵³ of the greatest.
struct Sums<'a> {
    forest: &'a Forest,
    classes: usize,
    /// Output of each leaf of each tree, in units.
    leaves: Vec<Vec<i64>>,
    unit: f64,
}

impl<'a> Sums<'a> {
    fn new(forest: &'a Forest) -> Self {
        let greatest = |leaves: &Vec<f64>| leaves.iter().fold(0.0, |most: f64, leaf| most.max(leaf.abs()));
        // No sum of one leaf per tree exceeds 61 bits, with or without some of the trees.
        let bound: f64 = forest.trees.iter().map(|tree| greatest(&tree.leaf_value)).sum();
        let exponent = (61 - arith::exponent_above(bound)).clamp(-MAX_EXPONENT, MAX_EXPONENT);
        let scale = arith::power_of_two(exponent);
        let units = |leaves: &Vec<f64>| leaves.iter().map(|leaf| arith::round_to_i64(leaf * scale)).collect();
        Self {
            forest,
            classes: forest.objective.trees_per_round(),
            leaves: forest.trees.iter().map(|tree| units(&tree.leaf_value)).collect(),
            unit: arith::power_of_two(-exponent),
        }
    }

    /// Adds `sign` × the outputs of `trees` for a row to its classes' totals.
    fn add(&self, sign: i64, trees: &[usize], row: &[f32], totals: &mut [i64]) {
        for &tree in trees {
            totals[tree % self.classes] += sign * self.leaves[tree][self.forest.trees[tree].leaf(row)];
        }
    }

    /// Raw scores, `[rows × classes]`.
    fn scores(&self, totals: &[i64], scores: &mut Vec<f64>) {
        let divisor = self.forest.divisor();
        let base = self.forest.base_score.iter().cycle();
        scores.clear();
        scores.extend(totals.iter().zip(base).map(|(&total, base)| (base + total as f64 * self.unit) / divisor));
    }
}

/// The trees that split on each feature, ascending.
fn trees_by_feature(forest: &Forest) -> Vec<Vec<usize>> {
    let mut trees: Vec<Vec<usize>> = vec![vec![]; forest.features.len()];
    for (i, tree) in forest.trees.iter().enumerate() {
        for &feature in &tree.split_feature {
            let of_feature = &mut trees[feature as usize];
            if of_feature.last() != Some(&i) {
                of_feature.push(i);
            }
        }
    }
    trees
}

/// For each position the one that it takes its value from.
fn shuffled(rows: usize, seed: u64, feature: usize, repeat: u32) -> Vec<u32> {
    let stream = ((feature as u64) << 32) | u64::from(repeat);
    let mut positions: Vec<(u64, u32)> =
        (0..rows as u32).map(|position| (arith::draw(seed, stream, u64::from(position)), position)).collect();
    positions.sort_unstable();
    positions.into_iter().map(|(_, position)| position).collect()
}

fn summary(rises: &[f64]) -> PermutationImportance {
    let count = rises.len() as f64;
    let mean = rises.iter().sum::<f64>() / count;
    let squares: f64 = rises.iter().map(|rise| (rise - mean) * (rise - mean)).sum();
    PermutationImportance { mean, deviation: if rises.len() < 2 { 0.0 } else { (squares / (count - 1.0)).sqrt() } }
}

#[cfg(test)]
mod tests;
