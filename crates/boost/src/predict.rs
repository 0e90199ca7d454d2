//! Predictions of many models for many rows in one batch, with the same bits as [`Forest::predict`].
//!
//! A tree is laid out as a complete tree: the children of node i are 2i + 1 and 2i + 2. A step down is then a comparison
//! without a branch, and the rows of a block walk down side by side. Where a tree ends early, all paths below lead to its leaf.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod plain;

use huracan_base::Instructions;
use rayon::prelude::*;

use super::{Child, Forest, Table, Tree};

/// Rows that go through all trees before the next ones do: their values and scores stay in the L1 cache.
const BLOCK: usize = 64;

/// Rows that a thread takes at a time.
const PORTION: usize = 1024;

/// Most levels of a tree that is laid out as a complete tree; each further level would double its size.
const MAX_LEVELS: u32 = 8;

/// Marks a feature whose missing values go right.
pub const MISSING_RIGHT: u32 = 1 << 31;

/// A forest, and the rows of the shared table that it predicts.
#[derive(Debug, Clone, Copy)]
pub struct PredictJob<'a> {
    /// The forest.
    pub forest: &'a Forest,
    /// Rows of the table.
    pub rows: &'a [u32],
}

impl PredictJob<'_> {
    /// Checks that the forest can predict these rows of `table`.
    ///
    /// # Panics
    /// If it cannot: see [`predict`].
    pub(super) fn assert_fits(&self, table: Table<'_>) {
        let Forest { features, base_score, objective, trees, .. } = self.forest;
        assert_eq!(features.len(), table.features, "a forest predicts rows of its own features");
        assert_eq!(base_score.len(), objective.trees_per_round(), "a forest has one base score per class");
        assert!(trees.iter().all(|tree| tree.is_sound(features.len())), "a tree's splits are complete");
        let end = |&row: &u32| (row as usize + 1) * table.features;
        assert!(self.rows.iter().all(|row| end(row) <= table.values.len()), "rows are in the table");
    }
}

/// The predictions of each job, `[rows × classes]`: a probability (binary), a value, or one probability per class.
///
/// # Panics
/// A forest has other features than the table, or not one base score per class; one of its trees splits on a feature or leads
/// to a child that does not exist; or a row is outside the table.
pub fn predict(table: Table<'_>, jobs: &[PredictJob<'_>]) -> Vec<Vec<f64>> {
    of_jobs(table, jobs, true)
}

/// The raw scores of each job, `[rows × classes]`.
///
/// # Panics
/// As [`predict`].
pub fn raw_scores(table: Table<'_>, jobs: &[PredictJob<'_>]) -> Vec<Vec<f64>> {
    of_jobs(table, jobs, false)
}

fn of_jobs(table: Table<'_>, jobs: &[PredictJob<'_>], transform: bool) -> Vec<Vec<f64>> {
    of_jobs_with(walk_with(Instructions::used()), table, jobs, transform)
}

fn of_jobs_with(walk: Walk, table: Table<'_>, jobs: &[PredictJob<'_>], transform: bool) -> Vec<Vec<f64>> {
    let one = |job: &PredictJob<'_>| {
        job.assert_fits(table);
        let forest = job.forest;
        let classes = forest.objective.trees_per_round();
        let (layout, divisor) = (ForestLayout::new(forest), forest.divisor());
        let mut scores = forest.base_score.repeat(job.rows.len());
        let portion = |(scores, rows): (&mut [f64], &[u32])| {
            let mut values = Vec::new();
            for (scores, rows) in scores.chunks_mut(BLOCK * classes).zip(rows.chunks(BLOCK)) {
                layout.add(walk, table, rows, classes, scores, &mut values);
                scores.iter_mut().for_each(|score| *score /= divisor);
                if transform {
                    scores.chunks_exact_mut(classes).for_each(|row| forest.objective.transform(row));
                }
            }
        };
        if job.rows.len() <= PORTION {
            portion((&mut scores, job.rows));
        } else {
            scores.par_chunks_mut(PORTION * classes).zip(job.rows.par_chunks(PORTION)).for_each(portion);
        }
        scores
    };
    jobs.par_iter().map(one).collect()
}

