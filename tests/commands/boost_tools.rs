//! What `huracan boost` does besides plain training: search, weights, constraints, importance, contributions, conversion.

use crate::cli::{huracan, numbers, table, texts, write, write_table};
use huracan::arith::{draw, uniform};
use huracan::boost::Objective;
use huracan::models::load_forest;
use huracan::polars::prelude::Column;
use serde_json::Value;

const ROWS: usize = 800;

/// `a` and `b` decide, `c` is noise; `w` weighs, and `late` marks a row of the second half.
fn columns(seed: u64) -> Vec<Column> {
    let noise = |k: u64| -> Vec<f64> { (0..ROWS as u64).map(|i| uniform(draw(seed, k, i)) - 0.5).collect() };
    let (a, b, c) = (noise(0), noise(1), noise(2));
    let score: Vec<f64> = (0..ROWS).map(|i| 2.0 * a[i] - b[i] + 0.5 * noise(3)[i]).collect();
    vec![
        Column::new("a".into(), a),
        Column::new("b".into(), b),
        Column::new("c".into(), c),
        Column::new("group".into(), (0..ROWS).map(|i| ["one", "two"][i % 2]).collect::<Vec<_>>()),
        Column::new("w".into(), (0..ROWS).map(|i| if i < ROWS / 2 { 1.0 } else { 0.0 }).collect::<Vec<_>>()),
        Column::new("wins".into(), score.iter().map(|&s| s > 0.0).collect::<Vec<_>>()),
    ]
}

const TRAIN: &str = "boost train --table t.parquet --target wins --weight w --objective binary";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_table(&folder.path().join("t.parquet"), columns(1));
    write_table(&folder.path().join("v.parquet"), columns(2));
    folder
}

#[test]
fn rows_without_weight_are_not_learned_from() {
    let folder = folder();
    huracan(folder.path(), &format!("{TRAIN} --rounds 20 --out m.txt")).expect(0, &[]);
    let weighed = load_forest(&folder.path().join("m.txt"), None).unwrap();
    assert_eq!(weighed.features, ["a", "b", "c"], "neither target nor weight is a feature");
    // Other labels where nothing counts change nothing.
    let mut changed = columns(1);
    let wins: Vec<bool> =
        changed[5].bool().unwrap().iter().enumerate().map(|(i, w)| (i >= ROWS / 2) | w.unwrap()).collect();
    changed[5] = Column::new("wins".into(), wins);
    write_table(&folder.path().join("t.parquet"), changed);
    huracan(folder.path(), &format!("{TRAIN} --rounds 20 --out n.txt")).expect(0, &[]);
    assert_eq!(load_forest(&folder.path().join("n.txt"), None).unwrap().digest(), weighed.digest());

    write(folder.path(), "bad.csv", "x,y,w\n1,0,1\n2,1,-3\n3,1,1\n");
    let bad = "boost train --table bad.csv --target y --weight w --objective binary --out m2.txt";
    huracan(folder.path(), bad).expect(3, &["bad.csv", "row 1", "'w'", "0 or more"]);
}

#[test]
fn constraints_forests_and_growth_are_asked_for_by_name() {
    let folder = folder();
    let line = format!("{TRAIN} --rounds 15");
    let run = |more: &str| {
        huracan(folder.path(), &format!("{line} {more} --out m.txt")).expect(0, &[]);
        load_forest(&folder.path().join("m.txt"), None).unwrap()
    };
    let bound = run("--monotone a=1,b=-1");
    let says = |a: f32, b: f32| bound.predict(&[a, b, 0.1])[0];
    assert!((-9..9).all(|i| says(i as f32 / 18.0, 0.1) <= says((i + 1) as f32 / 18.0, 0.1)));
    assert!((-9..9).all(|i| says(0.1, i as f32 / 18.0) >= says(0.1, (i + 1) as f32 / 18.0)));
    assert!(says(0.4, 0.0) > says(-0.4, 0.0));
    let leaf = run("--growth leaf --max-leaves 5 --max-depth 0");
    assert!(leaf.trees.iter().all(|tree| tree.leaf_value.len() <= 5));
    assert!(run("--boosting forest --subsample 0.6").averaged);
    for (more, objective) in [
        ("--objective quantile --alpha 0.8", Objective::Quantile { alpha: 0.8 }),
        ("--objective huber --delta 0.3", Objective::Huber { delta: 0.3 }),
    ] {
        let line = line.replace("--objective binary", more);
        huracan(folder.path(), &format!("{line} --out q.txt")).expect(0, &[]);
        assert_eq!(load_forest(&folder.path().join("q.txt"), None).unwrap().objective, objective);
    }
    huracan(folder.path(), &format!("{line} --monotone z=1 --out x.txt")).expect(2, &["'z'", "a, b, c"]);
    huracan(folder.path(), &format!("{line} --monotone a=2 --out x.txt")).expect(2, &["COL=1"]);
    huracan(folder.path(), &format!("{line} --boosting forest --out x.txt")).expect(2, &["subsample"]);
    huracan(folder.path(), &format!("{line} --scale-pos-weight 0 --out x.txt")).expect(2, &["scale-pos-weight"]);
    assert!(!folder.path().join("x.txt").exists());
}

