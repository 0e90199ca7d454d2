//! The parameters in the text's last section: how the model was trained, in LightGBM's terms.

use serde_json::Value;

use super::numbers::{joined, number};
use crate::boost::{Forest, Objective};

/// Our parameter names and LightGBM's. LightGBM drops parameters that it does not know.
const NUMBERS: &[(&str, &str)] = &[
    ("rounds", "num_iterations"),
    ("learning_rate", "learning_rate"),
    ("max_depth", "max_depth"),
    ("max_bin", "max_bin"),
    ("l2", "lambda_l2"),
    ("min_child_hessian", "min_sum_hessian_in_leaf"),
    ("min_split_gain", "min_gain_to_split"),
    ("subsample", "bagging_fraction"),
    ("colsample", "feature_fraction"),
    ("colsample_node", "feature_fraction_bynode"),
    ("scale_pos_weight", "scale_pos_weight"),
    ("early_stopping", "early_stopping_round"),
    ("seed", "seed"),
];

/// Most leaves per tree in LightGBM.
const MOST_LEAVES: u64 = 131_072;

/// LightGBM's name of an objective.
pub fn objective_name(objective: Objective) -> &'static str {
    match objective {
        Objective::Binary => "binary",
        Objective::Regression => "regression",
        Objective::Multiclass { .. } => "multiclass",
        Objective::Quantile { .. } => "quantile",
        Objective::Huber { .. } => "huber",
    }
}

/// The monotone constraints, one per feature; None if no feature is constrained. LightGBM rejects a list of another
/// length, and any list with the quantile objective.
pub fn monotone(parameters: &Value, features: usize) -> Option<Vec<i64>> {
    let signs: Vec<i64> = parameters.get("monotone")?.as_array()?.iter().map(Value::as_i64).collect::<Option<_>>()?;
    (signs.len() == features && signs.iter().any(|&sign| sign != 0)).then_some(signs)
}

/// The section as text. The objective and `boosting` come from the forest, whatever `parameters` says.
pub fn section(forest: &Forest, parameters: &Value, monotone: Option<&[i64]>) -> String {
    let boosting = if forest.averaged { "rf" } else { "gbdt" };
    let mut lines = vec![("boosting", boosting.to_owned()), ("objective", objective_name(forest.objective).to_owned())];
    match forest.objective {
        Objective::Binary | Objective::Regression => {}
        Objective::Multiclass { classes } => lines.push(("num_class", classes.to_string())),
        Objective::Quantile { alpha } | Objective::Huber { delta: alpha } => lines.push(("alpha", number(alpha))),
    }
    // Shares of what the rows weigh or could gain mean nothing to LightGBM.
    let relative = parameters.get("relative").and_then(Value::as_bool) == Some(true);
    let numbers =
        NUMBERS.iter().filter(|(ours, _)| !(relative && ["l2", "min_child_hessian", "min_split_gain"].contains(ours)));
    for (ours, theirs) in numbers {
        if let Some(value) = parameters.get(*ours).filter(|value| value.is_number()) {
            lines.push((*theirs, value.to_string()));
        }
    }
    // LightGBM samples rows only if it is told after how many rounds.
    if parameters.get("subsample").and_then(Value::as_f64).is_some_and(|share| share < 1.0) {
        lines.push(("bagging_freq", "1".to_owned()));
    }
    if let Some(leaves) = most_leaves(parameters) {
        lines.push(("num_leaves", leaves.to_string()));
    }
    if let Some(signs) = monotone {
        lines.push(("monotone_constraints", joined(signs).replace(' ', ",")));
    }
    let lines: String = lines.iter().map(|(key, value)| format!("[{key}: {value}]\n")).collect();
    format!("parameters:\n{lines}\nend of parameters\n")
}

/// Most leaves of a tree. LightGBM always grows by leaf: a tree grown by level has as many as its depth allows.
fn most_leaves(parameters: &Value) -> Option<u64> {
    let whole = |key| parameters.get(key).and_then(Value::as_u64);
    if parameters.get("growth").and_then(Value::as_str) == Some("level") {
        let depth = whole("max_depth")?;
        return Some(1u64.checked_shl(u32::try_from(depth).ok()?)?.min(MOST_LEAVES));
    }
    whole("max_leaves")
}
