//! A tree that reads the codes of rows instead of their values.

use super::bins::Cuts;
use super::codes::{Codes, LANES};
use super::{Child, Tree};

/// A tree over the codes of some rows: for each split where its codes are, and up to which one it sends rows left.
pub struct CodedTree<'a> {
    nodes: Vec<Node<'a>>,
}

struct Node<'a> {
    /// `[rows][lanes]` of the split's group.
    codes: &'a [[u8; LANES]],
    lane: usize,
    /// The last code that goes left.
    bin: u8,
    /// Code of a missing value.
    missing: u8,
    missing_left: bool,
    left: Child,
    right: Child,
}

impl<'a> CodedTree<'a> {
    /// A tree over the rows that are laid out in `codes`.
    pub fn new(tree: &Tree, cuts: &Cuts, codes: &'a Codes) -> Self {
        let nodes = (0..tree.split_feature.len()).map(|node| {
            let (feature, threshold) = (tree.split_feature[node], tree.threshold[node]);
            let (group, lane) = codes.locate(feature);
            // A threshold lies above the cut that it was made from.
            let bin = cuts.cuts[feature as usize].partition_point(|&cut| f64::from(cut) <= threshold);
            let last = if threshold == f64::MAX { bin } else { bin.saturating_sub(1) };
            Node {
                codes: &group.codes,
                lane,
                bin: last as u8,
                missing: group.bins as u8,
                missing_left: tree.missing_left[node],
                left: tree.left[node],
                right: tree.right[node],
            }
        });
        Self { nodes: nodes.collect() }
    }

    /// The leaf that a row falls into.
    pub fn leaf(&self, row: usize) -> usize {
        if self.nodes.is_empty() {
            return 0;
        }
        let mut at = 0;
        loop {
            let node = &self.nodes[at];
            let code = node.codes[row][node.lane];
            let left = if code == node.missing { node.missing_left } else { code <= node.bin };
            match if left { node.left } else { node.right } {
                Child::Node(next) => at = next as usize,
                Child::Leaf(leaf) => return leaf as usize,
            }
        }
    }
}