#[test]
fn a_search_keeps_what_is_best_on_the_validation_table() {
    let folder = folder();
    let line = format!("{TRAIN} --group group --rounds 40 --max-depth 8 --valid v.parquet");
    huracan(folder.path(), &format!("{line} --search 10 --out none.txt").replace(" --valid v.parquet", ""))
        .expect(2, &["--valid"]);
    let plain = huracan(folder.path(), &format!("{line} --out plain --json"));
    let found = huracan(folder.path(), &format!("{line} --search 10 --out found --json"));
    found.expect(0, &[]);
    let (plain, found) = (plain.json(), found.json());
    for (plain, found) in plain["models"].as_array().unwrap().iter().zip(found["models"].as_array().unwrap()) {
        let search = &found["search"];
        assert_eq!((&search["tried"], &search["moved"]), (&10.into(), &true.into()));
        assert!(search["loss"].as_f64() < search["own_loss"].as_f64(), "{search}");
        assert!(search["rounds"].as_u64() > search["own_rounds"].as_u64());
        assert_ne!(plain["digest"], found["digest"]);
        // What is written is what was promised.
        assert!(found["validation_loss"].as_f64() <= search["loss"].as_f64());
    }
}

#[test]
fn importance_tells_the_features_that_decide_from_noise() {
    let folder = folder();
    huracan(folder.path(), &format!("{TRAIN} --rounds 30 --max-depth 3 --out m.txt")).expect(0, &[]);
    let bare = huracan(folder.path(), "boost importance --model m.txt --json");
    bare.expect(0, &[]);
    assert_eq!((&bare.json()["rows"], &bare.json()["features"][0]["shap"]), (&Value::Null, &Value::Null));
    let full =
        huracan(folder.path(), "boost importance --model m.txt --table v.parquet --target wins --out i.csv --json");
    full.expect(0, &[]);
    let full = full.json();
    let of = |name: &str, what: &str| {
        let all = full["features"].as_array().unwrap();
        all.iter().find(|one| one["feature"] == name).unwrap()[what].as_f64().unwrap()
    };
    for what in ["gain", "shap", "permutation"] {
        assert!(of("a", what) > of("b", what) && of("b", what) > of("c", what), "{what}: {full}");
    }
    assert!(of("c", "permutation").abs() < 0.2 * of("b", "permutation"));
    let written = table(&folder.path().join("i.csv"));
    assert_eq!(texts(&written, "feature")[0], "a");
    huracan(folder.path(), "boost importance --model m.txt --table v.parquet --target a").expect(3, &["0 or 1"]);
    huracan(folder.path(), "boost importance --model m.txt --target wins").expect(2, &["--table"]);
}

#[test]
fn contributions_add_up_to_the_raw_score() {
    let folder = folder();
    huracan(folder.path(), &format!("{TRAIN} --group group --rounds 10 --out models")).expect(0, &[]);
    huracan(
        folder.path(),
        "boost predict --table v.parquet --model models --group group --contributions --out p.parquet",
    )
    .expect(0, &[]);
    let predicted = table(&folder.path().join("p.parquet"));
    let parts = ["a", "b", "c", "base"].map(|name| numbers(&predicted, &format!("contribution_{name}")));
    for (row, p) in numbers(&predicted, "prediction").into_iter().enumerate() {
        let sum: f64 = parts.iter().map(|part| part[row]).sum();
        assert!((1.0 / (1.0 + (-sum).exp()) - p).abs() < 1e-12, "row {row}");
    }
}

#[test]
fn a_model_is_converted_by_the_ending_of_its_name() {
    let folder = folder();
    huracan(folder.path(), &format!("{TRAIN} --rounds 5 --out m.txt")).expect(0, &[]);
    let converted = huracan(folder.path(), "boost convert --model m.txt --out m.json --json");
    converted.expect(0, &[]);
    assert_eq!((&converted.json()["format"], &converted.json()["trees"]), (&"XGBoost".into(), &5.into()));
    let json: Value = serde_json::from_slice(&std::fs::read(folder.path().join("m.json")).unwrap()).unwrap();
    assert_eq!(json["learner"]["objective"]["name"], "binary:logistic");
    huracan(folder.path(), "boost convert --model m.txt --out again.txt").expect(0, &[]);
    let digest = |name: &str| load_forest(&folder.path().join(name), None).unwrap().digest();
    assert_eq!(digest("again.txt"), digest("m.txt"));
    huracan(folder.path(), "boost convert --model m.txt --out m.onnx").expect(2, &[".json"]);
    huracan(folder.path(), "boost predict --table v.parquet --model m.json --out p.csv").expect(3, &["m.json"]);
}
