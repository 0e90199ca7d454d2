//! Grows one tree level by level in meaning, node by node in time: without a cap on leaves no node's split
//! depends on another's, so that walking depth first needs a histogram a level and gives the same tree.

use std::ops::Range;

use rayon::prelude::*;

use super::codes::{Codes, Group, LANES};
use super::histogram::{self, Bins, Histogram, Sums};
use super::objective::Quantised;
use super::split::{Scan, Search, SplitRules};
use super::{BoostParams, Child, Cuts, MANY_ROWS, Tree};

/// Rows that a thread parts at a time.
const PORTION: usize = 1 << 14;

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
pub struct Workspace {
    scan: Scan,
    /// One histogram a level.
    pool: Vec<Histogram>,
    /// Rows of the tree, grouped by node.
    rows: Vec<u32>,
    spare: Vec<u32>,
}

impl Workspace {
    pub fn new(scan: Scan) -> Self {
        Self { scan, pool: Vec::new(), rows: Vec::new(), spare: Vec::new() }
    }

    /// Rows of a leaf of the last tree, as given in [`Grown::members`].
    pub fn rows(&self, range: Range<usize>) -> &[u32] {
        &self.rows[range]
    }

    fn histogram(&mut self, groups: usize) -> Histogram {
        self.pool.pop().unwrap_or_else(|| vec![Box::new([[Sums::default(); LANES]; 256]); groups])
    }
}

/// The best split of a node.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Split {
    feature: u32,
    /// Bins `0 ..= bin` go left.
    bin: usize,
    missing_left: bool,
    /// In quantised units.
    gain: f32,
    left: Sums,
}

enum Node {
    Leaf { sums: Sums, rows: Range<usize> },
    Inner { split: Split, sums: Sums, count: usize, left: usize, right: usize },
}

/// Rows that a split sends one way.
struct Side {
    splits: bool,
    sums: Sums,
    rows: Range<usize>,
}

struct Growth<'a> {
    binned: &'a Binned<'a>,
    params: &'a BoostParams,
    rules: SplitRules,
    /// In quantised units.
    min_split_gain: f32,
    /// Which lanes of each group are drawn; none where no lane is.
    drawn: Vec<Option<[bool; LANES]>>,
    gradients: &'a Gradients,
    nodes: Vec<Node>,
}

/// A grown tree, with the leaf that each of its training rows fell into.
pub struct Grown {
    pub tree: Tree,
    /// `(leaf, rows)`.
    pub members: Vec<(usize, Range<usize>)>,
}

/// Grows a tree on `rows` (places in the job) with the `features` drawn.
pub fn grow(
    binned: &Binned<'_>,
    params: &BoostParams,
    features: &[u32],
    rows: impl Iterator<Item = u32>,
    gradients: &Gradients,
    work: &mut Workspace,
) -> Grown {
    work.rows.clear();
    work.rows.extend(rows);
    work.spare.resize(work.rows.len().max(work.spare.len()), 0);
    let of_score = gradients.hessian_unit / (gradients.gradient_unit * gradients.gradient_unit);
    work.pool.retain(|histogram| histogram.len() == binned.codes.groups.len());
    let drawn = binned.codes.groups.iter().map(|group| {
        let mut lanes = [false; LANES];
        for (lane, feature) in lanes.iter_mut().zip(&group.features) {
            *lane = features.binary_search(feature).is_ok();
        }
        lanes.contains(&true).then_some(lanes)
    });
    let mut growth = Growth {
        binned,
        params,
        rules: SplitRules {
            l2: (params.l2 / gradients.hessian_unit) as f32,
            min_child_hessian: ((params.min_child_hessian / gradients.hessian_unit) as i32).max(1),
        },
        min_split_gain: (params.min_split_gain * of_score) as f32,
        drawn: drawn.collect(),
        gradients,
        nodes: Vec::new(),
    };
    let total = work.rows.iter().fold(Sums::default(), |sum, &row| sum.plus(gradients.sums[row as usize]));
    let end = work.rows.len();
    if growth.worth_splitting(total, end, 0) {
        let mut root = work.histogram(binned.codes.groups.len());
        growth.build(&mut root, &work.rows);
        let split = growth.best_split(work.scan, &mut root, None, total);
        growth.node(work, root, split, total, 0..end, 0);
    } else {
        growth.nodes.push(Node::Leaf { sums: total, rows: 0..end });
    }
    growth.flatten()
}

