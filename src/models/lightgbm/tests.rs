use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::boost::{BoostParams, Child, Forest, Growth, Objective, Tree};

/// A tree grown by splitting random leaves, from a list of draws.
fn tree(draws: &[(u64, f64, f64)], features: u32) -> Tree {
    let mut tree = Tree { leaf_value: vec![0.5], leaf_weight: vec![1.5], leaf_count: vec![7], ..Tree::default() };
    for &(bits, cut, value) in draws {
        let leaf = (bits >> 8) as usize % tree.leaf_value.len();
        let (node, new) = (tree.left.len() as u32, tree.leaf_value.len() as u32);
        for child in tree.left.iter_mut().chain(&mut tree.right) {
            if *child == Child::Leaf(leaf as u32) {
                *child = Child::Node(node);
            }
        }
        tree.split_feature.push(bits as u32 % features);
        tree.threshold.push(cut);
        tree.missing_left.push(bits & 128 != 0);
        tree.left.push(Child::Leaf(leaf as u32));
        tree.right.push(Child::Leaf(new));
        tree.split_gain.push(value as f32);
        tree.node_value.push(value / 3.0);
        tree.node_weight.push(value * value);
        tree.node_count.push(bits as u32);
        tree.leaf_value[leaf] = -value;
        tree.leaf_value.push(value);
        tree.leaf_weight.push(value.abs());
        tree.leaf_count.push((bits >> 32) as u32);
    }
    tree
}

fn forest(classes: u32) -> Forest {
    let objective = if classes == 1 { Objective::Binary } else { Objective::Multiclass { classes } };
    Forest {
        objective,
        features: vec!["a".into(), "b".into()],
        base_score: (0..classes).map(|k| 0.1 * f64::from(k + 1)).collect(),
        averaged: false,
        trees: (0..2 * u64::from(classes)).map(|i| tree(&[(i, 0.3, 0.1), (i + 300, -0.7, 1e-9)], 2)).collect(),
        validation_loss: vec![0.7, 0.65],
    }
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>().prop_filter("finite", |x| x.is_finite() && x.abs() < 1e300), -1.0..1.0f64, Just(0.0)]
}

fn any_objective() -> impl Strategy<Value = Objective> {
    let share = (1e-300..1.0f64).prop_filter("below 1", |share| *share < 1.0);
    prop_oneof![
        Just(Objective::Binary),
        Just(Objective::Regression),
        (1u32..4).prop_map(|classes| Objective::Multiclass { classes }),
        share.prop_map(|alpha| Objective::Quantile { alpha }),
        any_number().prop_filter("above 0", |x| *x > 0.0).prop_map(|delta| Objective::Huber { delta }),
    ]
}

proptest! {
    #[test]
    fn a_forest_survives_a_round_trip_to_the_bit(
        draws in prop::collection::vec(prop::collection::vec((any::<u64>(), any_number(), -9.0..9.0f64), 0..12), 0..4),
        objective in any_objective(),
        averaged in any::<bool>(),
        base in prop::collection::vec(any_number(), 3),
        loss in prop::collection::vec(0.0..1.0f64, 0..4),
    ) {
        let classes = objective.trees_per_round();
        let whole = draws.len() - draws.len() % classes;
        let forest = Forest {
            objective,
            features: (0..4).map(|i| format!("f{i}")).collect(),
            base_score: if averaged { vec![0.0; classes] } else { base[..classes].to_vec() },
            averaged,
            trees: draws[..whole].iter().map(|draws| tree(draws, 4)).collect(),
            validation_loss: loss,
        };
        let back = from_lightgbm(&to_lightgbm(&forest, &Value::Null)).unwrap();
        prop_assert_eq!(back.digest(), forest.digest());
        prop_assert_eq!(back, forest);
    }

    #[test]
    fn damaged_text_is_an_error_and_never_a_panic(cut in 0.0..1.0f64, at in 0.0..1.0f64, byte in 32u8..127) {
        let mut text = to_lightgbm(&forest(1), &Value::Null).into_bytes();
        let position = (at * text.len() as f64) as usize;
        text[position] = byte;
        let end = (cut * text.len() as f64) as usize;
        let text = String::from_utf8(text).unwrap();
        let _ = from_lightgbm(&text);
        let trees_end = text.find("end of trees").unwrap_or(text.len());
        prop_assert!(end > trees_end || from_lightgbm(&text[..end]).is_err());
    }
}

#[test]
fn tree_sizes_are_the_bytes_of_each_tree() {
    let text = to_lightgbm(&forest(2), &Value::Null);
    let sizes = text.lines().find_map(|line| line.strip_prefix("tree_sizes=")).unwrap();
    let mut at = text.find("Tree=0").unwrap();
    for (i, size) in sizes.split(' ').enumerate() {
        assert!(text[at..].starts_with(&format!("Tree={i}\n")), "tree {i} begins elsewhere");
        at += size.parse::<usize>().unwrap();
    }
    assert!(text[at..].starts_with("end of trees"));
}

