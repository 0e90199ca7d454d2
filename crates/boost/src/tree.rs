//! One decision tree, in the layout of LightGBM's text: inner nodes and leaves in arrays of their own.

use serde::{Deserialize, Serialize};

/// Where a split leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Child {
    Node(u32),
    Leaf(u32),
}

/// A decision tree; node 0 is the root, and a tree without nodes is one leaf.
///
/// The node arrays have one entry an inner node, the leaf arrays one a leaf.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    pub split_feature: Vec<u32>,
    /// A value at most this goes left.
    pub threshold: Vec<f64>,
    /// Whether a missing value goes left.
    pub missing_left: Vec<bool>,
    pub left: Vec<Child>,
    pub right: Vec<Child>,
    pub split_gain: Vec<f32>,
    /// Output that the node would give as a leaf, learning rate applied.
    pub node_value: Vec<f64>,
    /// Sum of Hessians.
    pub node_weight: Vec<f64>,
    /// Training rows.
    pub node_count: Vec<u32>,
    /// Output, learning rate applied.
    pub leaf_value: Vec<f64>,
    pub leaf_weight: Vec<f64>,
    pub leaf_count: Vec<u32>,
}

impl Tree {
    /// The leaf that a row falls into.
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

    /// The output for a row.
    pub fn predict(&self, row: &[f32]) -> f64 {
        self.leaf_value[self.leaf(row)]
    }
}
