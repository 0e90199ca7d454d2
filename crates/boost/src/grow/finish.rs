//! Makes a tree of the grown nodes.

use super::{Grower, Grown, Node, NodeData};
use crate::histogram::Sums;
use crate::{Child, Tree};

impl Grower<'_> {
    /// Numbers nodes and leaves level by level.
    pub(super) fn finish(&self) -> Grown {
        let mut tree = Tree::default();
        let mut leaf_rows = Vec::new();
        let of_gain = self.gradients.gradient_unit * self.gradients.gradient_unit / self.gradients.hessian_unit;
        let mut level = vec![(0_usize, None::<(usize, bool)>)];
        while !level.is_empty() {
            let mut next = Vec::new();
            for (number, parent) in level {
                let child = match &self.nodes[number] {
                    Node::Leaf(data) => {
                        tree.leaf_value.push(self.output(data));
                        tree.leaf_weight.push(self.weight(data.sums));
                        tree.leaf_count.push(data.rows.len() as u32);
                        leaf_rows.push((tree.leaf_value.len() - 1, data.rows.clone()));
                        Child::Leaf(tree.leaf_value.len() as u32 - 1)
                    }
                    Node::Inner { split, data, left, right } => {
                        let node = tree.split_feature.len();
                        tree.split_feature.push(split.feature);
                        tree.threshold.push(self.binned.cuts.threshold(split.feature as usize, split.bin));
                        tree.missing_left.push(split.missing_left);
                        tree.left.push(Child::Leaf(0));
                        tree.right.push(Child::Leaf(0));
                        tree.split_gain.push((f64::from(split.gain) * of_gain) as f32);
                        tree.node_value.push(self.output(data));
                        tree.node_weight.push(self.weight(data.sums));
                        tree.node_count.push(data.rows.len() as u32);
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
        Grown { tree, leaf_rows }
    }

    /// Output of a node as a leaf: −G/(H + λ) clamped to its bounds, times the rate, rounded to f32.
    fn output(&self, data: &NodeData) -> f64 {
        let g = f64::from(data.sums.gradient()) * self.gradients.gradient_unit;
        let h = self.weight(data.sums);
        if h + self.params.l2 <= 0.0 {
            return 0.0;
        }
        let of_output = self.gradients.gradient_unit / self.gradients.hessian_unit;
        let output = data.bounds.clamp(-g / (h + self.params.l2), of_output);
        f64::from((output * self.params.rate()) as f32)
    }

    fn weight(&self, sums: Sums) -> f64 {
        f64::from(sums.hessian()) * self.gradients.hessian_unit
    }
}