#[test]
fn the_base_score_is_added_only_to_the_first_round() {
    let text = to_lightgbm(&forest(1), &json!({"rounds": 2, "threads": 4, "objective": "binary"}));
    let values: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("leaf_value=")).collect();
    // Leaves −0.1, −1e-9 and 1e-9 in both rounds, base score 0.1.
    assert_eq!(values, ["0 0.099999999 0.100000001", "-0.1 -1e-9 1e-9"]);
    assert!(text.contains("[num_iterations: 2]") && !text.contains("threads"), "only parameters that LightGBM knows");
}

#[test]
fn names_that_the_format_cannot_hold_are_changed_and_stay_distinct() {
    let names = ["a b", "a_b", "x=1", "", "a\tb", "π"].map(str::to_owned);
    assert_eq!(lightgbm_feature_names(&names), ["a_b", "a_b_2", "x_1", "_", "a_b_3", "π"]);

    let mut named = forest(1);
    named.features = ["open interest [usd]", "x=1\n", "π \"q\""].map(str::to_owned).to_vec();
    named.trees.clear();
    let text = to_lightgbm(&named, &json!({}));
    assert!(text.lines().all(|line| line.matches('=').count() < 2), "LightGBM treats such a line as damaged: {text}");
    assert_eq!(from_lightgbm(&text).unwrap().features, named.features);
    let other = text.replace("open interest", "open imterest");
    assert!(matches!(from_lightgbm(&other), Err(LightgbmError::Malformed { .. })));
}

/// A text as LightGBM writes it, with one tree of one split.
fn foreign(decision: &str, threshold: &str) -> String {
    format!(
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=0\n\
         objective=binary sigmoid:1\nfeature_names=x\nfeature_infos=[-1:1]\ntree_sizes=1\n\nTree=0\nnum_leaves=2\n\
         num_cat=0\nsplit_feature=0\nsplit_gain=1\nthreshold={threshold}\ndecision_type={decision}\nleft_child=-1\n\
         right_child=-2\nleaf_value=-1 1\nleaf_weight=1 1\nleaf_count=1 1\ninternal_value=0\ninternal_weight=0\n\
         internal_count=2\nis_linear=0\nshrinkage=1\n\n\nend of trees\n"
    )
}

#[test]
fn a_missing_value_goes_the_same_way_as_in_lightgbm() {
    let missing_left = |decision, cut| from_lightgbm(&foreign(decision, cut)).map(|f| f.trees[0].missing_left[0]);
    assert_eq!((missing_left("8", "0.5"), missing_left("10", "-0.5")), (Ok(false), Ok(true)), "type NaN: the default");
    assert_eq!((missing_left("0", "0.5"), missing_left("2", "-0.5")), (Ok(true), Ok(false)), "type None: as 0");
    assert_eq!((missing_left("6", "0.5"), missing_left("4", "-0.5")), (Ok(true), Ok(false)), "type Zero that agrees");
    for (decision, cut) in [("4", "0.5"), ("6", "-0.5"), ("4", "0")] {
        let error = missing_left(decision, cut).unwrap_err();
        assert!(matches!(error, LightgbmError::Unsupported { .. }), "{error}");
    }
}

/// A text with this objective line, and with these parameters after the trees.
fn with_parameters(objective: &str, parameters: &str) -> String {
    foreign("8", "0.5").replace("binary sigmoid:1", objective) + "\nparameters:\n" + parameters + "end of parameters\n"
}

#[test]
fn the_alpha_of_a_loss_is_read_from_the_parameters_and_must_be_in_its_range() {
    let read = |objective, parameters| from_lightgbm(&with_parameters(objective, parameters)).map(|f| f.objective);
    assert_eq!(read("quantile", "[boosting: gbdt]\n[alpha: 0.05]\n"), Ok(Objective::Quantile { alpha: 0.05 }));
    assert_eq!(read("huber", "[alpha: 1e-07]\n[seed: 1]\n"), Ok(Objective::Huber { delta: 1e-7 }));
    for plain in ["regression", "regression_l1", "fair", "mape"] {
        assert_eq!(read(plain, "[alpha: 0.05]\n"), Ok(Objective::Regression), "{plain}");
    }
    let faults = [
        ("quantile", "[alpha: 1]\n", "alpha is 1; quantile needs"),
        ("quantile", "[alpha: 0]\n", "alpha is 0; quantile needs"),
        ("quantile", "[alpha: nan]\n", "alpha is NaN"),
        ("huber", "[alpha: -2]\n", "alpha is -2; huber needs"),
        ("huber", "[alpha: inf]\n", "alpha is inf"),
        ("huber", "[alpha: ]\n", "'alpha' holds ''"),
        ("quantile", "[alpha_2: 0.5]\n", "'alpha' is missing"),
    ];
    for (objective, parameters, part) in faults {
        let error = read(objective, parameters).unwrap_err().to_string();
        assert!(error.starts_with("parameters: ") && error.contains(part), "{objective} {parameters}: {error}");
    }
    assert!(from_lightgbm(&foreign("8", "0.5").replace("binary sigmoid:1", "quantile")).is_err(), "no section at all");
}

