//! XGBoost itself reads our models and predicts what we predict.

use std::path::Path;

use crate::forests::{assert_agree, averaged, predictions, random_forest, read_f64, table, trained_forests, write_f32};
use crate::python;
use huracan::boost::{Forest, Objective};
use huracan::models::to_xgboost;
use serde_json::{Value, json};

/// Has XGBoost score every forest on `rows` and requires our predictions within 1e-6 of the largest, or of 1.
fn assert_xgboost_agrees(python: &Path, rows: &[f32], forests: &[(String, Forest)]) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: String| folder.path().join(name);
    let table = path("rows.f4".to_owned());
    write_f32(&table, rows);
    let jobs: Vec<Value> = forests
        .iter()
        .enumerate()
        .map(|(i, (_, forest))| {
            let (model, out) = (path(format!("{i}.json")), path(format!("{i}.f8")));
            std::fs::write(&model, to_xgboost(forest).unwrap()).unwrap();
            let trees = forest.trees.len().max(forest.objective.trees_per_round());
            json!({"model": model, "rows": table, "out": out, "features": forest.features.len(), "trees": trees})
        })
        .collect();
    let job = path("job.json".to_owned());
    std::fs::write(&job, Value::from(jobs).to_string()).unwrap();
    assert_eq!(python::run(python, "score_xgboost.py", &[&job]).trim(), forests.len().to_string());
    for (i, (name, forest)) in forests.iter().enumerate() {
        let ours = predictions(forest, rows);
        let largest = ours.iter().fold(1.0f64, |most, x| most.max(x.abs()));
        assert_agree(name, forest, &ours, &read_f64(&path(format!("{i}.f8"))), 1e-6 * largest);
    }
}

#[test]
fn xgboost_loads_our_models_and_predicts_the_same_with_missing_values() {
    let Some(python) = python::python_with("xgboost") else { return };
    let multiclass = |classes| Objective::Multiclass { classes };
    let (quantile, huber) = (Objective::Quantile { alpha: 0.3 }, Objective::Huber { delta: 1.5 });
    let forests = [
        ("binary", random_forest(Objective::Binary, 9, 31, 1)),
        ("binary, stumps", random_forest(Objective::Binary, 20, 2, 2)),
        ("regression", random_forest(Objective::Regression, 7, 63, 3)),
        ("regression, leaves alone", random_forest(Objective::Regression, 3, 1, 4)),
        ("two classes", random_forest(multiclass(2), 4, 15, 5)),
        ("seven classes", random_forest(multiclass(7), 6, 20, 6)),
        ("quantile", random_forest(quantile, 7, 31, 7)),
        ("quantile, alpha next to 1", random_forest(Objective::Quantile { alpha: 1.0 - 1e-12 }, 2, 3, 8)),
        ("huber", random_forest(huber, 7, 31, 9)),
        ("huber, delta beyond f32", random_forest(Objective::Huber { delta: 1e-60 }, 2, 3, 10)),
        ("averaged, binary", averaged(random_forest(Objective::Binary, 9, 31, 11))),
        ("averaged, regression", averaged(random_forest(Objective::Regression, 3, 31, 12))),
        ("averaged, three classes", averaged(random_forest(multiclass(3), 6, 20, 13))),
        ("averaged, quantile", averaged(random_forest(quantile, 7, 31, 14))),
        ("no trees, binary", random_forest(Objective::Binary, 0, 1, 15)),
        ("no trees, three classes", random_forest(multiclass(3), 0, 1, 16)),
        ("no trees, huber", random_forest(huber, 0, 1, 17)),
    ];
    let mut rows = table(600);
    // The least numbers above 0 pass no cut at 0.
    rows.extend(table(200).iter().map(|&value| if value == 0.0 { f32::from_bits(1) } else { value }));
    assert_xgboost_agrees(&python, &rows, &forests.map(|(name, forest)| (name.to_owned(), forest)));
}

#[test]
fn models_trained_here_on_missing_values_predict_the_same_in_xgboost() {
    let Some(python) = python::python_with("xgboost") else { return };
    let rows = table(3000);
    assert_xgboost_agrees(&python, &rows, &trained_forests(&rows));
}

#[test]
fn a_class_so_rare_that_its_probability_rounds_to_none_keeps_its_score() {
    let Some(python) = python::python_with("xgboost") else { return };
    // Log odds of a label that never came: f32 rounds 1 − 1e-15 to 1.
    let mut sure = random_forest(Objective::Binary, 3, 7, 18);
    sure.base_score = vec![34.538_776_394_910_684];
    sure.trees[0].leaf_value[0] = -33.0;
    assert_xgboost_agrees(&python, &table(400), &[("sure".to_owned(), sure)]);
}
