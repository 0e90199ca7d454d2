//! What the formats of other libraries ask of a forest: a tree a class at least, and names that they can hold.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::boost::{Forest, Tree};

/// The forest's trees, or a constant of 0 a class where there are none.
pub fn written_trees(forest: &Forest) -> Cow<'_, [Tree]> {
    if !forest.trees.is_empty() {
        return Cow::Borrowed(&forest.trees);
    }
    let constant = Tree { leaf_value: vec![0.0], leaf_weight: vec![0.0], leaf_count: vec![0], ..Tree::default() };
    Cow::Owned(vec![constant; forest.objective.trees_per_round()])
}

/// Names with `_` for each character that a format refuses; a name that is then taken gets a number.
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
