use proptest::prelude::*;
use serde_json::{Value, json};

use super::tree::split_condition;
use super::*;
use crate::boost::{Child, Tree};

/// Root a ≤ 0.5, its right child b ≤ f64::MAX: leaves 0, 1, 2 with values 1, 2, 4.
fn tree() -> Tree {
    Tree {
        split_feature: vec![0, 1],
        threshold: vec![0.5, f64::MAX],
        missing_left: vec![true, false],
        left: vec![Child::Leaf(0), Child::Leaf(1)],
        right: vec![Child::Node(1), Child::Leaf(2)],
        split_gain: vec![8.0, 0.1],
        node_value: vec![0.5, 3.0],
        node_weight: vec![6.0, 4.0],
        node_count: vec![60, 40],
        leaf_value: vec![1.0, 2.0, 4.0],
        leaf_weight: vec![2.0, 1.0, 3.0],
        leaf_count: vec![20, 10, 30],
    }
}

fn forest(objective: Objective, rounds: usize, averaged: bool) -> Forest {
    let classes = objective.trees_per_round();
    Forest {
        objective,
        features: vec!["a b".into(), "σ".into()],
        base_score: (0..classes).map(|k| if averaged { 0.0 } else { 0.25 * (k + 1) as f64 }).collect(),
        averaged,
        trees: vec![tree(); classes * rounds],
        validation_loss: vec![],
    }
}

fn written(forest: &Forest) -> Value {
    serde_json::from_str(&to_xgboost(forest).unwrap()).unwrap()
}

fn trees(model: &Value) -> &Value {
    &model["learner"]["gradient_booster"]["model"]
}

#[test]
fn nodes_are_ordered_by_level_and_siblings_are_neighbours() {
    let model = written(&forest(Objective::Regression, 1, false));
    let first = &trees(&model)["trees"][0];
    assert_eq!(first["left_children"], json!([1, -1, 3, -1, -1]));
    assert_eq!(first["right_children"], json!([2, -1, 4, -1, -1]));
    assert_eq!(first["parents"], json!([2_147_483_647, 0, 0, 2, 2]));
    assert_eq!(first["split_indices"], json!([0, 0, 1, 0, 0]));
    assert_eq!(first["default_left"], json!([1, 0, 0, 0, 0]));
    assert_eq!(first["sum_hessian"], json!([6.0, 2.0, 4.0, 1.0, 3.0]));
    assert_eq!(first["loss_changes"], json!([8.0, 0.0, 0.1, 0.0, 0.0]), "the shortest digits of f32");
    // Base score 0.25. The f32 after 0.5 is 0.5 + 2⁻²⁴, and none is above f64::MAX.
    assert_eq!(first["base_weights"], json!([0.75, 1.25, 3.25, 2.25, 4.25]));
    assert_eq!(first["split_conditions"], json!([0.50000006, 1.25, 1e39, 2.25, 4.25]));
    assert_eq!(first["tree_param"]["num_nodes"], "5");
}

#[test]
fn the_base_score_is_added_to_the_first_round_and_xgboosts_own_is_neutral() {
    let model = written(&forest(Objective::Multiclass { classes: 3 }, 2, false));
    let learner = &model["learner"]["learner_model_param"];
    assert_eq!((&learner["base_score"], &learner["num_class"]), (&json!("[0E0,0E0,0E0]"), &json!("3")));
    let model = trees(&model);
    assert_eq!(model["tree_info"], json!([0, 1, 2, 0, 1, 2]));
    assert_eq!(model["iteration_indptr"], json!([0, 3, 6]));
    let left: Vec<f64> = (0..6).map(|i| model["trees"][i]["split_conditions"][1].as_f64().unwrap()).collect();
    assert_eq!(left, [1.25, 1.5, 1.75, 1.0, 1.0, 1.0]);
    let binary = written(&forest(Objective::Binary, 1, false));
    assert_eq!(binary["learner"]["learner_model_param"]["base_score"], "[5E-1]", "a probability: log odds of 0");
    assert_eq!(binary["learner"]["learner_model_param"]["num_class"], "0");
}

#[test]
fn a_random_forest_is_one_round_of_parallel_trees() {
    let mut two_classes = forest(Objective::Multiclass { classes: 2 }, 4, true);
    two_classes.trees[3].leaf_value[0] = 10.0;
    let model = written(&two_classes);
    let model = trees(&model);
    assert_eq!(model["gbtree_model_param"], json!({"num_parallel_tree": "4", "num_trees": "8"}));
    assert_eq!((&model["iteration_indptr"], &model["tree_info"]), (&json!([0, 8]), &json!([0, 0, 0, 0, 1, 1, 1, 1])));
    // Tree 3 belongs to class 1 in round 1.
    let left: Vec<f64> = (0..8).map(|i| model["trees"][i]["split_conditions"][1].as_f64().unwrap()).collect();
    assert_eq!(left, [0.25, 0.25, 0.25, 0.25, 0.25, 2.5, 0.25, 0.25]);
}

