//! A decision tree in the layout of LightGBM's text: one array per property of the inner nodes, and of the leaves.

use serde::{Deserialize, Serialize};

/// The child of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Child {
    /// The number of an inner node.
    Node(u32),
    /// The number of a leaf.
    Leaf(u32),
}

/// A decision tree; node 0 is the root, and a tree without nodes is a single leaf.
///
/// The node arrays have one entry per inner node, the leaf arrays one per leaf.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    /// Feature of each split.
    pub split_feature: Vec<u32>,
    /// Threshold of each split: a value of at most this goes left.
    pub threshold: Vec<f64>,
    /// Whether a missing value goes left.
    pub missing_left: Vec<bool>,
    /// Left child of each node.
    pub left: Vec<Child>,
    /// Right child of each node.
    pub right: Vec<Child>,
    /// Gain of each split.
    pub split_gain: Vec<f32>,
    /// Output that the node would have as a leaf, learning rate included.
    pub node_value: Vec<f64>,
    /// Sum of Hessians per node.
    pub node_weight: Vec<f64>,
    /// Training rows per node.
    pub node_count: Vec<u32>,
    /// Output of each leaf, learning rate included.
    pub leaf_value: Vec<f64>,
    /// Sum of Hessians per leaf.
    pub leaf_weight: Vec<f64>,
    /// Training rows per leaf.
    pub leaf_count: Vec<u32>,
}

impl Tree {
    /// The leaf that a row `[features]` falls into.
    ///
    /// # Panics
    /// The row has fewer features than the tree, or a child is not in the tree.
    pub fn leaf(&self, row: &[f32]) -> usize {
        let mut at = if self.split_feature.is_empty() { Child::Leaf(0) } else { Child::Node(0) };
        loop {
            match at {
                Child::Leaf(leaf) => return leaf as usize,
                Child::Node(node) => {
                    let node = node as usize;
                    let value = row[self.split_feature[node] as usize];
                    let goes_left =
                        if value.is_nan() { self.missing_left[node] } else { f64::from(value) <= self.threshold[node] };
                    at = if goes_left { self.left[node] } else { self.right[node] };
                }
            }
        }
    }

    /// The output for a row `[features]`.
    ///
    /// # Panics
    /// As [`leaf`](Self::leaf).
    pub fn predict(&self, row: &[f32]) -> f64 {
        self.leaf_value[self.leaf(row)]
    }
}
