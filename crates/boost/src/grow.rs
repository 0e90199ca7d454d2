//! Grows one tree: splits the next open leaf until no leaf is worth splitting.
//!
//! By level, no split depends on another one of the same level: going depth first gives the same tree, and needs only one
//! histogram per level. By leaf, the open leaf with the greatest gain is split next.

mod finish;
mod partition;
mod search;

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

use rayon::prelude::*;

use super::bins::Cuts;
use super::codes::{Codes, Group, LANES};
use super::histogram::{self, Bins, EMPTY, Histogram, Sums};
use super::instructions::InstructionSet;
use super::monotone::Bounds;
use super::quantised::Quantised;
use super::split::{FEW_ROWS, SplitRules};
use super::{BoostParams, Ensemble, Growth, MIN_SHARED_ROWS, Tree, sample};
use search::Split;

/// Most histograms that open leaves keep; the others build theirs again when their turn comes.
const MAX_KEPT_HISTOGRAMS: usize = 128;

/// Tasks for each thread where threads share the work of a node: they take different times.
const TASKS_PER_THREAD: usize = 4;

/// Fewest rows of a task: a histogram of its own is worth it.
const PORTION: usize = 1 << 13;

/// Fewest rows of a node that may be split.
pub const MIN_SPLIT_ROWS: usize = 2;

/// Children of a split, each with at least the smallest Hessian.
pub const CHILDREN: i32 = 2;

/// The training rows of one job, in bins.
pub struct Binned<'a> {
    pub cuts: &'a Cuts,
    pub codes: &'a Codes,
}

/// The gradient and Hessian of each row, as multiples of a unit.
#[derive(Default)]
pub struct Gradients {
    /// One entry per training row.
    pub sums: Vec<Sums>,
    /// The value of one unit of a gradient.
    pub gradient_unit: f64,
    /// The value of one unit of a Hessian.
    pub hessian_unit: f64,
}

impl Gradients {
    /// Sets gradients and Hessians.
    pub fn set(&mut self, gradient: &Quantised, hessian: &Quantised) {
        (self.gradient_unit, self.hessian_unit) = (gradient.unit, hessian.unit);
        self.sums.resize(gradient.values.len(), Sums::ZERO);
        let pairs =
            self.sums.par_iter_mut().zip(&gradient.values).zip(&hessian.values).with_min_len(MIN_SHARED_ROWS / 4);
        pairs.for_each(|((sums, &gradient), &hessian)| *sums = Sums::new(gradient, hessian));
    }
}

/// Buffers that are reused from tree to tree.
#[derive(Default)]
pub struct Workspace {
    /// Free histograms.
    pool: Vec<Histogram>,
    /// Rows of the tree, grouped by node.
    rows: Vec<u32>,
    spare: Vec<u32>,
}

impl Workspace {
    /// The rows of a leaf of the last tree, given its range in [`Grown::leaf_rows`].
    pub fn rows(&self, range: Range<usize>) -> &[u32] {
        &self.rows[range]
    }

    fn histogram(&mut self, groups: usize) -> Histogram {
        self.pool.pop().unwrap_or_else(|| vec![Box::new(EMPTY); groups])
    }
}

/// A grown tree, and the rows in each of its leaves.
pub struct Grown {
    /// The tree.
    pub tree: Tree,
    /// Leaves and the ranges of their rows, see [`Workspace::rows`].
    pub leaf_rows: Vec<(usize, Range<usize>)>,
}

/// A node, leaf or not.
#[derive(Clone)]
struct NodeData {
    sums: Sums,
    /// Range of its rows in the workspace.
    rows: Range<usize>,
    depth: u32,
    /// Limits of its output.
    bounds: Bounds,
    /// Identifies the node within its tree, for draws.
    path: u64,
}

enum Node {
    Leaf(NodeData),
    Inner { split: Split, data: NodeData, left: usize, right: usize },
}

