//! Grows one tree: the open node that is next in line is divided, until none is worth it.
//!
//! Growing level by level, no node's split depends on another's: walking depth first needs a histogram a level and gives
//! the same tree. Growing by leaf, the open node with the greatest gain is next.

mod finish;
mod partition;
mod search;

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

use rayon::prelude::*;

use super::bins::Cuts;
use super::codes::{Codes, Group, LANES};
use super::histogram::{self, Bins, Histogram, Sums};
use super::monotone::Bounds;
use super::quantised::Quantised;
use super::split::{FEW, SplitRules, Ways};
use super::{BoostParams, Ensemble, Growth, MANY_ROWS, Tree, sample};
use search::Split;

/// Most histograms that open leaves keep; those with less to gain are added up anew when their turn comes.
const KEPT_HISTOGRAMS: usize = 128;

/// The training rows of one job, in bins.
pub struct Binned<'a> {
    pub cuts: &'a Cuts,
    pub codes: &'a Codes,
}

/// Each row's gradient and Hessian, as multiples of a unit each.
#[derive(Default)]
pub struct Gradients {
    pub sums: Vec<Sums>,
    pub gradient_unit: f64,
    pub hessian_unit: f64,
}

impl Gradients {
    /// Puts both side by side.
    pub fn take(&mut self, gradient: &Quantised, hessian: &Quantised) {
        (self.gradient_unit, self.hessian_unit) = (gradient.unit, hessian.unit);
        self.sums.clear();
        self.sums.extend(gradient.values.iter().zip(&hessian.values).map(|(&g, &h)| Sums::new(g, h)));
    }
}

/// Buffers that all trees of a job share.
#[derive(Default)]
pub struct Workspace {
    /// Free histograms.
    pool: Vec<Histogram>,
    /// Rows of the tree, grouped by node.
    rows: Vec<u32>,
    spare: Vec<u32>,
}

impl Workspace {
    /// Rows of a leaf of the last tree, as given in [`Grown::members`].
    pub fn rows(&self, range: Range<usize>) -> &[u32] {
        &self.rows[range]
    }

    fn histogram(&mut self, groups: usize) -> Histogram {
        self.pool.pop().unwrap_or_else(|| vec![Box::new([[Sums::ZERO; LANES]; 256]); groups])
    }
}

/// A grown tree, with the leaf that each of its training rows fell into.
pub struct Grown {
    pub tree: Tree,
    /// `(leaf, rows)`.
    pub members: Vec<(usize, Range<usize>)>,
}

/// What is known of a node, leaf or not.
#[derive(Clone)]
struct Part {
    sums: Sums,
    rows: Range<usize>,
    depth: u32,
    /// Between which its outputs must lie.
    bounds: Bounds,
    /// Names the node within its tree, for draws.
    path: u64,
}

enum Node {
    Leaf(Part),
    Inner { split: Split, part: Part, left: usize, right: usize },
}

/// A leaf that is worth dividing.
struct Open {
    place: usize,
    part: Part,
    split: Split,
    /// Its histogram, unless its rows are few or it was given up.
    own: Option<Histogram>,
}

/// The order of growth by leaf: the greatest gain, then the first made.
impl Ord for Open {
    fn cmp(&self, other: &Self) -> Ordering {
        self.split.gain.total_cmp(&other.split.gain).then(other.place.cmp(&self.place))
    }
}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Open {}

struct Tending<'a> {
    binned: &'a Binned<'a>,
    params: &'a BoostParams,
    ways: Ways,
    rules: SplitRules,
    /// In quantised units.
    min_split_gain: f32,
    /// Number of the tree, for draws.
    tree: usize,
    /// Which lanes of each group are drawn for the tree; none where no lane is.
    drawn: Vec<Option<[bool; LANES]>>,
    /// Features drawn for the tree.
    features: &'a [u32],
    /// Direction of each lane of each group, where any feature has one.
    directions: Option<Vec<[i8; LANES]>>,
    gradients: &'a Gradients,
    nodes: Vec<Node>,
    leaves: u32,
}

/// Grows a tree on `rows` (places in the job) with the `features` drawn; `tree` numbers it within the job.
#[allow(clippy::too_many_arguments)]
pub fn grow(
    binned: &Binned<'_>,
    params: &BoostParams,
    tree: usize,
    features: &[u32],
    rows: impl Iterator<Item = u32>,
    gradients: &Gradients,
    ways: Ways,
    work: &mut Workspace,
) -> Grown {
    work.rows.clear();
    work.rows.extend(rows);
    work.spare.resize(work.rows.len().max(work.spare.len()), 0);
    work.pool.retain(|histogram| histogram.len() == binned.codes.groups.len());
    let mut tending = Tending::new(binned, params, tree, features, gradients, ways);
    let sums = work.rows.iter().fold(Sums::ZERO, |sum, &row| sum.plus(gradients.sums[row as usize]));
    let root = Part { sums, rows: 0..work.rows.len(), depth: 0, bounds: Bounds::NONE, path: 1 };
    if let Some(open) = tending.root(work, root) {
        match params.growth {
            Growth::Level => tending.by_level(work, open),
            Growth::Leaf => tending.by_leaf(work, open),
        }
    }
    tending.finish()
}

