//! LightGBM itself reads our models and predicts what we predict, and we read its.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use huracan::arith;
use huracan::boost::{self, BoostJob, BoostParams, Child, Forest, Objective, Table, Tree};
use huracan::models::bundle::{Metadata, Performance, TrainingParameters, importance_shares, model_id};
use huracan::models::{Bundle, combined_digest, from_lightgbm, load_forest, to_lightgbm};
use serde_json::{Value, json};
use support::python;

const FEATURES: usize = 5;

/// Numbers in [0, 1) from a counter.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> f64 {
        self.0 += 1;
        arith::uniform(arith::draw(11, 5, self.0))
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }
}

/// A tree of `leaves` leaves with random splits, missing directions and values.
fn random_tree(draws: &mut Draws, leaves: usize) -> Tree {
    let mut tree = Tree { leaf_value: vec![draws.next() - 0.5], ..Tree::default() };
    while tree.leaf_value.len() < leaves {
        let leaf = Child::Leaf(draws.below(tree.leaf_value.len()) as u32);
        let node = Child::Node(tree.left.len() as u32);
        tree.left.iter_mut().chain(&mut tree.right).filter(|child| **child == leaf).for_each(|child| *child = node);
        tree.split_feature.push(draws.below(FEATURES) as u32);
        // Some cuts fall on values of the table, where "at most" decides.
        let cut = 4.0 * draws.next() - 2.0;
        tree.threshold.push(if draws.next() < 0.5 { cut } else { (4.0 * cut).round() / 4.0 });
        tree.missing_left.push(draws.next() < 0.5);
        tree.left.push(leaf);
        tree.right.push(Child::Leaf(tree.leaf_value.len() as u32));
        tree.split_gain.push(draws.next() as f32);
        tree.node_value.push(draws.next() - 0.5);
        tree.leaf_value.push(draws.next() - 0.5);
    }
    let nodes = tree.left.len();
    tree.node_weight = vec![1.0; nodes];
    tree.leaf_weight = vec![1.0; leaves];
    tree.leaf_count = vec![10; leaves];
    // LightGBM's SHAP values weigh by counts: a node has the rows of its leaves.
    tree.node_count = vec![0; nodes];
    for node in (0..nodes).rev() {
        tree.node_count[node] = count(&tree, tree.left[node]) + count(&tree, tree.right[node]);
    }
    tree
}

fn count(tree: &Tree, child: Child) -> u32 {
    match child {
        Child::Leaf(leaf) => tree.leaf_count[leaf as usize],
        Child::Node(node) => count(tree, tree.left[node as usize]) + count(tree, tree.right[node as usize]),
    }
}

fn random_forest(objective: Objective, rounds: usize, leaves: usize, seed: u64) -> Forest {
    let mut draws = Draws(seed << 32);
    let per_round = objective.trees_per_round();
    Forest {
        objective,
        features: ["ret_1", "rsi 14", "macd", "bb,width", "σ"].map(str::to_owned).to_vec(),
        base_score: (0..per_round).map(|_| draws.next() - 0.5).collect(),
        averaged: false,
        trees: (0..rounds * per_round)
            .map(|i| {
                // Training can end in trees that are one leaf.
                let leaves = if i % 4 == 3 { 1 } else { leaves };
                random_tree(&mut draws, leaves)
            })
            .collect(),
        validation_loss: vec![],
    }
}

/// Rows with a third of the values missing, some on the cuts of [`random_tree`], some infinite, some zero.
fn table(rows: usize) -> Vec<f32> {
    let mut draws = Draws(1 << 60);
    (0..rows * FEATURES)
        .map(|_| {
            let value = 4.0 * draws.next() - 2.0;
            match draws.below(12) {
                0..4 => f32::NAN,
                4..6 => ((4.0 * value).round() / 4.0) as f32,
                6 => 0.0,
                7 if value > 1.5 => f32::INFINITY,
                7 if value < -1.5 => f32::NEG_INFINITY,
                _ => value as f32,
            }
        })
        .collect()
}