#[test]
fn a_random_forest_is_marked_and_records_its_sampling() {
    let mut averaged = forest(2);
    averaged.averaged = true;
    averaged.base_score = vec![0.0, 0.0];
    let text = to_lightgbm(&averaged, &json!({"subsample": 0.5, "learning_rate": 0.1}));
    assert!(text.contains("\naverage_output\n"));
    assert!(
        text.contains("[boosting: rf]") && text.contains("[bagging_freq: 1]"),
        "LightGBM needs these to continue training"
    );
    assert_eq!(from_lightgbm(&text).unwrap(), averaged);
    let boosted = to_lightgbm(&forest(2), &json!({"subsample": 1.0}));
    assert!(!boosted.contains("average_output") && !boosted.contains("bagging_freq"));
}

#[test]
fn parameters_have_lightgbms_names() {
    let section = |objective, parameters: Value| {
        let text = to_lightgbm(&Forest { objective, ..forest(1) }, &parameters);
        let start = text.find("parameters:").unwrap();
        (text[..start].to_owned(), text[start..text.find("\nend of parameters").unwrap()].to_owned())
    };
    let params = BoostParams {
        growth: Growth::Leaf,
        max_leaves: 40,
        colsample_node: 0.7,
        scale_pos_weight: 2.5,
        monotone: vec![1, -1],
        ..BoostParams::default()
    };
    let (header, lines) = section(Objective::Binary, serde_json::to_value(&params).unwrap());
    assert!(header.contains("\nmonotone_constraints=1 -1\n"));
    for line in
        ["num_leaves: 40", "feature_fraction_bynode: 0.7", "scale_pos_weight: 2.5", "monotone_constraints: 1,-1"]
    {
        assert!(lines.contains(&format!("[{line}]\n")), "{line} in {lines}");
    }
    let (_, by_level) = section(Objective::Binary, serde_json::to_value(BoostParams::default()).unwrap());
    assert!(by_level.contains("[max_depth: 6]\n") && by_level.contains("[num_leaves: 64]\n"), "{by_level}");
    let (_, deep) = section(Objective::Binary, json!({"growth": "level", "max_depth": 20}));
    assert!(deep.contains("[num_leaves: 131072]\n"), "LightGBM's most: {deep}");
    // LightGBM rejects a text with another number of constraints, and any list for the quantile objective.
    for harmful in [json!([1, 0, 0]), json!([0, 0])] {
        let (header, lines) = section(Objective::Quantile { alpha: 0.25 }, json!({"monotone": harmful}));
        assert!(!header.contains("monotone") && !lines.contains("monotone"), "{harmful}");
        assert!(header.contains("\nobjective=quantile\n") && lines.contains("[alpha: 0.25]\n"));
    }
    let (header, lines) = section(Objective::Huber { delta: 1e-7 }, Value::Null);
    assert!(header.contains("\nobjective=huber\n") && lines.contains("[alpha: 1e-7]\n"));
}

#[test]
fn what_a_forest_cannot_represent_is_rejected_by_name() {
    let text = foreign("8", "0.5");
    let rejected = |from: &str, to: &str, part: &str| {
        assert!(text.contains(from));
        let error = from_lightgbm(&text.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(part), "{from} → {to}: {error}");
    };
    rejected("tree\nversion", "model\nversion", "first line");
    rejected("version=v4", "version=v2", "version 'v2'");
    rejected("decision_type=8", "decision_type=1", "categorical");
    rejected("num_cat=0", "num_cat=1", "categorical");
    rejected("is_linear=0", "is_linear=1", "linear tree");
    rejected("binary sigmoid:1", "poisson", "objective 'poisson'");
    rejected("binary sigmoid:1", "binary sigmoid:2", "sigmoid:2");
    rejected("binary sigmoid:1", "quantile sqrt", "objective 'quantile sqrt'");
    rejected("binary sigmoid:1", "multiclassova", "objective 'multiclassova'");
    rejected("num_tree_per_iteration=1", "num_tree_per_iteration=3", "3 trees per round");
    rejected("left_child=-1", "left_child=0", "is reached twice");
    rejected("left_child=-1", "left_child=-2", "is reached twice");
    rejected("left_child=-1", "left_child=-9", "child -9");
    rejected("split_feature=0", "split_feature=1", "feature 1");
    rejected("threshold=0.5", "threshold=nan", "threshold");
    rejected("leaf_value=-1 1", "leaf_value=-1 inf", "leaf value");
    rejected("leaf_value=-1 1", "leaf_value=-1", "has 1 values, 2");
    rejected("leaf_value=-1 1", "leaf_value=-1 x", "'x'");
    rejected("Tree=0", "Tree=1", "Tree=1");
    rejected("num_leaves=2", "num_leaves=0", "without leaves");
    rejected("max_feature_idx=0", "max_feature_idx=5", "feature_names");
    rejected("end of trees", "", "truncated");
    assert!(from_lightgbm(&text.replace('\n', "\r\n")).is_ok(), "line ends of Windows");
}
