//! Grows one tree level by level in meaning, node by node in time: without a cap on leaves no node's split
//! depends on another's, so that walking depth first needs a histogram a level and gives the same tree.

use super::histogram::{self, Histogram, Split, SplitRules, Sums};
use super::objective::Quantised;
use super::{BoostParams, Child, Cuts, MISSING, Tree};
use crate::arith;

/// The binned training rows of one job.
pub struct Binned<'a> {
    pub cuts: &'a Cuts,
    /// `[rows × features]` row-major.
    pub codes: &'a [u8],
    pub features: usize,
}

/// Buffers that all trees of a job share.
#[derive(Default)]
pub struct Workspace {
    /// One histogram a level.
    pool: Vec<Histogram>,
    /// Rows of the tree, grouped by node.
    rows: Vec<u32>,
    spare: Vec<u32>,
}

enum Node {
    Leaf { sums: Sums, begin: usize, end: usize },
    Inner { split: Split, sums: Sums, count: usize, left: usize, right: usize },
}

struct Growth<'a> {
    binned: &'a Binned<'a>,
    params: &'a BoostParams,
    rules: SplitRules,
    features: &'a [u32],
    bins: Vec<usize>,
    gradient: &'a Quantised,
    hessian: &'a Quantised,
    nodes: Vec<Node>,
}

/// A grown tree, with the leaf that each of its training rows fell into.
pub struct Grown {
    pub tree: Tree,
    /// `(leaf, rows)`.
    pub members: Vec<(usize, std::ops::Range<usize>)>,
}

/// Grows a tree on `rows` (places in the job) with the `features` drawn.
pub fn grow(
    binned: &Binned<'_>,
    params: &BoostParams,
    features: &[u32],
    rows: impl Iterator<Item = u32>,
    gradient: &Quantised,
    hessian: &Quantised,
    work: &mut Workspace,
) -> Grown {
    work.rows.clear();
    work.rows.extend(rows);
    work.spare.resize(work.rows.len().max(work.spare.len()), 0);
    let wanted = params.max_depth as usize + 1;
    work.pool.retain(|histogram| histogram.len() == features.len());
    while work.pool.len() < wanted {
        work.pool.push(vec![[Sums::default(); 256]; features.len()]);
    }
    let least = arith::round_to_i64(params.min_child_hessian / hessian.unit).max(1);
    let mut growth = Growth {
        binned,
        params,
        rules: SplitRules {
            gradient_unit: gradient.unit as f32,
            hessian_unit: hessian.unit as f32,
            l2: params.l2 as f32,
            min_child_hessian: least,
            min_split_gain: params.min_split_gain as f32,
        },
        features,
        bins: features.iter().map(|&f| binned.cuts.cuts[f as usize].len() + 1).collect(),
        gradient,
        hessian,
        nodes: Vec::new(),
    };
    let total = work.rows.iter().fold(Sums::default(), |sum, &row| Sums {
        gradient: sum.gradient + i64::from(gradient.values[row as usize]),
        hessian: sum.hessian + i64::from(hessian.values[row as usize]),
    });
    let end = work.rows.len();
    if growth.worth_splitting(total, end, 0) {
        if let Some(mut root) = work.pool.pop() {
            growth.build(&mut root, &work.rows);
            growth.node(work, root, total, 0, end, 0);
        }
    } else {
        growth.nodes.push(Node::Leaf { sums: total, begin: 0, end });
    }
    growth.flatten()
}