fn bundle(symbol: &str, heads: BTreeMap<String, Forest>, main_head: &str) -> Bundle {
    let head_digests: BTreeMap<String, String> = heads.iter().map(|(name, f)| (name.clone(), f.digest())).collect();
    let digest = combined_digest(head_digests.values());
    Bundle {
        symbol: symbol.to_owned(),
        model_type: "LightGBM".to_owned(),
        main_head: main_head.to_owned(),
        feature_names: heads[main_head].features.clone(),
        scaler: None,
        parameters: json!({"rounds": 8, "learning_rate": 0.05, "max_depth": 6, "l2": 1.0, "max_bin": 255,
            "min_child_hessian": 5.0, "min_split_gain": 0.0, "subsample": 0.8, "colsample": 0.8, "early_stopping": 25,
            "seed": 7}),
        metadata: Metadata {
            model_id: model_id(symbol, "2024-09-06", &digest),
            symbol: symbol.to_owned(),
            version: "1.0.0".to_owned(),
            training_date: "2024-09-06".to_owned(),
            performance_metrics: Performance { sharpe_ratio: Some(0.75), ..Performance::default() },
            feature_importance: importance_shares(&heads),
            training_parameters: TrainingParameters {
                lookback_days: 240,
                train_test_split: 0.8,
                model_type: "LightGBM".to_owned(),
                more: serde_json::Map::new(),
            },
            device: "cpu".to_owned(),
            digest,
            head_digests,
            data_digest: String::new(),
            inputs: None,
            git_commit: "unknown".to_owned(),
            settings_digest: String::new(),
            folds: vec![],
            approved: true,
            reasons: vec![],
            simulated: false,
        },
        heads,
    }
}

/// One model that Python scores, and what we predict.
struct Case {
    name: String,
    model: PathBuf,
    head: Option<String>,
    metadata: Option<PathBuf>,
    forest: Forest,
}

/// Has LightGBM score every case on `rows` (`[rows × features]`, row-major) and requires our predictions within 1e-6.
fn assert_lightgbm_agrees(python: &Path, folder: &Path, rows: &[f32], cases: &[Case]) {
    let table = folder.join("rows.f4");
    std::fs::write(&table, rows.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()).unwrap();
    let out = |i: usize| folder.join(format!("{i}.f8"));
    let jobs: Vec<Value> = cases
        .iter()
        .enumerate()
        .map(|(i, case)| {
            json!({"model": case.model, "head": case.head, "metadata": case.metadata, "rows": table, "out": out(i),
                "features": case.forest.features.len()})
        })
        .collect();
    let job = folder.join("job.json");
    std::fs::write(&job, Value::from(jobs).to_string()).unwrap();
    assert_eq!(python::run(python, "score.py", &[&job]).trim(), cases.len().to_string());
    for (i, case) in cases.iter().enumerate() {
        let theirs = read_f64(&out(i));
        let width = case.forest.features.len();
        let ours: Vec<f64> = rows.chunks(width).flat_map(|row| case.forest.predict(row)).collect();
        assert_eq!(ours.len(), theirs.len(), "{}", case.name);
        for (at, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            assert!((a - b).abs() <= 1e-6, "{}, prediction {at}: ours {a}, LightGBM's {b}", case.name);
        }
        let spread = ours.iter().copied().fold(f64::MIN, f64::max) - ours.iter().copied().fold(f64::MAX, f64::min);
        let constant = case.forest.trees.iter().all(|tree| tree.split_feature.is_empty());
        assert!(constant || spread > 0.01, "{}: equal predictions prove nothing", case.name);
    }
}

fn read_f64(path: &Path) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
}

#[test]
fn lightgbm_loads_our_models_and_predicts_the_same_with_missing_values() {
    let Some(python) = python::python_with("lightgbm") else { return };
    let folder = tempfile::tempdir().unwrap();
    let multiclass = |classes| Objective::Multiclass { classes };
    let cases: Vec<Case> = [
        ("binary", random_forest(Objective::Binary, 9, 31, 1)),
        ("binary, one round", random_forest(Objective::Binary, 1, 2, 2)),
        ("regression", random_forest(Objective::Regression, 7, 63, 3)),
        ("regression, leaves alone", random_forest(Objective::Regression, 3, 1, 4)),
        ("two classes", random_forest(multiclass(2), 4, 15, 5)),
        ("seven classes", random_forest(multiclass(7), 6, 20, 6)),
        ("no trees, binary", random_forest(Objective::Binary, 0, 1, 7)),
        ("no trees, three classes", random_forest(multiclass(3), 0, 1, 8)),
    ]
    .into_iter()
    .enumerate()
    .map(|(i, (name, forest))| {
        let model = folder.path().join(format!("{i}.txt"));
        std::fs::write(&model, to_lightgbm(&forest, &json!({"rounds": 3, "learning_rate": 0.1}))).unwrap();
        Case { name: name.to_owned(), model, head: None, metadata: None, forest }
    })
    .collect();
    assert_lightgbm_agrees(&python, folder.path(), &table(600), &cases);
}

