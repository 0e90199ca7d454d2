//! A tree that reads the codes of rows instead of their values.

use super::bins::Cuts;
use super::codes::{Codes, LANES};
use super::{Child, Tree};

/// Rows that walk down side by side: enough to hide the latency of loads.
const TOGETHER: usize = 16;

/// A tree over the codes of some rows: for each split where its codes are, and which of them go left.
pub struct CodedTree<'a> {
    /// The splits, and then the leaves, which lead to themselves.
    steps: Vec<Step<'a>>,
    splits: usize,
    levels: u32,
}

#[derive(Clone, Copy)]
struct Step<'a> {
    /// `[rows][lanes]` of the split's group.
    codes: &'a [[u8; LANES]],
    lane: usize,
    /// What is added to a code before it is compared: if missing values go left, it makes 0 of theirs, which is the greatest.
    shift: u8,
    /// The last code that goes left, shifted.
    last: u8,
    /// The step to the right, and the one to the left.
    next: [u32; 2],
}

impl<'a> CodedTree<'a> {
    /// A tree over the rows that are laid out in `codes`.
    pub fn new(tree: &Tree, cuts: &Cuts, codes: &'a Codes) -> Self {
        let splits = tree.split_feature.len();
        let step = |child: Child| match child {
            Child::Node(node) => node,
            Child::Leaf(leaf) => splits as u32 + leaf,
        };
        let mut steps: Vec<Step<'a>> = Vec::with_capacity(splits + tree.leaf_value.len());
        steps.extend((0..splits).map(|node| {
            let (feature, threshold) = (tree.split_feature[node], tree.threshold[node]);
            let (group, lane) = codes.locate(feature);
            // A threshold lies above the cut that it was made from.
            let bin = cuts.cuts[feature as usize].partition_point(|&cut| f64::from(cut) <= threshold);
            let last = if threshold == f64::MAX { bin } else { bin.saturating_sub(1) } as u8;
            let shift = if tree.missing_left[node] { (group.bins as u8).wrapping_neg() } else { 0 };
            let next = [step(tree.right[node]), step(tree.left[node])];
            Step { codes: &group.codes, lane, shift, last: last.wrapping_add(shift), next }
        }));
        if let Some(&Step { codes, lane, .. }) = steps.first() {
            for own in splits..splits + tree.leaf_value.len() {
                steps.push(Step { codes, lane, shift: 0, last: u8::MAX, next: [own as u32; 2] });
            }
        }
        Self { steps, splits, levels: tree.levels() }
    }

    /// Calls `each` with every row and the leaf that it falls into.
    pub fn leaves(&self, rows: impl Iterator<Item = u32>, mut each: impl FnMut(u32, usize)) {
        let mut rows = rows.fuse();
        loop {
            let mut some = [0; TOGETHER];
            let mut count = 0;
            for (slot, row) in some.iter_mut().zip(&mut rows) {
                *slot = row;
                count += 1;
            }
            if count == 0 {
                return;
            }
            let mut at = [0; TOGETHER];
            for level in 0..self.levels {
                // Few rows go as deep as the deepest path of an uneven tree.
                if level % 8 == 7 && at.iter().all(|&at: &u32| at as usize >= self.splits) {
                    break;
                }
                for (at, &row) in at.iter_mut().zip(&some) {
                    let step = &self.steps[*at as usize];
                    let code = step.codes[row as usize][step.lane].wrapping_add(step.shift);
                    *at = step.next[usize::from(code <= step.last)];
                }
            }
            for (&at, &row) in at.iter().zip(&some[..count]) {
                each(row, (at as usize).saturating_sub(self.splits));
            }
        }
    }
}
