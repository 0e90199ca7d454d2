//! SHAP values of a forest's raw scores.

use rayon::prelude::*;

use super::paths::{LANES, Lanes, Paths, Step};
use crate::{Forest, Table, Tree};

/// Rows that a thread takes at a time: the factors of a tree and the sums of the rows stay in the cache.
const BLOCK: usize = 16;

/// Most inner nodes whose paths are in memory at once: about 400 bytes each, and 256 more for every four points after the
/// first four.
const MAX_NODES: usize = 1 << 15;

/// The contribution of each feature to the raw scores of each row, by path-dependent SHAP values:
/// `[rows × classes × (features + 1)]`. The last value per class is the expected value; together they add up to the raw score.
///
/// `rows` are rows of `table`. A feature that is not known is averaged over as the training rows were split: a node weights its
/// children by their row counts, equally if both are 0. The values are those of Lundberg, Erion and Lee (2018, algorithm 2), as
/// LightGBM's `pred_contrib` and the shap package return them. They are computed differently, because unwinding a path loses
/// digits with every feature on it (all of them at 100 features). The Shapley value is the integral over t of the game's
/// derivative along the diagonal of its multilinear extension (Owen 1972), for a leaf
///
/// φᵢ = value · ∫ (hotᵢ − coverᵢ) ∏_{j≠i} (t·hotⱼ + (1 − t)·coverⱼ) dt
///
/// where hot is 1 if the row follows all of the path's splits on a feature, and otherwise 0, and cover is the product of the
/// shares of rows that do. Gauss–Legendre quadrature is exact for this polynomial, and its products have no terms that cancel
/// (Wettenstein, Mitchell and Yu 2026); sums over leaves are carried up the tree (Yu et al. 2022).
///
/// The values of a row have the same bits for any number of threads and any other rows.
///
/// # Panics
/// The table has other features than the forest, or a row is outside it.
pub fn contributions(forest: &Forest, table: Table<'_>, rows: &[u32]) -> Vec<f64> {
    let features = forest.features.len();
    assert_eq!(table.features, features, "the table has the features of the forest");
    let classes = forest.objective.trees_per_round();
    let per_row = classes * (features + 1);
    let mut values = vec![0.0; rows.len() * per_row];
    let mut expected = forest.base_score.clone();
    for batch in batches(&forest.trees) {
        let first = batch.start;
        let paths: Vec<Paths> = forest.trees[batch].par_iter().map(|tree| Paths::new(tree, features)).collect();
        let mut of_class: Vec<Vec<&Paths>> = vec![vec![]; classes];
        for (i, paths) in paths.iter().enumerate() {
            let class = (first + i) % classes;
            expected[class] += paths.expected;
            if !paths.steps.is_empty() {
                of_class[class].push(paths);
            }
        }
        let depth = paths.iter().map(|paths| paths.depth).max().unwrap_or(0);
        let edges = paths.iter().map(|paths| paths.edges.len()).max().unwrap_or(0);
        let blocks = values.par_chunks_mut(BLOCK * per_row).zip(rows.par_chunks(BLOCK));
        blocks.for_each_init(
            || (Walker::new(depth, edges), vec![[0.0; LANES]; BLOCK * features]),
            |(walker, sums), (values, rows)| {
                for (class, trees) in of_class.iter().enumerate().filter(|(_, trees)| !trees.is_empty()) {
                    sums.fill([0.0; LANES]);
                    for paths in trees {
                        for (&row, sums) in rows.iter().zip(sums.chunks_exact_mut(features)) {
                            walker.add(paths, table.row(row as usize), sums);
                        }
                    }
                    for (values, sums) in values.chunks_exact_mut(per_row).zip(sums.chunks_exact(features)) {
                        let values = &mut values[class * (features + 1)..];
                        values.iter_mut().zip(sums).for_each(|(value, [a, b, c, d])| *value += (a + b) + (c + d));
                    }
                }
            },
        );
    }
    let divisor = forest.divisor();
    for row in values.chunks_exact_mut(per_row) {
        for (values, expected) in row.chunks_exact_mut(features + 1).zip(&expected) {
            values[features] = *expected;
            values.iter_mut().for_each(|value| *value /= divisor);
        }
    }
    values
}

/// Ranges of trees with at most [`MAX_NODES`] nodes, or a single tree. They depend on the forest only, and so do the sums.
fn batches(trees: &[Tree]) -> Vec<std::ops::Range<usize>> {
    let mut batches: Vec<std::ops::Range<usize>> = vec![];
    let mut nodes = 0;
    for (i, tree) in trees.iter().enumerate() {
        nodes += tree.split_feature.len();
        match batches.last_mut() {
            Some(batch) if nodes <= MAX_NODES => batch.end = i + 1,
            _ => {
                batches.push(i..i + 1);
                nodes = tree.split_feature.len();
            }
        }
    }
    batches
}

/// Working memory of a walk over a tree, for trees up to a size.
struct Walker {
    /// For every edge of the path, whether the row follows it and the path's edges above it with the same feature.
    followed: Vec<bool>,
    /// Product of the features' factors on the path to the node at each depth.
    reach: Vec<Lanes>,
    /// Sum of value × product over the leaves visited below the node at each depth.
    below: Vec<Lanes>,
}

impl Walker {
    fn new(depth: usize, edges: usize) -> Self {
        let at = vec![[0.0; LANES]; depth + 1];
        // Edge 0 is followed by every row.
        Self { followed: vec![true; edges], reach: at.clone(), below: at }
    }

    /// Adds a tree's contributions for a row to `sums`, `[features]`.
    fn add(&mut self, paths: &Paths, row: &[f32], sums: &mut [Lanes]) {
        for factors in &paths.factors {
            let mut depth = 0;
            self.reach[0] = [1.0; LANES];
            self.below[0] = [0.0; LANES];
            for &step in &paths.steps {
                let (Step::Down(id) | Step::Leaf(id, _) | Step::Up(id)) = step;
                let id = id as usize;
                let edge = &paths.edges[id];
                let on_path = self.followed[edge.above as usize];
                if step == Step::Up(id as u32) {
                    let sum = self.below[depth];
                    depth -= 1;
                    add(&mut self.below[depth], &sum);
                    if on_path {
                        let gain = &factors[id].gain[usize::from(self.followed[id])];
                        add(&mut sums[edge.feature as usize], &times(gain, &sum));
                    }
                    continue;
                }
                let value = row[edge.feature as usize];
                let left = if value.is_nan() { edge.missing_left } else { f64::from(value) <= edge.threshold };
                let follows = left == edge.to_left;
                // If the row has left the path at this feature before, the feature contributes nothing more, and only the share
                // of rows that take the path shrinks.
                let scale = if on_path { factors[id].scale[usize::from(follows)] } else { [edge.share; LANES] };
                let reach = times(&self.reach[depth], &scale);
                if let Step::Leaf(_, value) = step {
                    let sum = times(&reach, &[value; LANES]);
                    add(&mut self.below[depth], &sum);
                    if on_path {
                        add(&mut sums[edge.feature as usize], &times(&factors[id].gain[usize::from(follows)], &sum));
                    }
                } else {
                    self.followed[id] = on_path && follows;
                    depth += 1;
                    self.reach[depth] = reach;
                    self.below[depth] = [0.0; LANES];
                }
            }
        }
    }
}

fn times(a: &Lanes, b: &Lanes) -> Lanes {
    std::array::from_fn(|lane| a[lane] * b[lane])
}

fn add(sum: &mut Lanes, more: &Lanes) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}
