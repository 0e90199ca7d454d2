//! Writes a forest as LightGBM's model text.

use serde_json::Value;

use super::numbers::{joined, number};
use super::parameters::{self, objective_name};
use super::{BASE_SCORE, DEFAULT_LEFT, FIRST_VALUES, MISSING_NAN, MISSING_SHIFT, OWN_NAMES, VALIDATION_LOSS};
use crate::boost::{Child, Forest, Objective, Tree};
use crate::models::interchange::{distinct_names, written_trees};

/// The model text of a forest; every number reads back to the same bits.
///
/// `parameters` is an object with the keys of [`BoostParams`](crate::boost::BoostParams). Those that LightGBM knows
/// are written to the last section, which LightGBM shows and uses for further training, but not for prediction.
/// Feature names that the format cannot hold are replaced by [`lightgbm_feature_names`]; the original names are
/// stored in a line that only our reader uses.
pub fn to_lightgbm(forest: &Forest, parameters: &Value) -> String {
    let names = lightgbm_feature_names(&forest.features);
    let monotone = parameters::monotone(parameters, names.len());
    let trees: Vec<String> =
        written_trees(forest).iter().enumerate().map(|(i, tree)| tree_block(i, tree, forest)).collect();
    let mut out = header(forest, &names, monotone.as_deref());
    line(&mut out, "tree_sizes", &joined(trees.iter().map(String::len)));
    out.push('\n');
    for tree in &trees {
        out.push_str(tree);
    }
    out.push_str("end of trees\n\n");
    importances(&mut out, forest, &names);
    out.push_str(&parameters::section(forest, parameters, monotone.as_deref()));
    out.push_str("\npandas_categorical:null\n");
    out
}

/// Feature names that LightGBM allows: whitespace, control characters and `" , : [ ] { } =` become `_`, and a name
/// that is no longer unique gets a number.
pub fn lightgbm_feature_names(names: &[String]) -> Vec<String> {
    distinct_names(names, |c| c.is_whitespace() || c.is_control() || "\",:[]{}=".contains(c))
}

fn header(forest: &Forest, names: &[String], monotone: Option<&[i64]>) -> String {
    let per_round = forest.objective.trees_per_round();
    let mut out = String::from("tree\nversion=v4\n");
    line(&mut out, "num_class", &per_round.to_string());
    line(&mut out, "num_tree_per_iteration", &per_round.to_string());
    line(&mut out, "label_index", "0");
    line(&mut out, "max_feature_idx", &names.len().saturating_sub(1).to_string());
    // The alpha of the quantile and Huber losses is stored only among the parameters.
    let objective = match forest.objective {
        Objective::Binary => "binary sigmoid:1".to_owned(),
        Objective::Multiclass { classes } => format!("multiclass num_class:{classes}"),
        plain => objective_name(plain).to_owned(),
    };
    line(&mut out, "objective", &objective);
    if forest.averaged {
        out.push_str("average_output\n");
    }
    line(&mut out, "feature_names", &names.join(" "));
    if let Some(signs) = monotone {
        line(&mut out, "monotone_constraints", &joined(signs));
    }
    line(&mut out, "feature_infos", &feature_infos(forest).join(" "));
    if *names != forest.features {
        // LightGBM rejects a line with a second `=`.
        line(&mut out, OWN_NAMES, &Value::from(forest.features.as_slice()).to_string().replace('=', "\\u003d"));
    }
    line(&mut out, BASE_SCORE, &numbers(&forest.base_score));
    let first = forest.trees.iter().take(per_round).flat_map(|tree| tree.leaf_value.iter().chain(&tree.node_value));
    line(&mut out, FIRST_VALUES, &joined(first.map(|&x| number(x))));
    if !forest.validation_loss.is_empty() {
        line(&mut out, VALIDATION_LOSS, &numbers(&forest.validation_loss));
    }
    out
}

