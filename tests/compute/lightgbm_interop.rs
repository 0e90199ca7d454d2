//! LightGBM itself reads our models and predicts what we predict, and we read its.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::forests::{
    assert_agree, averaged, predictions, random_forest, read_f32, read_f64, table, trained_forests, write_f32,
};
use crate::python;
use huracan::boost::{Forest, Objective};
use huracan::decide::Head;
use huracan::models::bundle::{Metadata, Performance, TrainingParameters, importance_shares, model_id};
use huracan::models::{Bundle, combined_digest, from_lightgbm, load_forest, to_lightgbm};
use serde_json::{Value, json};

fn bundle(symbol: &str, heads: BTreeMap<Head, Forest>, main_head: Head) -> Bundle {
    let head_digests: BTreeMap<Head, String> = heads.iter().map(|(head, f)| (*head, f.digest())).collect();
    let digest = combined_digest(head_digests.values());
    Bundle {
        symbol: symbol.to_owned(),
        model_type: "LightGBM".to_owned(),
        main_head,
        feature_names: heads[&main_head].features.clone(),
        scaler: None,
        parameters: json!({"rounds": 8, "learning_rate": 0.05, "max_depth": 6, "l2": 1.0, "max_bin": 255,
            "min_child_hessian": 5.0, "min_split_gain": 0.0, "subsample": 0.8, "colsample": 0.8, "early_stopping": 25,
            "seed": 7}),
        other_families: BTreeMap::new(),
        mix: Default::default(),
        calibration: None,
        metadata: Metadata {
            model_id: model_id(symbol, "2024-09-06", &digest),
            symbol: symbol.to_owned(),
            version: "1.0.0".to_owned(),
            training_date: "2024-09-06".to_owned(),
            performance_metrics: Performance { sharpe_ratio: Some(0.75), ..Performance::default() },
            feature_importance: importance_shares(&heads),
            feature_importance_believed: None,
            training_parameters: TrainingParameters {
                lookback_days: 240,
                train_test_split: 0.8,
                model_type: "LightGBM".to_owned(),
                more: serde_json::Map::new(),
            },
            device: "cpu".to_owned(),
            digest,
            head_digests,
            other_family_digests: BTreeMap::new(),
            mix: Default::default(),
            data_digest: String::new(),
            inputs: None,
            git_commit: "unknown".to_owned(),
            settings_digest: String::new(),
            folds: vec![],
            policy: serde_json::Value::Null,
            approved: true,
            reasons: vec![],
            retired: None,
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
    write_f32(&table, rows);
    let out = |i: usize| folder.join(format!("{i}.f8"));
    let jobs: Vec<Value> = cases
        .iter()
        .enumerate()
        .map(|(i, case)| {
            json!({"model": case.model, "head": case.head, "metadata": case.metadata, "rows": table, "out": out(i),
                "features": case.forest.features.len(), "parameters": lightgbm_parameters(&case.forest)})
        })
        .collect();
    let job = folder.join("job.json");
    std::fs::write(&job, Value::from(jobs).to_string()).unwrap();
    assert_eq!(python::run(python, "score.py", &[&job]).trim(), cases.len().to_string());
    for (i, case) in cases.iter().enumerate() {
        assert_agree(&case.name, &case.forest, &predictions(&case.forest, rows), &read_f64(&out(i)), 1e-6);
    }
}

/// What LightGBM must say of a model's training, in its own words.
fn lightgbm_parameters(forest: &Forest) -> Value {
    let mut expected = json!({"boosting": if forest.averaged { "rf" } else { "gbdt" }});
    match forest.objective {
        Objective::Quantile { alpha } | Objective::Huber { delta: alpha } => expected["alpha"] = json!(alpha),
        Objective::Multiclass { classes } => expected["num_class"] = json!(classes),
        Objective::Binary | Objective::Regression => {}
    }
    expected
}

#[test]
fn lightgbm_loads_our_models_and_predicts_the_same_with_missing_values() {
    let Some(python) = python::python_with("lightgbm") else { return };
    let folder = tempfile::tempdir().unwrap();
    let multiclass = |classes| Objective::Multiclass { classes };
    let (quantile, huber) = (Objective::Quantile { alpha: 0.3 }, Objective::Huber { delta: 1.5 });
    let parameters = json!({"rounds": 3, "learning_rate": 0.1, "growth": "leaf", "max_leaves": 31, "subsample": 0.5,
        "colsample_node": 0.5, "scale_pos_weight": 1.0, "monotone": [1, 0, -1, 0, 0]});
    let cases: Vec<Case> = [
        ("binary", random_forest(Objective::Binary, 9, 31, 1)),
        ("binary, one round", random_forest(Objective::Binary, 1, 2, 2)),
        ("regression", random_forest(Objective::Regression, 7, 63, 3)),
        ("regression, leaves alone", random_forest(Objective::Regression, 3, 1, 4)),
        ("two classes", random_forest(multiclass(2), 4, 15, 5)),
        ("seven classes", random_forest(multiclass(7), 6, 20, 6)),
        ("no trees, binary", random_forest(Objective::Binary, 0, 1, 7)),
        ("no trees, three classes", random_forest(multiclass(3), 0, 1, 8)),
        ("quantile", random_forest(quantile, 7, 31, 9)),
        ("huber", random_forest(huber, 7, 31, 10)),
        ("averaged, binary", averaged(random_forest(Objective::Binary, 9, 31, 11))),
        ("averaged, three classes", averaged(random_forest(multiclass(3), 6, 20, 12))),
        ("averaged, quantile", averaged(random_forest(quantile, 3, 31, 13))),
    ]
    .into_iter()
    .enumerate()
    .map(|(i, (name, forest))| {
        let model = folder.path().join(format!("{i}.txt"));
        std::fs::write(&model, to_lightgbm(&forest, &parameters)).unwrap();
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
        (Head::WinLong, random_forest(Objective::Binary, 8, 31, 21)),
        (Head::WinShort, random_forest(Objective::Binary, 5, 31, 22)),
        (Head::EdgeBps, random_forest(Objective::Regression, 6, 31, 23)),
    ]);
    let saved = bundle("BTC-USDT", heads.clone(), Head::WinLong).save(folder.path()).unwrap();
    let main = heads[&Head::WinLong].clone();
    let mut cases = vec![Case { name: "text".into(), model: saved.text, head: None, metadata: None, forest: main }];
    cases.extend(heads.into_iter().map(|(head, forest)| Case {
        name: head.to_string(),
        model: saved.pickle.clone(),
        head: Some(head.to_string()),
        metadata: Some(saved.metadata.clone()),
        forest,
    }));
    assert_lightgbm_agrees(&python, folder.path(), &table(600), &cases);
}

#[test]
fn models_trained_here_on_missing_values_predict_the_same_in_lightgbm() {
    let Some(python) = python::python_with("lightgbm") else { return };
    let folder = tempfile::tempdir().unwrap();
    let rows = table(3000);
    let cases: Vec<Case> = trained_forests(&rows)
        .into_iter()
        .enumerate()
        .map(|(i, (name, forest))| {
            let model = folder.path().join(format!("trained-{i}.txt"));
            let text = to_lightgbm(&forest, &Value::Null);
            assert_eq!(from_lightgbm(&text).unwrap().digest(), forest.digest(), "{name}");
            std::fs::write(&model, text).unwrap();
            Case { name, model, head: None, metadata: None, forest }
        })
        .collect();
    assert_lightgbm_agrees(&python, folder.path(), &rows, &cases);
}

#[test]
fn models_that_lightgbm_trains_on_missing_values_read_and_predict_the_same() {
    let Some(python) = python::python_with("lightgbm") else { return };
    let folder = tempfile::tempdir().unwrap();
    let names = python::run(&python, "train.py", &[folder.path()]);
    let rows = read_f32(&folder.path().join("rows.f4"));
    assert!(rows.iter().filter(|v| v.is_nan()).count() > 1000);
    assert!(names.split_whitespace().count() >= 17, "{names}");
    let losses = [("quantile", Objective::Quantile { alpha: 0.25 }), ("huber", Objective::Huber { delta: 1.5 })];
    for name in names.split_whitespace() {
        let forest = load_forest(&folder.path().join(format!("{name}.txt")), None).unwrap();
        let theirs = read_f64(&folder.path().join(format!("{name}.f8")));
        let ours = predictions(&forest, &rows);
        assert_eq!(ours.len(), theirs.len(), "{name}");
        assert_eq!(forest.averaged, name.starts_with("forest_"), "{name}");
        if let Some((_, objective)) = losses.iter().find(|(loss, _)| name.ends_with(loss)) {
            assert_eq!(forest.objective, *objective, "{name}");
        }
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
