//! One tree in XGBoost's arrays: nodes and leaves together, numbered level by level.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::boost::{Child, Tree};

/// Parent of a root.
const NO_PARENT: usize = i32::MAX as usize;
/// Child of a leaf.
const NO_CHILD: i64 = -1;

/// Arrays with one entry per node or leaf; those of categories stay empty.
#[derive(Serialize)]
pub struct TreeModel {
    /// The output that a node would have as a leaf.
    base_weights: Vec<XgboostNumber>,
    categories: [u32; 0],
    categories_nodes: [u32; 0],
    categories_segments: [u32; 0],
    categories_sizes: [u32; 0],
    /// 1 if a missing value goes left.
    default_left: Vec<u8>,
    id: usize,
    left_children: Vec<i64>,
    loss_changes: Vec<XgboostNumber>,
    parents: Vec<usize>,
    right_children: Vec<i64>,
    /// A value below this goes left; for a leaf, its output.
    split_conditions: Vec<XgboostNumber>,
    split_indices: Vec<u32>,
    /// 0: numeric.
    split_type: Vec<u8>,
    sum_hessian: Vec<XgboostNumber>,
    tree_param: Value,
}

impl TreeModel {
    /// Converts a tree of a forest with `features` features; `output` maps its values.
    ///
    /// # Errors
    /// A leaf output that is out of range for f32.
    pub fn new(id: usize, tree: &Tree, features: usize, output: impl Fn(f64) -> f64) -> Result<Self, f64> {
        let (nodes, parents) = by_level(tree);
        let count = nodes.len();
        let mut out = Self {
            base_weights: Vec::with_capacity(count),
            categories: [],
            categories_nodes: [],
            categories_segments: [],
            categories_sizes: [],
            default_left: vec![0; count],
            id,
            left_children: vec![NO_CHILD; count],
            loss_changes: vec![XgboostNumber(0.0); count],
            parents,
            right_children: vec![NO_CHILD; count],
            split_conditions: Vec::with_capacity(count),
            split_indices: vec![0; count],
            split_type: vec![0; count],
            sum_hessian: Vec::with_capacity(count),
            tree_param: json!({
                "num_deleted": "0",
                "num_feature": features.to_string(),
                "num_nodes": count.to_string(),
                "size_leaf_vector": "1",
            }),
        };
        // After the root, children come in pairs in the order of their parents.
        let mut next = 1;
        for (at, node) in nodes.into_iter().enumerate() {
            match node {
                Child::Leaf(leaf) => {
                    let value = output(tree.leaf_value[leaf as usize]);
                    if !(value as f32).is_finite() {
                        return Err(value);
                    }
                    out.base_weights.push(XgboostNumber(value as f32));
                    out.split_conditions.push(XgboostNumber(value as f32));
                    out.sum_hessian.push(XgboostNumber(tree.leaf_weight[leaf as usize] as f32));
                }
                Child::Node(index) => {
                    let node = index as usize;
                    (out.left_children[at], out.right_children[at]) = (next, next + 1);
                    next += 2;
                    out.split_indices[at] = tree.split_feature[node];
                    out.default_left[at] = u8::from(tree.missing_left[node]);
                    out.loss_changes[at] = XgboostNumber(tree.split_gain[node]);
                    out.base_weights.push(XgboostNumber(output(tree.node_value[node]) as f32));
                    out.split_conditions.push(XgboostNumber(split_condition(tree.threshold[node])));
                    out.sum_hessian.push(XgboostNumber(tree.node_weight[node] as f32));
                }
            }
        }
        Ok(out)
    }
}

/// Nodes and leaves level by level, and the index of each one's parent. XGBoost takes the entry after the left child
/// for the right one, whatever the model says, so the two must be neighbours.
fn by_level(tree: &Tree) -> (Vec<Child>, Vec<usize>) {
    let root = if tree.split_feature.is_empty() { Child::Leaf(0) } else { Child::Node(0) };
    let (mut nodes, mut parents) = (vec![root], vec![NO_PARENT]);
    let mut at = 0;
    while at < nodes.len() {
        if let Child::Node(node) = nodes[at] {
            nodes.extend([tree.left[node as usize], tree.right[node as usize]]);
            parents.extend([at, at]);
        }
        at += 1;
    }
    (nodes, parents)
}

/// The smallest f32 above a threshold: an f32 is at most the threshold exactly if it is below this. Infinite for a
/// threshold that every finite value passes.
pub fn split_condition(threshold: f64) -> f32 {
    let near = threshold as f32;
    if f64::from(near) > threshold { near } else { near.next_up() }
}

/// A number in a form that XGBoost reads.
#[derive(Debug, Clone, Copy)]
struct XgboostNumber(f32);

impl Serialize for XgboostNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // JSON has no infinity; XGBoost reads a number out of range for f32 as one.
        match self.0 {
            f32::INFINITY => serializer.serialize_f64(1e39),
            f32::NEG_INFINITY => serializer.serialize_f64(-1e39),
            // Gains and weights of an imported model; they do not affect predictions.
            x if x.is_nan() => serializer.serialize_f32(0.0),
            x => serializer.serialize_f32(x),
        }
    }
}