#[test]
fn any_python_loads_the_bundle_and_scores_every_head() {
    let Some(python) = python::python_with("lightgbm") else { return };
    let folder = tempfile::tempdir().unwrap();
    let heads = BTreeMap::from([
        ("win_long".to_owned(), random_forest(Objective::Binary, 8, 31, 21)),
        ("win_short".to_owned(), random_forest(Objective::Binary, 5, 31, 22)),
        ("edge_bps".to_owned(), random_forest(Objective::Regression, 6, 31, 23)),
    ]);
    let saved = bundle("BTC-USDT", heads.clone(), "win_long").save(folder.path()).unwrap();
    let main = heads["win_long"].clone();
    let mut cases = vec![Case { name: "text".into(), model: saved.text, head: None, metadata: None, forest: main }];
    cases.extend(heads.into_iter().map(|(name, forest)| Case {
        name: name.clone(),
        model: saved.pickle.clone(),
        head: Some(name),
        metadata: Some(saved.metadata.clone()),
        forest,
    }));
    assert_lightgbm_agrees(&python, folder.path(), &table(600), &cases);
}

/// A forest trained on `rows`, whose labels follow from the first two features and from what is missing.
fn trained_forest(objective: Objective, rows: &[f32]) -> Forest {
    let count = rows.len() / FEATURES;
    let label = |row: &[f32]| {
        let value = |v: f32, missing: f32| if v.is_nan() { missing } else { v.clamp(-2.0, 2.0) };
        let score = value(row[0], 1.2) - value(row[1], -0.4) * value(row[2], 0.9);
        match objective {
            Objective::Binary => f32::from(u8::from(score > 0.0)),
            Objective::Regression => 40.0 * score,
            Objective::Multiclass { classes } => (score + 2.0).clamp(0.0, classes as f32 - 1.0).floor(),
        }
    };
    let job = BoostJob {
        name: format!("{objective:?}"),
        train: (0..count as u32).collect(),
        train_labels: rows.chunks(FEATURES).map(label).collect(),
        valid: vec![],
        valid_labels: vec![],
        params: BoostParams {
            objective,
            rounds: 40,
            learning_rate: 0.1,
            max_depth: 5,
            max_bin: 255,
            l2: 1.0,
            min_child_hessian: 1.0,
            min_split_gain: 0.0,
            subsample: 0.8,
            colsample: 0.8,
            early_stopping: 0,
            seed: 7,
            ..BoostParams::default()
        },
        ..BoostJob::default()
    };
    let names: Vec<String> = (0..FEATURES).map(|i| format!("f{i}")).collect();
    let table = Table { values: rows, features: FEATURES };
    boost::train(table, &names, &[job], &|_| {}).remove(0).unwrap()
}

#[test]
fn models_trained_here_on_missing_values_predict_the_same_in_lightgbm() {
    let Some(python) = python::python_with("lightgbm") else { return };
    let folder = tempfile::tempdir().unwrap();
    let rows = table(3000);
    let cases: Vec<Case> = [Objective::Binary, Objective::Regression, Objective::Multiclass { classes: 4 }]
        .into_iter()
        .enumerate()
        .map(|(i, objective)| {
            let forest = trained_forest(objective, &rows);
            assert!(forest.trees.iter().any(|tree| tree.missing_left.contains(&true)), "no missing value goes left");
            assert!(forest.trees.iter().any(|tree| tree.missing_left.contains(&false)), "none goes right");
            let model = folder.path().join(format!("trained-{i}.txt"));
            std::fs::write(&model, to_lightgbm(&forest, &Value::Null)).unwrap();
            Case { name: format!("trained, {objective:?}"), model, head: None, metadata: None, forest }
        })
        .collect();
    assert_lightgbm_agrees(&python, folder.path(), &rows, &cases);
}

#[test]
fn models_that_lightgbm_trains_on_missing_values_read_and_predict_the_same() {
    let Some(python) = python::python_with("lightgbm") else { return };
    let folder = tempfile::tempdir().unwrap();
    let names = python::run(&python, "train.py", &[folder.path()]);
    let rows: Vec<f32> = std::fs::read(folder.path().join("rows.f4"))
        .unwrap()
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    assert!(rows.iter().filter(|v| v.is_nan()).count() > 1000);
    assert!(names.split_whitespace().count() >= 8, "{names}");
    for name in names.split_whitespace() {
        let forest = load_forest(&folder.path().join(format!("{name}.txt")), None).unwrap();
        let theirs = read_f64(&folder.path().join(format!("{name}.f8")));
        let ours: Vec<f64> = rows.chunks(forest.features.len()).flat_map(|row| forest.predict(row)).collect();
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{name}: ours {a}, LightGBM's {b}");
        }
        let again = from_lightgbm(&to_lightgbm(&forest, &Value::Null)).unwrap();
        assert_eq!(again.digest(), forest.digest(), "{name}");
    }
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("refused_") {
            let error = load_forest(&path, None).unwrap_err();
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains("cannot be read; "), "{}: {source}", path.display());
        }
    }
}