impl<'a> Tending<'a> {
    fn new(
        binned: &'a Binned<'a>,
        params: &'a BoostParams,
        tree: usize,
        features: &'a [u32],
        gradients: &'a Gradients,
        ways: Ways,
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
            ways,
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

    /// Makes the root; gives it back where it is worth dividing.
    fn root(&mut self, work: &mut Workspace, part: Part) -> Option<Open> {
        self.nodes.push(Node::Leaf(part.clone()));
        if !self.worth_splitting(&part) {
            return None;
        }
        let own = if self.few(part.rows.len()) { None } else { Some(self.built(work, &part)) };
        self.searched(work, 0, part, own, None)
    }

    fn by_level(&mut self, work: &mut Workspace, root: Open) {
        let mut open = vec![root];
        while let Some(next) = open.pop() {
            let [left, right] = self.divide(work, next);
            open.extend(right);
            open.extend(left);
        }
    }

    fn by_leaf(&mut self, work: &mut Workspace, root: Open) {
        let mut open = BinaryHeap::from([root]);
        let mut kept = 1;
        while let Some(mut next) = open.pop() {
            kept -= usize::from(next.own.is_some());
            if next.own.is_none() && !self.few(next.part.rows.len()) {
                next.own = Some(self.built(work, &next.part));
            }
            for mut child in self.divide(work, next).into_iter().flatten() {
                if kept >= KEPT_HISTOGRAMS {
                    work.pool.extend(child.own.take());
                }
                kept += usize::from(child.own.is_some());
                open.push(child);
            }
            if self.leaves >= self.params.max_leaves {
                break;
            }
        }
        work.pool.extend(open.into_iter().filter_map(|open| open.own));
    }

    fn worth_splitting(&self, part: &Part) -> bool {
        let deep = match self.params.growth {
            Growth::Level => part.depth >= self.params.max_depth,
            Growth::Leaf => {
                self.leaves >= self.params.max_leaves
                    || (self.params.max_depth > 0 && part.depth >= self.params.max_depth)
            }
        };
        !deep && part.rows.len() >= 2 && part.sums.hessian() / 2 >= self.rules.min_child_hessian
    }

    /// The histogram of a node's rows.
    fn built(&self, work: &mut Workspace, part: &Part) -> Histogram {
        let mut out = work.histogram(self.binned.codes.groups.len());
        let rows = &work.rows[part.rows.clone()];
        let one = |((out, group), drawn): ((&mut Box<Bins>, &Group), &Option<_>)| {
            if drawn.is_some() {
                histogram::build(out, group, rows, &self.gradients.sums);
            }
        };
        let groups = &self.binned.codes.groups;
        if rows.len() < MANY_ROWS {
            out.iter_mut().zip(groups).zip(&self.drawn).for_each(one);
        } else {
            out.par_iter_mut().zip(groups).zip(&self.drawn).with_max_len(1).for_each(one);
        }
        out
    }

    /// Whether so few rows are searched one by one, without a histogram. Weighs the steps of both ways.
    fn few(&self, rows: usize) -> bool {
        if rows > FEW || self.directions.is_some() {
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

    /// Divides a leaf; gives back those of its children that are worth dividing in turn.
    fn divide(&mut self, work: &mut Workspace, open: Open) -> [Option<Open>; 2] {
        let Open { place, part, split, mut own } = open;
        let middle = part.rows.start + self.partition(work, &split, part.rows.clone());
        let bounds = part.bounds.of_children(split.outputs, self.direction(split.feature));
        let child = |which: usize, sums: Sums, rows: Range<usize>| Part {
            sums,
            rows,
            depth: part.depth + 1,
            bounds: bounds[which],
            path: sample::child_path(part.path, which),
        };
        let children = [
            child(0, split.left, part.rows.start..middle),
            child(1, part.sums.minus(split.left), middle..part.rows.end),
        ];
        self.leaves += 1;
        let left = self.nodes.len();
        self.nodes[place] = Node::Inner { split, part, left, right: left + 1 };
        self.nodes.extend(children.iter().map(|child| Node::Leaf(child.clone())));
        let splits = children.each_ref().map(|child| self.worth_splitting(child));
        let by_bins = [0, 1].map(|which| splits[which] && !self.few(children[which].rows.len()));
        // The smaller child is added up, the other one is what remains of the parent.
        let smaller = usize::from(children[0].rows.len() > children[1].rows.len());
        let added = by_bins.contains(&true).then(|| self.built(work, &children[smaller]));
        let mut opened = [None, None];
        let [first, second] = children;
        let mut children = [Some(first), Some(second)];
        let larger = 1 - smaller;
        if let Some(part) = children[larger].take().filter(|_| splits[larger]) {
            let own = if by_bins[larger] { own.take() } else { None };
            let other = if by_bins[larger] { added.as_ref() } else { None };
            opened[larger] = self.searched(work, left + larger, part, own, other);
        }
        work.pool.extend(own);
        if let Some(part) = children[smaller].take().filter(|_| splits[smaller]) {
            let own = if by_bins[smaller] {
                added
            } else {
                work.pool.extend(added);
                None
            };
            opened[smaller] = self.searched(work, left + smaller, part, own, None);
        } else {
            work.pool.extend(added);
        }
        opened
    }

    /// Whether the prediction may only rise or fall with a feature.
    fn direction(&self, feature: u32) -> i8 {
        self.params.monotone.get(feature as usize).copied().unwrap_or(0)
    }

    /// Searches a leaf's best split; gives the leaf back where there is one, else frees its histogram.
    fn searched(
        &self,
        work: &mut Workspace,
        place: usize,
        part: Part,
        mut own: Option<Histogram>,
        other: Option<&Histogram>,
    ) -> Option<Open> {
        match self.best_split(&work.rows[part.rows.clone()], own.as_mut(), other, &part) {
            Some(split) => Some(Open { place, part, split, own }),
            None => {
                work.pool.extend(own);
                None
            }
        }
    }
}

impl BoostParams {
    /// What each tree's output is shrunk by.
    pub(super) fn rate(&self) -> f64 {
        match self.ensemble {
            Ensemble::Boosting => self.learning_rate,
            Ensemble::Forest => 1.0,
        }
    }
}
