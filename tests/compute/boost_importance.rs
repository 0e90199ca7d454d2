//! What we say each feature gave to a score is what LightGBM says.

use std::path::{Path, PathBuf};

use crate::python;
use huracan::arith;
use huracan::boost::{self, BoostJob, BoostParams, Ensemble, Forest, Growth, Objective, Table};
use huracan::models::{from_lightgbm, to_lightgbm};
use serde_json::{Value, json};

const FEATURES: usize = 9;

/// Numbers in [0, 1) from a counter.
fn uniform(stream: u64, i: usize) -> f64 {
    arith::uniform(arith::draw(23, stream, i as u64))
}

/// Rows in (−2, 2), a sixth of the values missing.
fn table(rows: usize) -> Vec<f32> {
    let value = |i| if uniform(1, i) < 1.0 / 6.0 { f32::NAN } else { (4.0 * uniform(2, i) - 2.0) as f32 };
    (0..rows * FEATURES).map(value).collect()
}

/// A forest trained on `rows`, whose labels follow from four features and from what is missing.
fn trained(rows: &[f32], params: BoostParams) -> Forest {
    let known = |value: f32, missing: f32| if value.is_nan() { missing } else { value };
    let label = |(i, row): (usize, &[f32])| {
        let noise = uniform(3, i) as f32 - 0.5;
        let score = known(row[0], 1.2) - known(row[1], -0.4) * known(row[2], 0.9) + 0.3 * known(row[5], -2.0) + noise;
        match params.objective {
            Objective::Binary => f32::from(u8::from(score > 0.0)),
            Objective::Multiclass { classes } => (score + 2.0).clamp(0.0, classes as f32 - 1.0).floor(),
            _ => 40.0 * score,
        }
    };
    let job = BoostJob {
        train: (0..(rows.len() / FEATURES) as u32).collect(),
        train_labels: rows.chunks(FEATURES).enumerate().map(label).collect(),
        params,
        ..BoostJob::default()
    };
    let names: Vec<String> = (0..FEATURES).map(|f| format!("f{f}")).collect();
    boost::train(Table { values: rows, features: FEATURES }, &names, &[job], &|_| {}).remove(0).unwrap()
}

/// Has LightGBM explain every model on `rows` and requires our contributions within 10⁻⁹ of the score's scale.
fn assert_lightgbm_agrees(python: &Path, folder: &Path, rows: &Path, cases: &[(String, PathBuf, Forest)]) {
    let out = |i: usize| folder.join(format!("{i}.contributions"));
    let jobs: Vec<Value> = cases
        .iter()
        .enumerate()
        .map(|(i, (_, model, forest))| {
            json!({"model": model, "rows": rows, "features": forest.features.len(), "out": out(i)})
        })
        .collect();
    let job = folder.join("job.json");
    std::fs::write(&job, Value::from(jobs).to_string()).unwrap();
    assert_eq!(python::run(python, "contributions.py", &[&job]).trim(), cases.len().to_string());
    let bytes = std::fs::read(rows).unwrap();
    let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    for (i, (name, _, forest)) in cases.iter().enumerate() {
        let table = Table { values: &values, features: forest.features.len() };
        let every: Vec<u32> = (0..table.rows() as u32).collect();
        let ours = boost::contributions(forest, table, &every);
        let bytes = std::fs::read(out(i)).unwrap();
        let theirs: Vec<f64> = bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(ours.len(), theirs.len(), "{name}");
        // LightGBM averages a forest's score, but not what it says of it.
        let trees = if forest.averaged { forest.rounds() as f64 } else { 1.0 };
        let scores = values.chunks(table.features).flat_map(|row| forest.raw_scores(row));
        let scale = scores.fold(0.0, |most: f64, score| most.max(score.abs()));
        for (at, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            let b = b / trees;
            assert!((a - b).abs() <= 1e-9 * scale, "{name}, contribution {at}: ours {a}, LightGBM's {b}");
        }
        let importance = boost::mean_absolute_contributions(&ours, forest.objective.trees_per_round(), table.features);
        let moved = importance.iter().filter(|&&importance| importance > 1e-3 * scale).count();
        let constant = forest.trees.iter().all(|tree| tree.split_feature.is_empty());
        assert!(constant || moved > 1, "{name}: contributions of 0 prove nothing: {importance:?}");
    }
}

#[test]
fn lightgbm_explains_our_models_as_we_do() {
    let Some(python) = python::python_with("lightgbm") else { return };
    let folder = tempfile::tempdir().unwrap();
    let rows = table(2000);
    let values = folder.path().join("rows.f4");
    std::fs::write(&values, rows.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()).unwrap();
    let params = |objective| BoostParams { objective, rounds: 30, ..BoostParams::default() };
    let by_leaf = |objective, max_leaves| BoostParams {
        growth: Growth::Leaf,
        max_depth: 0,
        max_leaves,
        min_child_hessian: 1.0,
        ..params(objective)
    };
    let cases = [
        ("binary", params(Objective::Binary)),
        (
            "binary, rows and features drawn",
            BoostParams { subsample: 0.6, colsample: 0.7, ..params(Objective::Binary) },
        ),
        ("regression by leaf", by_leaf(Objective::Regression, 200)),
        ("three classes", by_leaf(Objective::Multiclass { classes: 3 }, 31)),
        ("stumps", BoostParams { max_depth: 1, ..params(Objective::Regression) }),
        (
            "a forest",
            BoostParams { ensemble: Ensemble::Forest, subsample: 0.6, ..params(Objective::Multiclass { classes: 3 }) },
        ),
        ("nothing to learn", BoostParams { min_child_hessian: 1e6, ..params(Objective::Binary) }),
    ]
    .map(|(name, params)| {
        let forest = trained(&rows, params);
        let model = folder.path().join(format!("{name}.txt"));
        std::fs::write(&model, to_lightgbm(&forest, &Value::Null)).unwrap();
        (name.to_owned(), model, forest)
    });
    assert_lightgbm_agrees(&python, folder.path(), &values, &cases);
}

#[test]
fn we_explain_lightgbms_models_as_it_does() {
    let Some(python) = python::python_with("lightgbm") else { return };
    let folder = tempfile::tempdir().unwrap();
    let names = python::run(&python, "train.py", &[folder.path()]);
    let cases: Vec<(String, PathBuf, Forest)> = names
        .split_whitespace()
        .map(|name| {
            let model = folder.path().join(format!("{name}.txt"));
            let forest = from_lightgbm(&std::fs::read_to_string(&model).unwrap()).unwrap();
            (name.to_owned(), model, forest)
        })
        .collect();
    assert_lightgbm_agrees(&python, folder.path(), &folder.path().join("rows.f4"), &cases);
}