/// The trees of a forest, laid out for walking.
struct ForestLayout<'a> {
    trees: Vec<TreeLayout<'a>>,
    /// Of each node the greatest f32 that goes left, and its feature, with [`MISSING_RIGHT`] if a missing value goes right. After
    /// the last node follow [`PADDING`] entries.
    cuts: Vec<f32>,
    features: Vec<u32>,
    leaves: Vec<f64>,
}

enum TreeLayout<'a> {
    /// Its levels, and where its 2ˡᵉᵛᵉˡˢ − 1 nodes and 2ˡᵉᵛᵉˡˢ leaves begin.
    Complete { levels: u32, nodes: usize, leaves: usize },
    /// A tree too deep to be laid out.
    Deep(&'a Tree),
}

/// Numbers that vectors may read past the nodes of a level.
const PADDING: usize = LANES;

/// The nodes of a complete tree, level by level.
pub(super) struct Levels<'a> {
    pub count: u32,
    /// From the root on, with [`PADDING`] numbers after the last node.
    cuts: &'a [f32],
    features: &'a [u32],
}

impl Levels<'_> {
    /// Cuts and features from the first node of a level on: its nodes, or more, so that a vector of `LANES` can be read.
    fn padded<const LANES: usize>(&self, level: u32) -> (&[f32], &[u32]) {
        let first = (1 << level) - 1;
        let (cuts, features) = (&self.cuts[first..], &self.features[first..]);
        let least = (1 << level).max(LANES);
        assert!(cuts.len() >= least && features.len() >= least, "the nodes are padded");
        (cuts, features)
    }
}

