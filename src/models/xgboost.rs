//! XGBoost's JSON model, version 3.2: what XGBoost loads as `Booster(model_file="m.json")`.
//!
//! XGBoost stores and sums f32, so predictions agree with ours up to rounding: about 1e-7 of the largest score.
//!
//! - The base score is added to the first round's leaves, and XGBoost's own base score is set to the neutral value.
//!   As a probability in f32 it would lose the log odds of an almost certain label.
//! - A random forest is one round of parallel trees. Their leaves are divided by the number of trees per class.
//! - `reg:pseudohubererror` stands for the Huber loss, which XGBoost does not have. Its gradient levels off at
//!   `delta` too, but is curved below it. Predictions are the plain sum; the name matters only for further training.
//! - Infinite values go the same way as here, but XGBoost accepts them only in `inplace_predict`; a `DMatrix` rejects
//!   them. A threshold of +∞ cannot be expressed, because +∞ itself would not pass it; such a threshold is never
//!   trained here.
mod tree;

use serde::Serialize;
use serde_json::{Value, json};

use super::interchange::{distinct_names, written_trees};
use crate::boost::{Forest, Objective};
use tree::TreeModel;

/// A forest that XGBoost's numbers cannot represent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum XgboostError {
    /// A leaf is too large for f32.
    #[error(
        "tree {tree} has a leaf of {value}, which is out of range for XGBoost's 32-bit numbers; scale the labels and train again"
    )]
    TooLarge {
        /// Index of the tree in the forest.
        tree: usize,
        /// Value of the leaf.
        value: f64,
    },
}

/// The JSON model of a forest.
///
/// Feature names that XGBoost does not allow are replaced as by [`xgboost_feature_names`].
///
/// # Errors
/// A leaf whose value is out of range for f32.
pub fn to_xgboost(forest: &Forest) -> Result<String, XgboostError> {
    let classes = forest.objective.trees_per_round();
    let trees = written_trees(forest);
    let rounds = trees.len() / classes;
    // XGBoost orders parallel trees by class.
    let order: Vec<usize> = match forest.averaged {
        true => (0..classes).flat_map(|class| (0..rounds).map(move |round| round * classes + class)).collect(),
        false => (0..trees.len()).collect(),
    };
    let written = order.iter().enumerate().map(|(id, &i)| {
        let base = if i < classes { forest.base_score[i] } else { 0.0 };
        let share = if forest.averaged { rounds as f64 } else { 1.0 };
        TreeModel::new(id, &trees[i], num_feature(forest), |value| (value + base) / share)
            .map_err(|value| XgboostError::TooLarge { tree: i, value })
    });
    let model = Trees {
        cats: json!({"enc": [], "feature_segments": [], "sorted_idx": []}),
        gbtree_model_param: json!({
            "num_parallel_tree": if forest.averaged { rounds } else { 1 }.to_string(),
            "num_trees": trees.len().to_string(),
        }),
        iteration_indptr: match forest.averaged {
            true => vec![0, trees.len()],
            false => (0..=rounds).map(|round| round * classes).collect(),
        },
        tree_info: order.iter().map(|i| i % classes).collect(),
        trees: written.collect::<Result<_, _>>()?,
    };
    let learner = Learner {
        attributes: json!({}),
        feature_names: xgboost_feature_names(&forest.features),
        feature_types: [],
        gradient_booster: Booster { model, name: "gbtree" },
        learner_model_param: learner_parameters(forest),
        objective: objective(forest.objective),
    };
    // Plain structs with text keys always serialize.
    Ok(serde_json::to_string(&Model { learner, version: [3, 2, 0] }).expect("a model is plain data"))
}

/// Feature names that XGBoost allows: `[`, `]`, `<` and control characters become `_`, and a name that is no longer
/// unique gets a number.
pub fn xgboost_feature_names(names: &[String]) -> Vec<String> {
    distinct_names(names, |c| c.is_control() || "[]<".contains(c))
}

/// XGBoost rejects a model without features.
fn num_feature(forest: &Forest) -> usize {
    forest.features.len().max(1)
}

fn learner_parameters(forest: &Forest) -> Value {
    let classes = forest.objective.trees_per_round();
    let neutral = if forest.objective == Objective::Binary { "5E-1" } else { "0E0" };
    let num_class = match forest.objective {
        Objective::Multiclass { classes } => classes,
        Objective::Binary | Objective::Regression | Objective::Quantile { .. } | Objective::Huber { .. } => 0,
    };
    json!({
        "base_score": format!("[{}]", vec![neutral; classes].join(",")),
        "boost_from_average": "1",
        "num_class": num_class.to_string(),
        "num_feature": num_feature(forest).to_string(),
        "num_target": "1",
    })
}

fn objective(objective: Objective) -> Value {
    match objective {
        Objective::Binary => json!({"name": "binary:logistic", "reg_loss_param": {"scale_pos_weight": "1"}}),
        Objective::Regression => json!({"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}}),
        Objective::Multiclass { classes } => {
            json!({"name": "multi:softprob", "softmax_multiclass_param": {"num_class": classes.to_string()}})
        }
        Objective::Quantile { alpha } => {
            json!({"name": "reg:quantileerror", "quantile_loss_param": {"quantile_alpha": format!("[{:E}]", alpha as f32)}})
        }
        Objective::Huber { delta } => {
            // XGBoost cannot load a slope that f32 holds only as a subnormal number or not at all.
            let slope = (delta as f32).clamp(f32::MIN_POSITIVE, f32::MAX);
            json!({"name": "reg:pseudohubererror", "pseudo_huber_param": {"huber_slope": format!("{slope:E}")}})
        }
    }
}

#[derive(Serialize)]
struct Model {
    learner: Learner,
    version: [u32; 3],
}

#[derive(Serialize)]
struct Learner {
    attributes: Value,
    feature_names: Vec<String>,
    feature_types: [String; 0],
    gradient_booster: Booster,
    learner_model_param: Value,
    objective: Value,
}

#[derive(Serialize)]
struct Booster {
    model: Trees,
    name: &'static str,
}

#[derive(Serialize)]
struct Trees {
    cats: Value,
    gbtree_model_param: Value,
    iteration_indptr: Vec<usize>,
    tree_info: Vec<usize>,
    trees: Vec<TreeModel>,
}

#[cfg(test)]
mod tests;
