use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::boost::{Child, Forest, Objective, Tree};

/// A tree grown by splitting leaves at random, from a list of draws.
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

proptest! {
    #[test]
    fn a_forest_written_and_read_again_is_equal_to_the_bit(
        draws in prop::collection::vec(prop::collection::vec((any::<u64>(), any_number(), -9.0..9.0f64), 0..12), 0..4),
        classes in 1u32..4,
        base in prop::collection::vec(any_number(), 3),
        loss in prop::collection::vec(0.0..1.0f64, 0..4),
    ) {
        let whole = draws.len() - draws.len() % classes as usize;
        let forest = Forest {
            objective: if classes == 1 { Objective::Regression } else { Objective::Multiclass { classes } },
            features: (0..4).map(|i| format!("f{i}")).collect(),
            base_score: base[..classes as usize].to_vec(),
            averaged: false,
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
        let place = (at * text.len() as f64) as usize;
        text[place] = byte;
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
fn the_base_score_stands_in_the_first_round_alone() {
    let text = to_lightgbm(&forest(1), &json!({"rounds": 2, "threads": 4, "objective": "binary"}));
    let values: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("leaf_value=")).collect();
    // Leaves −0.1, −1e-9 and 1e-9 in both rounds, base score 0.1.
    assert_eq!(values, ["0 0.099999999 0.100000001", "-0.1 -1e-9 1e-9"]);
    assert!(text.contains("[num_iterations: 2]") && !text.contains("threads"), "only what LightGBM knows");
}

#[test]
fn names_that_the_format_cannot_hold_are_changed_and_stay_distinct() {
    let names = ["a b", "a_b", "x=1", "", "a\tb", "π"].map(str::to_owned);
    assert_eq!(lightgbm_feature_names(&names), ["a_b", "a_b_2", "x_1", "_", "a_b_3", "π"]);

    let mut named = forest(1);
    named.features = ["open interest [usd]", "x=1\n", "π \"q\""].map(str::to_owned).to_vec();
    named.trees.clear();
    let text = to_lightgbm(&named, &json!({}));
    assert!(text.lines().all(|line| line.matches('=').count() < 2), "LightGBM takes such a line for damage: {text}");
    assert_eq!(from_lightgbm(&text).unwrap().features, named.features);
    let other = text.replace("open interest", "open imterest");
    assert!(matches!(from_lightgbm(&other), Err(LightgbmError::Malformed { .. })));
}

/// A text as LightGBM writes it, one tree with one split.
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
fn a_missing_value_goes_the_way_that_lightgbm_sends_it() {
    let missing_left = |decision, cut| from_lightgbm(&foreign(decision, cut)).map(|f| f.trees[0].missing_left[0]);
    assert_eq!((missing_left("8", "0.5"), missing_left("10", "-0.5")), (Ok(false), Ok(true)), "type NaN: the default");
    assert_eq!((missing_left("0", "0.5"), missing_left("2", "-0.5")), (Ok(true), Ok(false)), "type None: as 0");
    assert_eq!((missing_left("6", "0.5"), missing_left("4", "-0.5")), (Ok(true), Ok(false)), "type Zero that agrees");
    for (decision, cut) in [("4", "0.5"), ("6", "-0.5"), ("4", "0")] {
        let error = missing_left(decision, cut).unwrap_err();
        assert!(matches!(error, LightgbmError::Unsupported { .. }), "{error}");
    }
}

#[test]
fn what_a_forest_cannot_stand_for_is_refused_by_name() {
    let text = foreign("8", "0.5");
    let refused = |from: &str, to: &str, part: &str| {
        assert!(text.contains(from));
        let error = from_lightgbm(&text.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(part), "{from} → {to}: {error}");
    };
    refused("tree\nversion", "model\nversion", "first line");
    refused("version=v4", "version=v2", "version 'v2'");
    refused("decision_type=8", "decision_type=1", "categorical");
    refused("num_cat=0", "num_cat=1", "categorical");
    refused("is_linear=0", "is_linear=1", "linear tree");
    refused("binary sigmoid:1", "poisson", "objective 'poisson'");
    refused("binary sigmoid:1", "binary sigmoid:2", "sigmoid:2");
    refused("label_index=0", "average_output", "averages");
    refused("num_tree_per_iteration=1", "num_tree_per_iteration=3", "3 trees a round");
    refused("left_child=-1", "left_child=0", "two ways lead to");
    refused("left_child=-1", "left_child=-2", "two ways lead to");
    refused("left_child=-1", "left_child=-9", "child -9");
    refused("split_feature=0", "split_feature=1", "feature 1");
    refused("threshold=0.5", "threshold=nan", "threshold");
    refused("leaf_value=-1 1", "leaf_value=-1 inf", "leaf value");
    refused("leaf_value=-1 1", "leaf_value=-1", "has 1 values, 2");
    refused("leaf_value=-1 1", "leaf_value=-1 x", "'x'");
    refused("Tree=0", "Tree=1", "Tree=1");
    refused("num_leaves=2", "num_leaves=0", "without leaves");
    refused("max_feature_idx=0", "max_feature_idx=5", "feature_names");
    refused("end of trees", "", "cut off");
    assert!(from_lightgbm(&text.replace('\n', "\r\n")).is_ok(), "line ends of Windows");
}
