//! What the formats of other libraries require: at least one tree per class, and feature names that they allow.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::boost::{Forest, Tree};

/// The forest's trees, or a constant 0 per class if it has none.
pub fn written_trees(forest: &Forest) -> Cow<'_, [Tree]> {
    if !forest.trees.is_empty() {
        return Cow::Borrowed(&forest.trees);
    }
    let constant = Tree { leaf_value: vec![0.0], leaf_weight: vec![0.0], leaf_count: vec![0], ..Tree::default() };
    Cow::Owned(vec![constant; forest.objective.trees_per_round()])
}

/// Replaces each refused character by `_`, and appends a number to names that are no longer unique.
pub fn distinct_names(names: &[String], refused: impl Fn(char) -> bool) -> Vec<String> {
    let mut taken = HashSet::new();
    names
        .iter()
        .map(|name| {
            let mut plain: String = name.chars().map(|c| if refused(c) { '_' } else { c }).collect();
            if plain.is_empty() {
                plain.push('_');
            }
            let stem = plain.clone();
            let mut number = 2;
            while !taken.insert(plain.clone()) {
                plain = format!("{stem}_{number}");
                number += 1;
            }
            plain
        })
        .collect()
}