#[test]
fn a_forest_without_trees_is_a_constant_per_class() {
    let model = written(&forest(Objective::Multiclass { classes: 2 }, 0, false));
    let model = trees(&model);
    assert_eq!(model["iteration_indptr"], json!([0, 2]));
    assert_eq!(model["trees"][1]["split_conditions"], json!([0.5]));
    assert_eq!(model["trees"][1]["left_children"], json!([-1]));
}

#[test]
fn objectives_have_xgboosts_names_and_parameters_that_it_can_read() {
    let objective = |objective| written(&forest(objective, 1, false))["learner"]["objective"].clone();
    assert_eq!(objective(Objective::Binary)["name"], "binary:logistic");
    assert_eq!(objective(Objective::Regression)["name"], "reg:squarederror");
    let quantile = json!({"name": "reg:quantileerror", "quantile_loss_param": {"quantile_alpha": "[3E-1]"}});
    assert_eq!(objective(Objective::Quantile { alpha: 0.3 }), quantile);
    let slope = |delta| objective(Objective::Huber { delta })["pseudo_huber_param"]["huber_slope"].clone();
    assert_eq!(
        (slope(1.5), slope(1e-60), slope(1e60)),
        (json!("1.5E0"), json!("1.1754944E-38"), json!("3.4028235E38"))
    );
}

#[test]
fn names_that_xgboost_rejects_are_changed_and_stay_distinct() {
    let names = ["a b", "a[b", "a<b", "", "x=1", "a\tb"].map(str::to_owned);
    assert_eq!(xgboost_feature_names(&names), ["a b", "a_b", "a_b_2", "_", "x=1", "a_b_3"]);
    let text = to_xgboost(&forest(Objective::Binary, 1, false)).unwrap();
    assert!(text.contains(r#""feature_names":["a b","σ"]"#), "XGBoost does not read escapes: {text}");
}

#[test]
fn every_number_can_be_expressed_in_json() {
    let mut odd = forest(Objective::Regression, 1, false);
    odd.trees[0].split_gain = vec![f32::NAN, f32::INFINITY];
    odd.trees[0].node_value[0] = -1e300;
    let model = written(&odd);
    let first = &trees(&model)["trees"][0];
    assert_eq!(first["loss_changes"], json!([0.0, 0.0, 1e39, 0.0, 0.0]));
    assert_eq!(first["base_weights"][0], json!(-1e39));
}

#[test]
fn a_leaf_out_of_range_for_f32_is_rejected_by_name() {
    let mut huge = forest(Objective::Regression, 2, false);
    huge.trees[1].leaf_value[2] = -1e39;
    assert_eq!(to_xgboost(&huge), Err(XgboostError::TooLarge { tree: 1, value: -1e39 }));
}

proptest! {
    #[test]
    fn a_value_at_most_the_threshold_is_below_the_condition(bits in any::<u32>(), step in -2i32..3, shift in -1.0..1.0f64) {
        let value = f32::from_bits(bits);
        prop_assume!(!value.is_nan());
        // Thresholds on the value, on its neighbours and between them.
        let near = (0..step.abs()).fold(value, |v, _| if step < 0 { v.next_down() } else { v.next_up() });
        let gap = f64::from(near.next_up()) - f64::from(near);
        let between = if gap.is_finite() { f64::from(near) + shift * gap } else { f64::from(near) };
        for threshold in [f64::from(near), between, f64::MAX, f64::MIN, 0.0, -0.0] {
            if threshold != f64::INFINITY {
                prop_assert_eq!(f64::from(value) <= threshold, value < split_condition(threshold));
            }
        }
    }
}

#[test]
fn the_extremes_of_f32_split_as_they_do_here() {
    let ends = [f32::NEG_INFINITY, f32::MIN, -f32::from_bits(1), -0.0, 0.0, f32::from_bits(1), f32::MAX, f32::INFINITY];
    for threshold in ends.map(f64::from).into_iter().take(7).chain([f64::MAX, f64::MIN, 1e-300, -1e-300]) {
        for value in ends {
            assert_eq!(f64::from(value) <= threshold, value < split_condition(threshold), "{value} at {threshold}");
        }
    }
}
