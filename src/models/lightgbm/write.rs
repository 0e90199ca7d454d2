//! A forest as LightGBM's model text.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;

use serde_json::Value;

use super::{BASE_SCORE, DEFAULT_LEFT, FIRST_VALUES, MISSING_NAN, MISSING_SHIFT, OWN_NAMES, VALIDATION_LOSS};
use crate::boost::{Child, Forest, Objective, Tree};

/// Names of our parameters and LightGBM's. LightGBM refuses a text with parameters that it does not know.
const PARAMETERS: &[(&str, &str)] = &[
    ("rounds", "num_iterations"),
    ("learning_rate", "learning_rate"),
    ("max_depth", "max_depth"),
    ("max_bin", "max_bin"),
    ("l2", "lambda_l2"),
    ("min_child_hessian", "min_sum_hessian_in_leaf"),
    ("min_split_gain", "min_gain_to_split"),
    ("subsample", "bagging_fraction"),
    ("colsample", "feature_fraction"),
    ("early_stopping", "early_stopping_round"),
    ("seed", "seed"),
];

/// The model text of a forest; every number reads back to the same bits.
///
/// `parameters` is an object with the keys of [`BoostParams`](crate::boost::BoostParams); those that LightGBM knows
/// go to the text's last section, which it shows but does not predict by. Names of features that the format cannot
/// hold are written as [`lightgbm_feature_names`] says, and as they are in a line that only our reader looks at.
pub fn to_lightgbm(forest: &Forest, parameters: &Value) -> String {
    let names = lightgbm_feature_names(&forest.features);
    let trees: Vec<String> =
        written_trees(forest).iter().enumerate().map(|(i, tree)| tree_block(i, tree, forest)).collect();
    let mut out = header(forest, &names);
    line(&mut out, "tree_sizes", &joined(trees.iter().map(String::len)));
    out.push('\n');
    for tree in &trees {
        out.push_str(tree);
    }
    out.push_str("end of trees\n\n");
    importances(&mut out, forest, &names);
    parameter_section(&mut out, forest.objective, parameters);
    out.push_str("\npandas_categorical:null\n");
    out
}

/// Feature names as the text holds them: whitespace, control characters and the signs that LightGBM refuses in names
/// (`" , : [ ] { } =`) become `_`, and a name that is then taken gets a number.
pub fn lightgbm_feature_names(names: &[String]) -> Vec<String> {
    let mut taken = HashSet::new();
    names
        .iter()
        .map(|name| {
            let mut plain: String = name
                .chars()
                .map(|c| if c.is_whitespace() || c.is_control() || "\",:[]{}=".contains(c) { '_' } else { c })
                .collect();
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

/// The forest's trees, or a constant a class where there are none: LightGBM needs a tree a class.
fn written_trees(forest: &Forest) -> Cow<'_, [Tree]> {
    if !forest.trees.is_empty() {
        return Cow::Borrowed(&forest.trees);
    }
    let constant = Tree { leaf_value: vec![0.0], leaf_weight: vec![0.0], leaf_count: vec![0], ..Tree::default() };
    Cow::Owned(vec![constant; forest.objective.trees_per_round()])
}

fn header(forest: &Forest, names: &[String]) -> String {
    let per_round = forest.objective.trees_per_round();
    let mut out = String::from("tree\nversion=v4\n");
    line(&mut out, "num_class", &per_round.to_string());
    line(&mut out, "num_tree_per_iteration", &per_round.to_string());
    line(&mut out, "label_index", "0");
    line(&mut out, "max_feature_idx", &names.len().saturating_sub(1).to_string());
    let objective = match forest.objective {
        Objective::Binary => "binary sigmoid:1".to_owned(),
        Objective::Regression => "regression".to_owned(),
        Objective::Quantile { alpha } => format!("quantile alpha:{alpha}"),
        Objective::Huber { delta } => format!("huber alpha:{delta}"),
        Objective::Multiclass { classes } => format!("multiclass num_class:{classes}"),
    };
    line(&mut out, "objective", &objective);
    line(&mut out, "feature_names", &names.join(" "));
    line(&mut out, "feature_infos", &feature_infos(forest).join(" "));
    if *names != forest.features {
        // LightGBM refuses a line with a second sign of equality.
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

/// The span of each feature's thresholds, `none` for a feature without splits. LightGBM writes the span of the
/// training values here, which a forest does not know; predictions use neither.
fn feature_infos(forest: &Forest) -> Vec<String> {
    let mut spans: Vec<Option<(f64, f64)>> = vec![None; forest.features.len()];
    for tree in &forest.trees {
        for (&feature, &cut) in tree.split_feature.iter().zip(&tree.threshold).filter(|(_, cut)| cut.is_finite()) {
            if let Some(span) = spans.get_mut(feature as usize) {
                let (low, high) = span.unwrap_or((cut, cut));
                *span = Some((low.min(cut), high.max(cut)));
            }
        }
    }
    spans
        .into_iter()
        .map(|span| span.map_or_else(|| "none".to_owned(), |(low, high)| format!("[{}:{}]", number(low), number(high))))
        .collect()
}

fn tree_block(index: usize, tree: &Tree, forest: &Forest) -> String {
    let per_round = forest.objective.trees_per_round();
    let base = if index < per_round { forest.base_score.get(index).copied().unwrap_or(0.0) } else { 0.0 };
    // Adding 0 would turn −0 into 0: a tree without a base score is written as it is.
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
    // Leaf values have the learning rate in them already.
    line(&mut out, "shrinkage", "1");
    out.push_str("\n\n");
    out
}

/// Features by number of splits, the most used first, as LightGBM lists them.
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

fn parameter_section(out: &mut String, objective: Objective, parameters: &Value) {
    let mut lines = vec![("boosting", "gbdt".to_owned())];
    match objective {
        Objective::Binary => lines.push(("objective", "binary".to_owned())),
        Objective::Regression => lines.push(("objective", "regression".to_owned())),
        Objective::Quantile { alpha } => {
            lines.extend([("objective", "quantile".to_owned()), ("alpha", alpha.to_string())]);
        }
        Objective::Huber { delta } => {
            lines.extend([("objective", "huber".to_owned()), ("alpha", delta.to_string())]);
        }
        Objective::Multiclass { classes } => {
            lines.extend([("objective", "multiclass".to_owned()), ("num_class", classes.to_string())]);
        }
    }
    for (ours, theirs) in PARAMETERS {
        if let Some(value) = parameters.get(ours).filter(|value| value.is_number()) {
            lines.push((theirs, value.to_string()));
        }
    }
    out.push_str("parameters:\n");
    for (key, value) in lines {
        let _ = writeln!(out, "[{key}: {value}]");
    }
    out.push_str("\nend of parameters\n");
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

fn joined<T: std::fmt::Display>(values: impl IntoIterator<Item = T>) -> String {
    let mut out = String::new();
    for (i, value) in values.into_iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        let _ = write!(out, "{value}");
    }
    out
}

/// The fewest digits that read back to the same bits, at most 17.
fn number(x: f64) -> String {
    let plain = x == 0.0 || (1e-5..1e17).contains(&x.abs()) || !x.is_finite();
    if plain { format!("{x}") } else { format!("{x:e}") }
}

/// The fewest digits that read back to the same f32, at most 9.
fn number_f32(x: f32) -> String {
    let plain = x == 0.0 || (1e-5..1e9).contains(&x.abs()) || !x.is_finite();
    if plain { format!("{x}") } else { format!("{x:e}") }
}