/// Walks some rows, `[BLOCK × columns]`, down a tree, and gives the leaf of each. They are as many as the last argument has; rows
/// that fill up the last vector have any values.
///
/// # Safety
/// Every feature of the tree is one of the columns.
type Walk = unsafe fn(&[f32], usize, &Levels<'_>, &mut [u32]);

/// Rows of a vector.
const LANES: usize = 8;

/// The walk with instructions that this processor has.
fn walk_with(instructions: Instructions) -> Walk {
    // Wider vectors would be slower: they gather their values no faster, and there are fewer of them on the way.
    #[cfg(target_arch = "x86_64")]
    if matches!(instructions, Instructions::Avx2 | Instructions::Avx512) {
        // SAFETY: the caller says that the processor has the instructions; the rest is up to those who call the walk.
        return |values, columns, levels, out| unsafe { avx2::walk(values, columns, levels, out) };
    }
    let _ = instructions;
    plain::walk
}

impl<'a> ForestLayout<'a> {
    fn new(forest: &'a Forest) -> Self {
        let trees = Vec::with_capacity(forest.trees.len());
        let mut layout = Self { trees, cuts: Vec::new(), features: Vec::new(), leaves: Vec::new() };
        for tree in &forest.trees {
            let levels = tree.levels();
            if levels > MAX_LEVELS {
                layout.trees.push(TreeLayout::Deep(tree));
                continue;
            }
            let (nodes, leaves) = (layout.cuts.len(), layout.leaves.len());
            layout.trees.push(TreeLayout::Complete { levels, nodes, leaves });
            layout.cuts.resize(nodes + (1 << levels) - 1, 0.0);
            layout.features.resize(nodes + (1 << levels) - 1, 0);
            layout.leaves.resize(leaves + (1 << levels), 0.0);
            let root = if tree.split_feature.is_empty() { Child::Leaf(0) } else { Child::Node(0) };
            let mut open = vec![(root, 0, 0)];
            while let Some((child, level, place)) = open.pop() {
                match child {
                    Child::Leaf(leaf) => {
                        // The leaves below a node lie side by side.
                        let below = 1_usize << (levels - level);
                        let first = (place + 1 - (1 << level)) * below;
                        layout.leaves[leaves + first..leaves + first + below].fill(tree.leaf_value[leaf as usize]);
                    }
                    Child::Node(node) => {
                        let node = node as usize;
                        let missing = if tree.missing_left[node] { 0 } else { MISSING_RIGHT };
                        let feature = tree.split_feature[node];
                        layout.cuts[nodes + place] = greatest_f32_at_most(tree.threshold[node]);
                        layout.features[nodes + place] = feature | missing;
                        open.push((tree.left[node], level + 1, 2 * place + 1));
                        open.push((tree.right[node], level + 1, 2 * place + 2));
                    }
                }
            }
        }
        layout.cuts.resize(layout.cuts.len() + PADDING, 0.0);
        layout.features.resize(layout.features.len() + PADDING, 0);
        layout
    }

    /// Adds the outputs of all trees to the scores of at most [`BLOCK`] rows, tree by tree. `values` is working memory.
    fn add(
        &self,
        walk: Walk,
        table: Table<'_>,
        rows: &[u32],
        classes: usize,
        scores: &mut [f64],
        values: &mut Vec<f32>,
    ) {
        let columns = table.features;
        values.resize(BLOCK * columns, 0.0);
        for (own, &row) in values.chunks_exact_mut(columns.max(1)).zip(rows) {
            own.copy_from_slice(table.row(row as usize));
        }
        let mut found = [0; BLOCK];
        let found = &mut found[..rows.len().next_multiple_of(LANES)];
        for (number, shape) in self.trees.iter().enumerate() {
            let class = number % classes;
            let own = scores.iter_mut().skip(class).step_by(classes);
            match *shape {
                TreeLayout::Complete { levels, nodes, leaves } => {
                    let (cuts, features) = (&self.cuts[nodes..], &self.features[nodes..]);
                    // SAFETY: `PredictJob::assert_fits` has checked that every feature is a column.
                    unsafe { walk(values, columns, &Levels { count: levels, cuts, features }, found) };
                    let leaves = &self.leaves[leaves..leaves + (1 << levels)];
                    own.zip(&*found).for_each(|(score, &leaf)| *score += leaves[leaf as usize]);
                }
                TreeLayout::Deep(tree) => {
                    let rows = values.chunks_exact(columns.max(1));
                    own.zip(rows).for_each(|(score, row)| *score += tree.predict(row));
                }
            }
        }
    }
}

/// The greatest f32 that is at most a threshold: it sends the same f32 values left.
pub(super) fn greatest_f32_at_most(threshold: f64) -> f32 {
    let near = threshold as f32;
    if f64::from(near) > threshold { near.next_down() } else { near }
}

impl Tree {
    /// Whether every split is on one of `features` features and has a threshold and two children that exist.
    fn is_sound(&self, features: usize) -> bool {
        let (nodes, leaves) = (self.split_feature.len(), self.leaf_value.len());
        let lengths = [self.threshold.len(), self.missing_left.len(), self.left.len(), self.right.len()];
        let exists = |&child: &Child| match child {
            Child::Node(node) => (node as usize) < nodes,
            Child::Leaf(leaf) => (leaf as usize) < leaves,
        };
        leaves > 0
            && lengths == [nodes; 4]
            && self.split_feature.iter().all(|&feature| (feature as usize) < features)
            && self.left.iter().chain(&self.right).all(exists)
    }

    /// Number of splits on the longest path from the root to a leaf.
    pub(super) fn levels(&self) -> u32 {
        let root = if self.split_feature.is_empty() { Child::Leaf(0) } else { Child::Node(0) };
        let (mut open, mut most) = (vec![(root, 0)], 0);
        while let Some((child, level)) = open.pop() {
            match child {
                Child::Leaf(_) => most = most.max(level),
                Child::Node(node) => {
                    open.push((self.left[node as usize], level + 1));
                    open.push((self.right[node as usize], level + 1));
                }
            }
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Objective;
    use huracan_base::arith::{draw, uniform};

    const FEATURES: usize = 7;

    /// A tree of random shape with at most `most` levels.
    fn tree(seed: u64, most: u32) -> Tree {
        let mut tree = Tree::default();
        grow(&mut tree, seed, 0, most);
        tree
    }

    fn grow(tree: &mut Tree, seed: u64, level: u32, most: u32) -> Child {
        let drawn = |k| uniform(draw(seed, k, u64::from(level)));
        if level >= most || drawn(0) < 0.2 {
            tree.leaf_value.push(drawn(1) - 0.5);
            return Child::Leaf(tree.leaf_value.len() as u32 - 1);
        }
        let node = tree.split_feature.len();
        tree.split_feature.push((draw(seed, 2, 0) % FEATURES as u64) as u32);
        let cut = (drawn(3) as f32 - 0.5) * 4.0;
        let thresholds =
            [f64::from(cut), (f64::from(cut) + f64::from(cut.next_up())) / 2.0, f64::MAX, 0.1, -1e300, 1e300];
        tree.threshold.push(thresholds[draw(seed, 4, 0) as usize % thresholds.len()]);
        tree.missing_left.push(draw(seed, 5, 0).is_multiple_of(2));
        tree.left.push(Child::Leaf(0));
        tree.right.push(Child::Leaf(0));
        tree.left[node] = grow(tree, draw(seed, 6, 0), level + 1, most);
        tree.right[node] = grow(tree, draw(seed, 7, 0), level + 1, most);
        Child::Node(node as u32)
    }

    fn forest(seed: u64, objective: Objective, averaged: bool, most: u32) -> Forest {
        let classes = objective.trees_per_round();
        Forest {
            objective,
            features: (0..FEATURES).map(|f| f.to_string()).collect(),
            base_score: (0..classes).map(|class| class as f64 * 0.3).collect(),
            averaged,
            trees: (0..5 * classes as u64).map(|i| tree(draw(seed, 8, i), most)).collect(),
            validation_loss: vec![],
        }
    }

    #[test]
    fn batches_predict_the_same_bits_as_single_rows() {
        let edges = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.0, -0.0, 0.1];
        let values: Vec<f32> = (0..3000 * FEATURES as u64)
            .map(|i| match draw(1, 0, i) % 20 {
                edge @ 0..8 => edges[edge as usize],
                _ => (uniform(draw(1, 1, i)) as f32 - 0.5) * 4.0,
            })
            .collect();
        let table = Table { values: &values, features: FEATURES };
        let forests = [
            forest(1, Objective::Binary, false, 6),
            forest(2, Objective::Multiclass { classes: 3 }, false, 3),
            forest(3, Objective::Regression, true, 8),
            forest(4, Objective::Quantile { alpha: 0.1 }, false, 14),
            forest(5, Objective::Regression, false, 0),
        ];
        let deep = forests[3].trees.iter().any(|tree| tree.levels() > MAX_LEVELS);
        assert!(deep, "one forest must have trees that are not laid out");
        for count in [0, 1, 7, 9, 3000] {
            let rows: Vec<u32> = (0..count).map(|i| i * 7 % 3000).collect();
            let jobs: Vec<PredictJob> = forests.iter().map(|forest| PredictJob { forest, rows: &rows }).collect();
            for instructions in Instructions::available() {
                let together = of_jobs_with(walk_with(instructions), table, &jobs, true);
                for (job, together) in jobs.iter().zip(together) {
                    let alone: Vec<f64> =
                        rows.iter().flat_map(|&row| job.forest.predict(table.row(row as usize))).collect();
                    assert_eq!(together.len(), alone.len());
                    let same = together.iter().zip(&alone).all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(same, "{:?} with {}", job.forest.objective, instructions.name());
                }
            }
        }
    }

    #[test]
    fn a_forest_that_does_not_fit_the_rows_panics_before_it_reads_anything() {
        let values = [0.5_f32; 2 * FEATURES];
        let good = forest(1, Objective::Regression, false, 3);
        let panics = |features: usize, rows: &[u32], change: &dyn Fn(&mut Forest)| {
            let mut forest = good.clone();
            change(&mut forest);
            let table = Table { values: &values, features };
            std::panic::catch_unwind(|| PredictJob { forest: &forest, rows }.assert_fits(table)).is_err()
        };
        let with_split = |forest: &Forest| forest.trees.iter().position(|tree| !tree.left.is_empty()).unwrap();
        assert!(!panics(FEATURES, &[0, 1], &|_| ()));
        assert!(panics(FEATURES, &[2], &|_| ()), "there are two rows");
        assert!(panics(FEATURES - 1, &[0], &|_| ()), "other features");
        assert!(panics(FEATURES, &[0], &|forest| forest.base_score.push(0.0)));
        assert!(panics(FEATURES, &[0], &|forest| forest.trees[0].leaf_value.clear()));
        assert!(panics(FEATURES, &[0], &|forest| {
            let at = with_split(forest);
            forest.trees[at].split_feature[0] = FEATURES as u32;
        }));
        assert!(panics(FEATURES, &[0], &|forest| {
            let at = with_split(forest);
            forest.trees[at].left[0] = Child::Leaf(1000);
        }));
        assert!(panics(FEATURES, &[0], &|forest| {
            let at = with_split(forest);
            forest.trees[at].right[0] = Child::Node(1000);
        }));
        assert!(panics(FEATURES, &[0], &|forest| {
            let at = with_split(forest);
            forest.trees[at].missing_left.pop();
        }));
    }
}