/// A leaf that is worth splitting.
struct OpenLeaf {
    /// Its number among the nodes.
    number: usize,
    data: NodeData,
    split: Split,
    /// Its histogram, unless it has few rows or the histogram was not kept.
    histogram: Option<Histogram>,
}

/// The order of growth by leaf: the greatest gain, then the leaf made first.
impl Ord for OpenLeaf {
    fn cmp(&self, other: &Self) -> Ordering {
        self.split.gain.total_cmp(&other.split.gain).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for OpenLeaf {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for OpenLeaf {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for OpenLeaf {}

/// A tree that is being grown.
struct Grower<'a> {
    binned: &'a Binned<'a>,
    params: &'a BoostParams,
    instructions: InstructionSet,
    rules: SplitRules,
    /// In quantised units.
    min_split_gain: f32,
    /// Number of the tree, for draws.
    tree: usize,
    /// The lanes of each group that are drawn for the tree; none for a group without any.
    drawn: Vec<Option<[bool; LANES]>>,
    /// Features drawn for the tree, ascending.
    features: &'a [u32],
    /// Monotone direction of each lane of each group; none if no feature has one.
    directions: Option<Vec<[i8; LANES]>>,
    gradients: &'a Gradients,
    nodes: Vec<Node>,
    leaves: u32,
}

/// Grows a tree on `rows` (positions in the job) with the `features` drawn; `tree` is its number within the job.
#[allow(clippy::too_many_arguments, reason = "one call, and every argument is needed")]
pub fn grow(
    binned: &Binned<'_>,
    params: &BoostParams,
    tree: usize,
    features: &[u32],
    rows: &[u32],
    gradients: &Gradients,
    instructions: InstructionSet,
    work: &mut Workspace,
) -> Grown {
    work.rows.clear();
    work.rows.extend_from_slice(rows);
    work.spare.resize(work.rows.len().max(work.spare.len()), 0);
    work.pool.retain(|histogram| histogram.len() == binned.codes.groups.len());
    let mut grower = Grower::new(binned, params, tree, features, gradients, instructions);
    let sums = work.rows.iter().fold(Sums::ZERO, |sum, &row| sum.plus(gradients.sums[row as usize]));
    let root = NodeData { sums, rows: 0..work.rows.len(), depth: 0, bounds: Bounds::NONE, path: sample::ROOT_PATH };
    if let Some(open) = grower.root(work, root) {
        match params.growth {
            Growth::Level => grower.by_level(work, open),
            Growth::Leaf => grower.by_leaf(work, open),
        }
    }
    grower.finish()
}

impl<'a> Grower<'a> {
    fn new(
        binned: &'a Binned<'a>,
        params: &'a BoostParams,
        tree: usize,
        features: &'a [u32],
        gradients: &'a Gradients,
        instructions: InstructionSet,
    ) -> Self {
        let of_score = gradients.hessian_unit / (gradients.gradient_unit * gradients.gradient_unit);
        let drawn = binned.codes.groups.iter().map(|group| {
            let lanes = group.lanes(|feature| features.binary_search(&feature).is_ok());
            lanes.contains(&true).then_some(lanes)
        });
        let directions = params.monotone.iter().any(|&sign| sign != 0).then(|| {
            let of_group = |group: &Group| {
                let mut lanes = [0; LANES];
                for (lane, &feature) in lanes.iter_mut().zip(&group.features) {
                    *lane = params.monotone[feature as usize];
                }
                lanes
            };
            binned.codes.groups.iter().map(of_group).collect()
        });
        Self {
            binned,
            params,
            instructions,
            rules: SplitRules {
                l2: (params.l2 / gradients.hessian_unit) as f32,
                min_child_hessian: ((params.min_child_hessian / gradients.hessian_unit) as i32).max(1),
            },
            min_split_gain: (params.min_split_gain * of_score) as f32,
            tree,
            drawn: drawn.collect(),
            features,
            directions,
            gradients,
            nodes: Vec::new(),
            leaves: 1,
        }
    }

    /// Makes the root, and returns it if it is worth splitting.
    fn root(&mut self, work: &mut Workspace, data: NodeData) -> Option<OpenLeaf> {
        self.nodes.push(Node::Leaf(data.clone()));
        if !self.worth_splitting(&data) {
            return None;
        }
        let histogram = if self.is_few(data.rows.len()) { None } else { Some(self.build_histogram(work, &data)) };
        self.open_leaf(work, 0, data, histogram, None)
    }

    fn by_level(&mut self, work: &mut Workspace, root: OpenLeaf) {
        let mut open = vec![root];
        while let Some(next) = open.pop() {
            let [left, right] = self.split_leaf(work, next);
            open.extend(right);
            open.extend(left);
        }
    }

    fn by_leaf(&mut self, work: &mut Workspace, root: OpenLeaf) {
        let mut open = BinaryHeap::from([root]);
        let mut kept = 1;
        while let Some(mut next) = open.pop() {
            kept -= usize::from(next.histogram.is_some());
            if next.histogram.is_none() && !self.is_few(next.data.rows.len()) {
                next.histogram = Some(self.build_histogram(work, &next.data));
            }
            for mut child in self.split_leaf(work, next).into_iter().flatten() {
                if kept >= MAX_KEPT_HISTOGRAMS {
                    work.pool.extend(child.histogram.take());
                }
                kept += usize::from(child.histogram.is_some());
                open.push(child);
            }
            if self.leaves >= self.params.max_leaves {
                break;
            }
        }
        work.pool.extend(open.into_iter().filter_map(|open| open.histogram));
    }

    fn worth_splitting(&self, data: &NodeData) -> bool {
        let at_limit = match self.params.growth {
            Growth::Level => data.depth >= self.params.max_depth,
            Growth::Leaf => {
                self.leaves >= self.params.max_leaves
                    || (self.params.max_depth > 0 && data.depth >= self.params.max_depth)
            }
        };
        !at_limit && data.rows.len() >= MIN_SPLIT_ROWS && data.sums.hessian() / CHILDREN >= self.rules.min_child_hessian
    }

    /// The histogram of a node's rows.
    fn build_histogram(&self, work: &mut Workspace, data: &NodeData) -> Histogram {
        let groups = &self.binned.codes.groups;
        let build = |out: &mut Box<Bins>, group: &Group, rows: &[u32]| {
            histogram::build(out, group, rows, &self.gradients.sums);
        };
        if data.rows.len() < MIN_SHARED_ROWS {
            let mut out = work.histogram(groups.len());
            for ((out, group), drawn) in out.iter_mut().zip(groups).zip(&self.drawn) {
                if drawn.is_some() {
                    build(out, group, &work.rows[data.rows.clone()]);
                }
            }
            return out;
        }
        // Each thread gets several tasks, of some rows and the features of a group; the rows' parts are joined then.
        let tasks = TASKS_PER_THREAD * rayon::current_num_threads();
        let portions = tasks.div_ceil(groups.len()).min(data.rows.len() / PORTION).max(1);
        let mut parts: Vec<Histogram> = (0..portions).map(|_| work.histogram(groups.len())).collect();
        let rows = work.rows[data.rows.clone()].par_chunks(data.rows.len().div_ceil(portions));
        let unused = parts.split_off(rows.len());
        parts.par_iter_mut().zip(rows).for_each(|(part, rows)| {
            let some = part.par_iter_mut().zip(groups).zip(&self.drawn).filter(|(_, drawn)| drawn.is_some());
            some.for_each(|((out, group), _)| build(out, group, rows));
        });
        let mut out = parts.swap_remove(0);
        out.par_iter_mut().zip(groups).enumerate().for_each(|(number, (out, group))| {
            if self.drawn[number].is_some() {
                parts.iter().for_each(|part| histogram::join(out, &part[number], group));
            }
        });
        work.pool.extend(parts);
        work.pool.extend(unused);
        out
    }

    /// Whether a node of so few rows is searched by its rows, without a histogram. Compares the steps that both take.
    fn is_few(&self, rows: usize) -> bool {
        if rows > FEW_ROWS || self.directions.is_some() {
            return false;
        }
        let groups = self.binned.codes.groups.iter().zip(&self.drawn).filter(|(_, drawn)| drawn.is_some());
        let (mut bins, mut one_by_one) = (0, 0);
        for (group, _) in groups {
            bins += 18 * group.bins;
            one_by_one += rows * (2 * rows + 20);
        }
        one_by_one < bins
    }

    /// Splits a leaf, and returns those of its children that are worth splitting in turn.
    fn split_leaf(&mut self, work: &mut Workspace, open: OpenLeaf) -> [Option<OpenLeaf>; 2] {
        let OpenLeaf { number, data, split, mut histogram } = open;
        let middle = data.rows.start + self.partition(work, &split, data.rows.clone());
        let bounds = data.bounds.of_children(split.outputs, self.direction(split.feature));
        let child = |which: usize, sums: Sums, rows: Range<usize>| NodeData {
            sums,
            rows,
            depth: data.depth + 1,
            bounds: bounds[which],
            path: sample::child_path(data.path, which),
        };
        let children = [
            child(0, split.left, data.rows.start..middle),
            child(1, data.sums.minus(split.left), middle..data.rows.end),
        ];
        self.leaves += 1;
        let left = self.nodes.len();
        self.nodes[number] = Node::Inner { split, data, left, right: left + 1 };
        self.nodes.extend(children.iter().map(|child| Node::Leaf(child.clone())));
        let splits = children.each_ref().map(|child| self.worth_splitting(child));
        let by_bins = [0, 1].map(|which| splits[which] && !self.is_few(children[which].rows.len()));
        // The histogram of the smaller child is built; that of the other one is the parent's less the smaller child's.
        let smaller = usize::from(children[0].rows.len() > children[1].rows.len());
        let built = by_bins.contains(&true).then(|| self.build_histogram(work, &children[smaller]));
        let mut opened = [None, None];
        let [first, second] = children;
        let mut children = [Some(first), Some(second)];
        let larger = 1 - smaller;
        if let Some(data) = children[larger].take().filter(|_| splits[larger]) {
            let parent = if by_bins[larger] { histogram.take() } else { None };
            let other = if by_bins[larger] { built.as_ref() } else { None };
            opened[larger] = self.open_leaf(work, left + larger, data, parent, other);
        }
        work.pool.extend(histogram);
        if let Some(data) = children[smaller].take().filter(|_| splits[smaller]) {
            let own = if by_bins[smaller] {
                built
            } else {
                work.pool.extend(built);
                None
            };
            opened[smaller] = self.open_leaf(work, left + smaller, data, own, None);
        } else {
            work.pool.extend(built);
        }
        opened
    }

    /// Monotone direction of a feature: 1, −1, or 0 for none.
    fn direction(&self, feature: u32) -> i8 {
        self.params.monotone.get(feature as usize).copied().unwrap_or(0)
    }

    /// Searches the best split of leaf `number`. Returns the leaf if there is one; otherwise frees its histogram. If `other` is
    /// given, `histogram` is the parent's, from which it is subtracted.
    fn open_leaf(
        &self,
        work: &mut Workspace,
        number: usize,
        data: NodeData,
        mut histogram: Option<Histogram>,
        other: Option<&Histogram>,
    ) -> Option<OpenLeaf> {
        match self.best_split(&work.rows[data.rows.clone()], histogram.as_mut(), other, &data) {
            Some(split) => Some(OpenLeaf { number, data, split, histogram }),
            None => {
                work.pool.extend(histogram);
                None
            }
        }
    }
}

impl BoostParams {
    /// The factor of each tree's outputs.
    pub(super) fn rate(&self) -> f64 {
        match self.ensemble {
            Ensemble::Boosting => self.learning_rate,
            Ensemble::Forest => 1.0,
        }
    }
}