impl Growth<'_> {
    fn worth_splitting(&self, sums: Sums, rows: usize, depth: u32) -> bool {
        depth < self.params.max_depth && rows >= 2 && sums.hessian() / 2 >= self.rules.min_child_hessian
    }

    fn build(&self, out: &mut Histogram, rows: &[u32]) {
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
    }

    /// Splits the node of `rows` as far as it goes; gives back its place and frees its histogram.
    fn node(
        &mut self,
        work: &mut Workspace,
        mut own: Histogram,
        split: Option<Split>,
        sums: Sums,
        rows: Range<usize>,
        depth: u32,
    ) -> usize {
        let place = self.nodes.len();
        self.nodes.push(Node::Leaf { sums, rows: rows.clone() });
        let Some(split) = split else {
            work.pool.push(own);
            return place;
        };
        let middle = rows.start + self.partition(work, &split, rows.clone());
        let side = |sums: Sums, rows: Range<usize>| Side {
            splits: self.worth_splitting(sums, rows.len(), depth + 1),
            sums,
            rows,
        };
        let children = [side(split.left, rows.start..middle), side(sums.minus(split.left), middle..rows.end)];
        let smaller = usize::from(children[0].rows.len() > children[1].rows.len());
        let mut searched = [None, None];
        if children.iter().any(|child| child.splits) {
            // The smaller child is added up, the other one is what remains of the parent.
            let mut added = work.histogram(own.len());
            self.build(&mut added, &work.rows[children[smaller].rows.clone()]);
            if children[1 - smaller].splits {
                let split = self.best_split(work.scan, &mut own, Some(&added), children[1 - smaller].sums);
                searched[1 - smaller] = Some((own, split));
            } else {
                work.pool.push(own);
            }
            if children[smaller].splits {
                let split = self.best_split(work.scan, &mut added, None, children[smaller].sums);
                searched[smaller] = Some((added, split));
            } else {
                work.pool.push(added);
            }
        } else {
            work.pool.push(own);
        }
        let count = rows.len();
        let [left, right] = [0, 1].map(|which| {
            let Side { sums, rows, .. } = &children[which];
            match searched[which].take() {
                Some((histogram, split)) => self.node(work, histogram, split, *sums, rows.clone(), depth + 1),
                None => {
                    self.nodes.push(Node::Leaf { sums: *sums, rows: rows.clone() });
                    self.nodes.len() - 1
                }
            }
        });
        self.nodes[place] = Node::Inner { split, sums, count, left, right };
        place
    }

    /// Finds the split with the greatest gain; of equals the first by feature, then bin, then missing right. Where the
    /// other child's histogram is given, `histogram` is the parent's and loses it first.
    fn best_split(
        &self,
        scan: Scan,
        histogram: &mut Histogram,
        other: Option<&Histogram>,
        total: Sums,
    ) -> Option<Split> {
        let parent = self.rules.score(total);
        let least = parent + self.min_split_gain;
        let mut best: Option<(f32, u32, u32)> = None;
        for (number, group) in self.binned.codes.groups.iter().enumerate() {
            let Some(drawn) = &self.drawn[number] else { continue };
            let search = Search { count: group.bins, any_missing: group.any_missing, total, rules: self.rules, least };
            let lanes = scan(&mut histogram[number], other.map(|other| &*other[number]), search);
            for (lane, &feature) in group.features.iter().enumerate() {
                let score = lanes.score[lane];
                if !drawn[lane] || score <= least {
                    continue;
                }
                if best.is_none_or(|(most, first, _)| score > most || (score == most && feature < first)) {
                    best = Some((score, feature, lanes.split[lane]));
                }
            }
        }
        let (score, feature, split) = best?;
        let (bin, mut missing_left) = (split as usize / 2, split % 2 == 1);
        let (group, lane) = self.binned.codes.place(feature);
        let bins = &histogram[self.binned.codes.group_of(feature)];
        let missing = bins[group.bins][lane];
        let mut left = bins[..=bin].iter().fold(Sums::default(), |sum, here| sum.plus(here[lane]));
        if missing == Sums::default() {
            // What was never seen missing goes with the heavier child.
            missing_left = left.hessian() >= total.minus(left).hessian();
        } else if missing_left {
            left = left.plus(missing);
        }
        let count = self.binned.cuts.cuts[feature as usize].len() + 1;
        let bin = middle_of_gap(bins, lane, bin, count);
        Some(Split { feature, bin, missing_left, gain: score - parent, left })
    }

    /// Moves the rows that go left to the front, keeping their order; gives back their number.
    fn partition(&self, work: &mut Workspace, split: &Split, rows: Range<usize>) -> usize {
        let (group, lane) = self.binned.codes.place(split.feature);
        let missing = group.bins as u8;
        let goes_left = |row: u32| {
            let code = group.codes[row as usize][lane];
            let is_missing = group.any_missing & (code == missing);
            if is_missing { split.missing_left } else { code as usize <= split.bin }
        };
        let own = &mut work.rows[rows];
        let spare = &mut work.spare[..own.len()];
        if own.len() < MANY_ROWS {
            let left = part(own, spare, goes_left);
            let right = own.len() - left;
            own[left..].copy_from_slice(&spare[..right]);
            return left;
        }
        // Each portion parts its own rows; then all left ones move together, and all right ones.
        let portions: Vec<usize> = own
            .par_chunks_mut(PORTION)
            .zip(spare.par_chunks_mut(PORTION))
            .map(|(own, spare)| part(own, spare, goes_left))
            .collect();
        let left: usize = portions.iter().sum();
        let mut parted = own.to_vec();
        let (mut lefts, mut rights) = parted.split_at_mut(left);
        let mut moves = Vec::with_capacity(portions.len());
        for ((own, spare), &left) in own.chunks(PORTION).zip(spare.chunks(PORTION)).zip(&portions) {
            let (to_left, more_lefts) = lefts.split_at_mut(left);
            let (to_right, more_rights) = rights.split_at_mut(own.len() - left);
            moves.push((to_left, &own[..left], to_right, &spare[..own.len() - left]));
            (lefts, rights) = (more_lefts, more_rights);
        }
        moves.into_par_iter().for_each(|(to_left, left, to_right, right)| {
            to_left.copy_from_slice(left);
            to_right.copy_from_slice(right);
        });
        own.copy_from_slice(&parted);
        left
    }

    /// Output of a leaf: −G/(H + λ) × rate, rounded to f32.
    fn output(&self, sums: Sums) -> f64 {
        let g = f64::from(sums.gradient()) * self.gradients.gradient_unit;
        let h = self.weight(sums);
        if h + self.params.l2 <= 0.0 {
            return 0.0;
        }
        f64::from((-g / (h + self.params.l2) * self.params.learning_rate) as f32)
    }

    fn weight(&self, sums: Sums) -> f64 {
        f64::from(sums.hessian()) * self.gradients.hessian_unit
    }

    /// Numbers nodes and leaves level by level.
    fn flatten(&self) -> Grown {
        let mut tree = Tree::default();
        let mut members = Vec::new();
        let of_gain = self.gradients.gradient_unit * self.gradients.gradient_unit / self.gradients.hessian_unit;
        let mut level = vec![(0_usize, None::<(usize, bool)>)];
        while !level.is_empty() {
            let mut next = Vec::new();
            for (place, parent) in level {
                let child = match &self.nodes[place] {
                    Node::Leaf { sums, rows } => {
                        tree.leaf_value.push(self.output(*sums));
                        tree.leaf_weight.push(self.weight(*sums));
                        tree.leaf_count.push(rows.len() as u32);
                        members.push((tree.leaf_value.len() - 1, rows.clone()));
                        Child::Leaf(tree.leaf_value.len() as u32 - 1)
                    }
                    Node::Inner { split, sums, count, left, right } => {
                        let node = tree.split_feature.len();
                        tree.split_feature.push(split.feature);
                        tree.threshold.push(self.binned.cuts.threshold(split.feature as usize, split.bin));
                        tree.missing_left.push(split.missing_left);
                        tree.left.push(Child::Leaf(0));
                        tree.right.push(Child::Leaf(0));
                        tree.split_gain.push((f64::from(split.gain) * of_gain) as f32);
                        tree.node_value.push(self.output(*sums));
                        tree.node_weight.push(self.weight(*sums));
                        tree.node_count.push(*count as u32);
                        next.push((*left, Some((node, true))));
                        next.push((*right, Some((node, false))));
                        Child::Node(node as u32)
                    }
                };
                match parent {
                    Some((node, true)) => tree.left[node] = child,
                    Some((node, false)) => tree.right[node] = child,
                    None => {}
                }
            }
            level = next;
        }
        Grown { tree, members }
    }
}

/// Moves the rows that go left to the front and copies the others to `spare`, both in order; gives back how many go left.
#[inline(always)]
fn part(own: &mut [u32], spare: &mut [u32], goes_left: impl Fn(u32) -> bool) -> usize {
    let (mut left, mut right) = (0, 0);
    for i in 0..own.len() {
        let row = own[i];
        let goes_left = goes_left(row);
        own[left] = row;
        spare[right] = row;
        left += usize::from(goes_left);
        right += usize::from(!goes_left);
    }
    left
}

/// Bins without rows may go either way: the split is laid in their middle, so that neither side claims what
/// the node has not seen.
fn middle_of_gap(bins: &Bins, lane: usize, bin: usize, count: usize) -> usize {
    match (bin + 1..count).find(|&next| bins[next][lane] != Sums::default()) {
        Some(next) => bin + (next - 1 - bin) / 2,
        None => count - 1,
    }
}
