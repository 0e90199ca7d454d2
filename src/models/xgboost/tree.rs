//! One tree in XGBoost's arrays: inner nodes and leaves together, numbered by level.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::boost::{Child, Tree};

/// Parent of a root.
const NO_PARENT: usize = i32::MAX as usize;
/// Child of a leaf.
const NO_CHILD: i64 = -1;

/// One entry a node in every array but those of categories, which stay empty.
#[derive(Serialize)]
pub struct TreeModel {
    /// The output that a node would give as a leaf.
    base_weights: Vec<Single>,
    categories: [u32; 0],
    categories_nodes: [u32; 0],
    categories_segments: [u32; 0],
    categories_sizes: [u32; 0],
    /// 1 where a missing value goes left.
    default_left: Vec<u8>,
    id: usize,
    left_children: Vec<i64>,
    loss_changes: Vec<Single>,
    parents: Vec<usize>,
    right_children: Vec<i64>,
    /// A value below this goes left; of a leaf, its output.
    split_conditions: Vec<Single>,
    split_indices: Vec<u32>,
    /// 0: by number.
    split_type: Vec<u8>,
    sum_hessian: Vec<Single>,
    tree_param: Value,
}

impl TreeModel {
    /// The tree of a forest with `features` features, its outputs passed through `output`.
    ///
    /// # Errors
    /// An output that is beyond f32, as it is.
    pub fn new(id: usize, tree: &Tree, features: usize, output: impl Fn(f64) -> f64) -> Result<Self, f64> {
        let (places, parents) = by_level(tree);
        let nodes = places.len();
        let mut out = Self {
            base_weights: Vec::with_capacity(nodes),
            categories: [],
            categories_nodes: [],
            categories_segments: [],
            categories_sizes: [],
            default_left: vec![0; nodes],
            id,
            left_children: vec![NO_CHILD; nodes],
            loss_changes: vec![Single(0.0); nodes],
            parents,
            right_children: vec![NO_CHILD; nodes],
            split_conditions: Vec::with_capacity(nodes),
            split_indices: vec![0; nodes],
            split_type: vec![0; nodes],
            sum_hessian: Vec::with_capacity(nodes),
            tree_param: json!({
                "num_deleted": "0",
                "num_feature": features.to_string(),
                "num_nodes": nodes.to_string(),
                "size_leaf_vector": "1",
            }),
        };
        // Children come in pairs in the order of their parents, behind the root.
        let mut next = 1;
        for (at, place) in places.into_iter().enumerate() {
            match place {
                Child::Leaf(leaf) => {
                    let value = output(tree.leaf_value[leaf as usize]);
                    if !(value as f32).is_finite() {
                        return Err(value);
                    }
                    out.base_weights.push(Single(value as f32));
                    out.split_conditions.push(Single(value as f32));
                    out.sum_hessian.push(Single(tree.leaf_weight[leaf as usize] as f32));
                }
                Child::Node(node) => {
                    let node = node as usize;
                    (out.left_children[at], out.right_children[at]) = (next, next + 1);
                    next += 2;
                    out.split_indices[at] = tree.split_feature[node];
                    out.default_left[at] = u8::from(tree.missing_left[node]);
                    out.loss_changes[at] = Single(tree.split_gain[node]);
                    out.base_weights.push(Single(output(tree.node_value[node]) as f32));
                    out.split_conditions.push(Single(split_condition(tree.threshold[node])));
                    out.sum_hessian.push(Single(tree.node_weight[node] as f32));
                }
            }
        }
        Ok(out)
    }
}

/// Nodes and leaves level by level, and the place of each one's parent. XGBoost takes the place after the left child
/// for the right one, whatever the model says: the two must be neighbours.
fn by_level(tree: &Tree) -> (Vec<Child>, Vec<usize>) {
    let root = if tree.split_feature.is_empty() { Child::Leaf(0) } else { Child::Node(0) };
    let (mut places, mut parents) = (vec![root], vec![NO_PARENT]);
    let mut at = 0;
    while at < places.len() {
        if let Child::Node(node) = places[at] {
            places.extend([tree.left[node as usize], tree.right[node as usize]]);
            parents.extend([at, at]);
        }
        at += 1;
    }
    (places, parents)
}

/// The least f32 above a threshold: f32 values at most the one are just those below the other. Infinite for a threshold
/// that lets every finite value pass.
pub fn split_condition(threshold: f64) -> f32 {
    let near = threshold as f32;
    if f64::from(near) > threshold { near } else { near.next_up() }
}

/// A number as XGBoost reads it.
#[derive(Debug, Clone, Copy)]
struct Single(f32);

impl Serialize for Single {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // JSON has no infinity; XGBoost reads one where a number is beyond f32.
        match self.0 {
            f32::INFINITY => serializer.serialize_f64(1e39),
            f32::NEG_INFINITY => serializer.serialize_f64(-1e39),
            // Gains and weights of a model that was read: nothing is decided by them.
            x if x.is_nan() => serializer.serialize_f32(0.0),
            x => serializer.serialize_f32(x),
        }
    }
}