/// The range of each feature's thresholds, `none` for a feature without splits. LightGBM writes the range of the
/// training values here, which a forest does not store; predictions use neither.
fn feature_infos(forest: &Forest) -> Vec<String> {
    let mut ranges: Vec<Option<(f64, f64)>> = vec![None; forest.features.len()];
    for tree in &forest.trees {
        for (&feature, &cut) in tree.split_feature.iter().zip(&tree.threshold).filter(|(_, cut)| cut.is_finite()) {
            if let Some(range) = ranges.get_mut(feature as usize) {
                let (low, high) = range.unwrap_or((cut, cut));
                *range = Some((low.min(cut), high.max(cut)));
            }
        }
    }
    ranges
        .into_iter()
        .map(|range| {
            range.map_or_else(|| "none".to_owned(), |(low, high)| format!("[{}:{}]", number(low), number(high)))
        })
        .collect()
}

fn tree_block(index: usize, tree: &Tree, forest: &Forest) -> String {
    let per_round = forest.objective.trees_per_round();
    let base = if index < per_round { forest.base_score.get(index).copied().unwrap_or(0.0) } else { 0.0 };
    // Adding 0 would turn −0 into 0, so a tree without a base score is written as it is.
    let biased = |values: &[f64]| joined(values.iter().map(|&x| number(if base == 0.0 { x } else { x + base })));
    let child = |child: &Child| match *child {
        Child::Node(node) => i64::from(node),
        Child::Leaf(leaf) => -1 - i64::from(leaf),
    };
    let decision = |&left: &bool| (MISSING_NAN << MISSING_SHIFT) | if left { DEFAULT_LEFT } else { 0 };
    let mut out = format!("Tree={index}\n");
    line(&mut out, "num_leaves", &tree.leaf_value.len().to_string());
    line(&mut out, "num_cat", "0");
    line(&mut out, "split_feature", &joined(&tree.split_feature));
    line(&mut out, "split_gain", &joined(tree.split_gain.iter().map(|&gain| number_f32(gain))));
    line(&mut out, "threshold", &numbers(&tree.threshold));
    line(&mut out, "decision_type", &joined(tree.missing_left.iter().map(decision)));
    line(&mut out, "left_child", &joined(tree.left.iter().map(child)));
    line(&mut out, "right_child", &joined(tree.right.iter().map(child)));
    line(&mut out, "leaf_value", &biased(&tree.leaf_value));
    line(&mut out, "leaf_weight", &numbers(&tree.leaf_weight));
    line(&mut out, "leaf_count", &joined(&tree.leaf_count));
    line(&mut out, "internal_value", &biased(&tree.node_value));
    line(&mut out, "internal_weight", &numbers(&tree.node_weight));
    line(&mut out, "internal_count", &joined(&tree.node_count));
    line(&mut out, "is_linear", "0");
    // Leaf values include the learning rate already.
    line(&mut out, "shrinkage", "1");
    out.push_str("\n\n");
    out
}

/// Appends the features by number of splits, most used first, as LightGBM lists them.
fn importances(out: &mut String, forest: &Forest, names: &[String]) {
    let mut used: Vec<(u64, &String)> =
        forest.split_importance().into_iter().zip(names).filter(|(splits, _)| *splits > 0).collect();
    used.sort_by_key(|(splits, _)| std::cmp::Reverse(*splits));
    out.push_str("feature_importances:\n");
    for (splits, name) in used {
        line(out, name, &splits.to_string());
    }
    out.push('\n');
}

fn line(out: &mut String, key: &str, value: &str) {
    out.push_str(key);
    out.push('=');
    out.push_str(value);
    out.push('\n');
}

fn numbers(values: &[f64]) -> String {
    joined(values.iter().map(|&x| number(x)))
}

/// The fewest digits that read back to the same f32, at most 9.
fn number_f32(x: f32) -> String {
    let plain = x == 0.0 || (1e-5..1e9).contains(&x.abs()) || !x.is_finite();
    if plain { format!("{x}") } else { format!("{x:e}") }
}