impl Growth<'_> {
    fn worth_splitting(&self, sums: Sums, rows: usize, depth: u32) -> bool {
        depth < self.params.max_depth && rows >= 2 && sums.hessian / 2 >= self.rules.min_child_hessian
    }

    fn build(&self, out: &mut Histogram, rows: &[u32]) {
        let (codes, width) = (self.binned.codes, self.binned.features);
        histogram::build(out, codes, width, self.features, rows, &self.gradient.values, &self.hessian.values);
    }

    /// Splits the node of rows `begin .. end` as far as it goes; gives back its place and frees its histogram.
    fn node(
        &mut self,
        work: &mut Workspace,
        mut own: Histogram,
        sums: Sums,
        begin: usize,
        end: usize,
        depth: u32,
    ) -> usize {
        let place = self.nodes.len();
        self.nodes.push(Node::Leaf { sums, begin, end });
        let Some(split) = histogram::best_split(&own, &self.bins, sums, &self.rules) else {
            work.pool.push(own);
            return place;
        };
        let middle = begin + self.partition(work, &split, begin, end);
        let (left_rows, right_rows) = (middle - begin, end - middle);
        let left_splits = self.worth_splitting(split.left, left_rows, depth + 1);
        let right_splits = self.worth_splitting(split.right, right_rows, depth + 1);

        // The smaller child is added up, the other one is what remains of the parent.
        let (mut left_histogram, mut right_histogram) = (None, None);
        if left_splits || right_splits {
            let smaller_is_left = left_rows <= right_rows;
            let mut smaller = work.pool.pop().unwrap_or_else(|| vec![[Sums::default(); 256]; self.features.len()]);
            let range = if smaller_is_left { begin..middle } else { middle..end };
            self.build(&mut smaller, &work.rows[range]);
            let larger_splits = if smaller_is_left { right_splits } else { left_splits };
            if larger_splits {
                histogram::subtract(&mut own, &smaller);
            }
            let (left, right) = if smaller_is_left { (smaller, own) } else { (own, smaller) };
            for (splits, histogram, slot) in
                [(left_splits, left, &mut left_histogram), (right_splits, right, &mut right_histogram)]
            {
                if splits {
                    *slot = Some(histogram);
                } else {
                    work.pool.push(histogram);
                }
            }
        } else {
            work.pool.push(own);
        }
        let left = self.child(work, left_histogram, split.left, begin, middle, depth + 1);
        let right = self.child(work, right_histogram, split.right, middle, end, depth + 1);
        self.nodes[place] = Node::Inner { split, sums, count: end - begin, left, right };
        place
    }

    fn child(
        &mut self,
        work: &mut Workspace,
        histogram: Option<Histogram>,
        sums: Sums,
        begin: usize,
        end: usize,
        depth: u32,
    ) -> usize {
        match histogram {
            Some(histogram) => self.node(work, histogram, sums, begin, end, depth),
            None => {
                self.nodes.push(Node::Leaf { sums, begin, end });
                self.nodes.len() - 1
            }
        }
    }

    /// Moves the rows that go left to the front, keeping their order; gives back their number.
    fn partition(&self, work: &mut Workspace, split: &Split, begin: usize, end: usize) -> usize {
        let feature = self.features[split.drawn] as usize;
        let width = self.binned.features;
        let (mut left, mut right) = (0, 0);
        for i in begin..end {
            let row = work.rows[i];
            let code = self.binned.codes[row as usize * width + feature];
            if goes_left(code, split.bin, split.missing_left) {
                work.rows[begin + left] = row;
                left += 1;
            } else {
                work.spare[right] = row;
                right += 1;
            }
        }
        work.rows[begin + left..end].copy_from_slice(&work.spare[..right]);
        left
    }

    /// Output of a leaf: −G/(H + λ) × rate, rounded to f32.
    fn output(&self, sums: Sums) -> f64 {
        let g = sums.gradient as f64 * self.gradient.unit;
        let h = sums.hessian as f64 * self.hessian.unit;
        if h + self.params.l2 <= 0.0 {
            return 0.0;
        }
        f64::from((-g / (h + self.params.l2) * self.params.learning_rate) as f32)
    }

    /// Numbers nodes and leaves level by level.
    fn flatten(&self) -> Grown {
        let mut tree = Tree::default();
        let mut members = Vec::new();
        let weight = |sums: &Sums| sums.hessian as f64 * self.hessian.unit;
        let mut level = vec![(0_usize, None::<(usize, bool)>)];
        while !level.is_empty() {
            let mut next = Vec::new();
            for (place, parent) in level {
                let child = match &self.nodes[place] {
                    Node::Leaf { sums, begin, end } => {
                        tree.leaf_value.push(self.output(*sums));
                        tree.leaf_weight.push(weight(sums));
                        tree.leaf_count.push((end - begin) as u32);
                        members.push((tree.leaf_value.len() - 1, *begin..*end));
                        Child::Leaf(tree.leaf_value.len() as u32 - 1)
                    }
                    Node::Inner { split, sums, count, left, right } => {
                        let feature = self.features[split.drawn];
                        let node = tree.split_feature.len();
                        tree.split_feature.push(feature);
                        tree.threshold.push(self.binned.cuts.threshold(feature as usize, split.bin));
                        tree.missing_left.push(split.missing_left);
                        tree.left.push(Child::Leaf(0));
                        tree.right.push(Child::Leaf(0));
                        tree.split_gain.push(split.gain);
                        tree.node_value.push(self.output(*sums));
                        tree.node_weight.push(weight(sums));
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

/// Whether a code goes left at a split.
pub fn goes_left(code: u8, bin: usize, missing_left: bool) -> bool {
    if code == MISSING { missing_left } else { code as usize <= bin }
}

impl Workspace {
    /// Rows of a leaf of the last tree, as given in [`Grown::members`].
    pub fn rows(&self, range: std::ops::Range<usize>) -> &[u32] {
        &self.rows[range]
    }
}
