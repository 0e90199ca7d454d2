//! Forests that are kept and rarely asked.

use super::{Forest, Tree};

/// A forest whose trees lie behind each other in a dozen arrays. Small trees take half the memory that they take by themselves, with
/// a dozen arrays each.
#[derive(Debug, Clone)]
pub struct PackedForest {
    /// Everything but the trees.
    frame: Forest,
    /// Inner nodes and leaves of each tree.
    sizes: Vec<[u32; 2]>,
    /// The arrays of all trees; children are numbered within their tree.
    all: Tree,
}

/// Calls a macro with every array of a tree, those of nodes and those of leaves.
macro_rules! arrays {
    ($each:ident) => {
        $each!(0: split_feature, threshold, missing_left, left, right, split_gain, node_value, node_weight, node_count);
        $each!(1: leaf_value, leaf_weight, leaf_count);
    };
}

impl PackedForest {
    /// Packs a forest.
    pub fn of(forest: &Forest) -> Self {
        let mut all = Tree::default();
        macro_rules! join {
            ($kind:literal: $($array:ident),*) => {
                $(all.$array = forest.trees.iter().flat_map(|tree| &tree.$array).copied().collect();
                all.$array.shrink_to_fit();)*
            };
        }
        arrays!(join);
        let size = |tree: &Tree| [tree.split_feature.len() as u32, tree.leaf_value.len() as u32];
        let frame = Forest {
            objective: forest.objective,
            features: forest.features.clone(),
            base_score: forest.base_score.clone(),
            averaged: forest.averaged,
            trees: Vec::new(),
            validation_loss: forest.validation_loss.clone(),
        };
        Self { frame, sizes: forest.trees.iter().map(size).collect(), all }
    }

    /// The forest.
    pub fn unpack(&self) -> Forest {
        let mut from = [0; 2];
        let tree = |size: &[u32; 2]| {
            let mut tree = Tree::default();
            macro_rules! cut {
                ($kind:literal: $($array:ident),*) => {
                    $(tree.$array = self.all.$array[from[$kind]..from[$kind] + size[$kind] as usize].to_vec();)*
                };
            }
            arrays!(cut);
            (0..2).for_each(|kind| from[kind] += size[kind] as usize);
            tree
        };
        let trees = self.sizes.iter().map(tree).collect();
        Forest { trees, ..self.frame.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Child, Objective};

    #[test]
    fn a_forest_comes_back_as_it_was() {
        let leaf = |value: f64| Tree {
            leaf_value: vec![value],
            leaf_weight: vec![1.0],
            leaf_count: vec![3],
            ..Tree::default()
        };
        let split = Tree {
            split_feature: vec![1],
            threshold: vec![0.5],
            missing_left: vec![true],
            left: vec![Child::Leaf(0)],
            right: vec![Child::Leaf(1)],
            split_gain: vec![2.0],
            node_value: vec![0.1],
            node_weight: vec![3.0],
            node_count: vec![7],
            leaf_value: vec![-1.0, 1.0],
            leaf_weight: vec![1.0, 2.0],
            leaf_count: vec![3, 4],
        };
        let forest = Forest {
            objective: Objective::Regression,
            features: vec!["a".to_owned(), "b".to_owned()],
            base_score: vec![0.25],
            averaged: false,
            trees: vec![leaf(0.5), split.clone(), leaf(-0.5), split],
            validation_loss: vec![0.5, 0.25],
        };
        assert_eq!(PackedForest::of(&forest).unpack(), forest);
        let none = Forest { trees: Vec::new(), ..forest };
        assert_eq!(PackedForest::of(&none).unpack(), none);
    }
}
