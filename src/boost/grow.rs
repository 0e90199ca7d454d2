//! Grows one tree level by level in meaning, node by node in time: without a cap on leaves no node's split
//! depends on another's, so that walking depth first needs a histogram a level and gives the same tree.

use std::ops::Range;

use rayon::prelude::*;

use super::codes::{Codes, Group, LANES};
use super::histogram::{self, Bins, Histogram, Sums};
use super::objective::Quantised;
use super::split::{Best, FEW, Search, SplitRules, Ways};
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
    ways: Ways,
    /// One histogram a level.
    pool: Vec<Histogram>,
    /// Rows of the tree, grouped by node.
    rows: Vec<u32>,
    spare: Vec<u32>,
}

impl Workspace {
    pub fn new(ways: Ways) -> Self {
        Self { ways, pool: Vec::new(), rows: Vec::new(), spare: Vec::new() }
    }

    /// Rows of a leaf of the last tree, as given in [`Grown::members`].
    pub fn rows(&self, range: Range<usize>) -> &[u32] {
        &self.rows[range]
    }

    fn histogram(&mut self, groups: usize) -> Histogram {
        self.pool.pop().unwrap_or_else(|| vec![Box::new([[Sums::ZERO; LANES]; 256]); groups])
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
    few: bool,
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
    let total = work.rows.iter().fold(Sums::ZERO, |sum, &row| sum.plus(gradients.sums[row as usize]));
    let end = work.rows.len();
    if growth.worth_splitting(total, end, 0) {
        let own = if growth.few(end) {
            None
        } else {
            let mut root = work.histogram(binned.codes.groups.len());
            growth.build(&mut root, &work.rows);
            Some(root)
        };
        let (own, split) = growth.search(work, own, None, total, 0..end);
        growth.node(work, own, split, total, 0..end, 0);
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

    /// Whether so few rows are searched one by one, without a histogram. Weighs the steps of both ways.
    fn few(&self, rows: usize) -> bool {
        if rows > FEW {
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

    /// Splits the node of `rows` as far as it goes; gives back its place and frees its histogram.
    fn node(
        &mut self,
        work: &mut Workspace,
        mut own: Option<Histogram>,
        split: Option<Split>,
        sums: Sums,
        rows: Range<usize>,
        depth: u32,
    ) -> usize {
        let place = self.nodes.len();
        self.nodes.push(Node::Leaf { sums, rows: rows.clone() });
        let Some(split) = split else {
            work.pool.extend(own);
            return place;
        };
        let middle = rows.start + self.partition(work, &split, rows.clone());
        let side = |sums: Sums, rows: Range<usize>| Side {
            splits: self.worth_splitting(sums, rows.len(), depth + 1),
            few: self.few(rows.len()),
            sums,
            rows,
        };
        let sides = [side(split.left, rows.start..middle), side(sums.minus(split.left), middle..rows.end)];
        let smaller = usize::from(sides[0].rows.len() > sides[1].rows.len());
        // The smaller child is added up, the other one is what remains of the parent.
        let mut added = None;
        if sides.iter().any(|side| side.splits && !side.few) {
            let mut histogram = work.histogram(self.binned.codes.groups.len());
            self.build(&mut histogram, &work.rows[sides[smaller].rows.clone()]);
            added = Some(histogram);
        }
        let mut searched = [None, None];
        for (which, histogram) in [(1 - smaller, own.take()), (smaller, None)] {
            let Side { splits, few, sums, ref rows } = sides[which];
            let histogram = if which == smaller { added.take() } else { histogram };
            if splits && !few {
                let other = if which == smaller { None } else { added.as_ref() };
                searched[which] = Some(self.search(work, histogram, other, sums, rows.clone()));
            } else {
                work.pool.extend(histogram);
                searched[which] = splits.then(|| self.search(work, None, None, sums, rows.clone()));
            }
        }
        let count = rows.len();
        let [left, right] = [0, 1].map(|which| {
            let Side { sums, rows, .. } = &sides[which];
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

    /// Finds the best split of a node by its histogram, or without one by its rows; gives the histogram back.
    fn search(
        &self,
        work: &Workspace,
        mut own: Option<Histogram>,
        other: Option<&Histogram>,
        total: Sums,
        rows: Range<usize>,
    ) -> (Option<Histogram>, Option<Split>) {
        let rows = &work.rows[rows];
        let sums = &self.gradients.sums;
        let split = match &mut own {
            Some(own) => {
                let best = self.best_feature(total, |number, _, search| {
                    (work.ways.scan)(&mut own[number], other.map(|other| &*other[number]), search)
                });
                best.map(|best| {
                    self.split(total, best, |number, lane, column| {
                        for (slot, bins) in column.iter_mut().zip(own[number].iter()) {
                            *slot = bins[lane];
                        }
                    })
                })
            }
            None => {
                let best = self.best_feature(total, |_, group, search| (work.ways.scan_few)(rows, group, sums, search));
                best.map(|best| {
                    self.split(total, best, |number, lane, column| {
                        for &row in rows {
                            let slot = &mut column[self.binned.codes.groups[number].codes[row as usize][lane] as usize];
                            *slot = slot.plus(sums[row as usize]);
                        }
                    })
                })
            }
        };
        (own, split)
    }

    /// Score, feature and split with the greatest gain; of equals the first by feature, then bin, then missing right.
    fn best_feature(
        &self,
        total: Sums,
        mut search: impl FnMut(usize, &Group, Search) -> Best,
    ) -> Option<(f32, u32, u32)> {
        let least = self.rules.score(total) + self.min_split_gain;
        let mut best: Option<(f32, u32, u32)> = None;
        for (number, group) in self.binned.codes.groups.iter().enumerate() {
            let Some(drawn) = &self.drawn[number] else { continue };
            let (count, any_missing) = (group.bins, group.any_missing);
            let lanes = search(number, group, Search { count, any_missing, total, rules: self.rules, least });
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
        best
    }

    /// The split in full; `fill` gives the sums of the feature's bins.
    fn split(
        &self,
        total: Sums,
        (score, feature, split): (f32, u32, u32),
        fill: impl FnOnce(usize, usize, &mut [Sums; 256]),
    ) -> Split {
        let (bin, mut missing_left) = (split as usize / 2, split % 2 == 1);
        let (group, lane) = self.binned.codes.place(feature);
        let mut column = [Sums::ZERO; 256];
        fill(self.binned.codes.group_of(feature), lane, &mut column);
        let missing = column[group.bins];
        let mut left = column[..=bin].iter().fold(Sums::ZERO, |sum, &here| sum.plus(here));
        if missing == Sums::ZERO {
            // What was never seen missing goes with the heavier child.
            missing_left = left.hessian() >= total.minus(left).hessian();
        } else if missing_left {
            left = left.plus(missing);
        }
        let count = self.binned.cuts.cuts[feature as usize].len() + 1;
        let bin = middle_of_gap(&column, bin, count);
        Split { feature, bin, missing_left, gain: score - self.rules.score(total), left }
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
fn middle_of_gap(column: &[Sums; 256], bin: usize, count: usize) -> usize {
    match (bin + 1..count).find(|&next| column[next] != Sums::ZERO) {
        Some(next) => bin + (next - 1 - bin) / 2,
        None => count - 1,
    }
}
