//! `boost train` and `boost predict` on tables that a test writes.

use std::path::Path;

use crate::cli::{huracan, huracan_with, numbers, table, texts, write, write_table};
use huracan::Instructions;
use huracan::arith::{draw, uniform};
use huracan::boost::Forest;
use huracan::models::load_forest;
use huracan::polars::prelude::{Column, DataFrame};

const ROWS: usize = 600;

/// A table with signal in `a` and `b`, missing values, a constant, an empty column, whole numbers, booleans and text.
fn columns(seed: u64, rows: usize) -> Vec<Column> {
    let noise = |k: u64| -> Vec<f64> { (0..rows as u64).map(|i| uniform(draw(seed, k, i)) - 0.5).collect() };
    let (a, b, c) = (noise(0), noise(1), noise(2));
    let score: Vec<f64> = (0..rows).map(|i| 3.0 * a[i] - 2.0 * b[i] + 0.5 * c[i]).collect();
    let holed: Vec<Option<f64>> = a.iter().zip(&c).map(|(&a, &c)| (c < 0.3).then_some(a)).collect();
    let words: Vec<String> = (0..rows).map(|i| format!("w{}", i % 7)).collect();
    let group: Vec<String> = (0..rows).map(|i| ["red", "green", "blue"][i % 3].to_owned()).collect();
    vec![
        Column::new("word".into(), words),
        Column::new("a".into(), holed),
        Column::new("open interest [usd]".into(), b.clone()),
        Column::new("constant".into(), vec![3.5; rows]),
        Column::new("missing".into(), vec![None::<f64>; rows]),
        Column::new("whole".into(), b.iter().map(|b| (b * 20.0) as i64).collect::<Vec<_>>()),
        Column::new("flag".into(), c.iter().map(|&c| c > 0.0).collect::<Vec<_>>()),
        Column::new("group".into(), group),
        Column::new("value".into(), score.clone()),
        Column::new("wins".into(), score.iter().map(|&s| s > 0.1).collect::<Vec<_>>()),
        Column::new(
            "class".into(),
            score.iter().map(|&s| i64::from(s > -0.4) + i64::from(s > 0.4)).collect::<Vec<_>>(),
        ),
    ]
}

/// Features of every table here but the targets, in the order of the columns.
const FEATURES: [&str; 6] = ["a", "open interest [usd]", "constant", "missing", "whole", "flag"];

/// Writes `name` without the targets other than `target`.
fn write_data(folder: &Path, name: &str, target: &str, seed: u64, rows: usize) {
    let kept = |column: &Column| {
        let name = column.name().as_str();
        !["value", "wins", "class"].contains(&name) || name == target
    };
    write_table(&folder.join(name), columns(seed, rows).into_iter().filter(kept).collect());
}

/// Rows `[features]` as the engine sees them.
fn feature_rows(frame: &DataFrame) -> Vec<Vec<f32>> {
    let columns: Vec<Vec<f64>> = FEATURES.iter().map(|name| numbers(frame, name)).collect();
    (0..frame.height()).map(|row| columns.iter().map(|column| column[row] as f32).collect()).collect()
}

/// The predictions in a table equal those of the model file read back, to the bit.
fn predictions_are_those_of(forest: &Forest, predicted: &DataFrame, names: &[&str]) {
    for (row, features) in feature_rows(predicted).iter().enumerate() {
        let want = forest.predict(features);
        let got: Vec<f64> = names.iter().map(|name| numbers(predicted, name)[row]).collect();
        assert_eq!(got, want, "row {row}");
        assert!(got.iter().all(|p| p.is_finite()));
    }
}

#[test]
fn a_binary_model_predicts_probabilities_that_are_those_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path(), "t.parquet", "wins", 1, ROWS);
    write_data(folder.path(), "new.parquet", "wins", 2, 300);
    let ran = huracan(
        folder.path(),
        "boost train --table t.parquet --target wins --objective binary --rounds 40 --max-depth 4 --max-bin 32 --l2 2 \
         --min-child-hessian 0.5 --min-split-gain 0.01 --subsample 0.7 --colsample 0.7 --seed 3 --threads 2 --out m/b.txt --json",
    );
    ran.expect(0, &[]);
    let report = ran.json();
    // The group column is text: it is skipped as a feature like any other.
    assert_eq!(report["skipped_columns"], serde_json::json!(["word", "group"]));
    assert_eq!((&report["features"], &report["rows"]), (&6.into(), &ROWS.into()));
    huracan(folder.path(), "boost predict --table new.parquet --model m/b.txt --out p.parquet").expect(0, &[]);
    let predicted = table(&folder.path().join("p.parquet"));
    assert_eq!(predicted.get_column_names().last().unwrap().as_str(), "prediction");
    let forest = load_forest(&folder.path().join("m/b.txt"), None).unwrap();
    assert_eq!(report["models"][0]["digest"], forest.digest());
    assert_eq!(report["models"][0]["rounds"], forest.rounds());
    predictions_are_those_of(&forest, &predicted, &["prediction"]);
    let (p, wins) = (numbers(&predicted, "prediction"), numbers(&predicted, "wins"));
    assert!(p.iter().all(|&p| 0.0 < p && p < 1.0));
    let hits = p.iter().zip(&wins).filter(|(p, win)| (**p > 0.5) == (**win == 1.0)).count();
    assert!(hits > 240, "{hits} of 300 are right");
}

#[test]
fn a_regression_predicts_values_and_a_validation_table_chooses_the_rounds() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path(), "t.parquet", "value", 1, ROWS);
    write_data(folder.path(), "v.parquet", "value", 2, 200);
    let line =
        "boost train --table t.parquet --target value --objective regression --rounds 400 --learning-rate 0.3 --json";
    let ran = huracan(folder.path(), &format!("{line} --valid v.parquet --early-stopping 10 --out r.txt"));
    ran.expect(0, &[]);
    let rounds = ran.json()["models"][0]["rounds"].as_u64().unwrap();
    assert!((5..400).contains(&rounds), "{rounds} rounds");
    let forest = load_forest(&folder.path().join("r.txt"), None).unwrap();
    let losses = &forest.validation_loss;
    let best = (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).unwrap();
    assert_eq!((best + 1, losses.len()), (rounds as usize, rounds as usize + 10));

    huracan(folder.path(), "boost predict --table v.parquet --model r.txt --out p.csv").expect(0, &[]);
    let predicted = table(&folder.path().join("p.csv"));
    predictions_are_those_of(&forest, &predicted, &["prediction"]);
    let error = |of: &dyn Fn(usize) -> f64| {
        let want = numbers(&predicted, "value");
        // Labels are learned as f32.
        (0..want.len()).map(|row| (of(row) - f64::from(want[row] as f32)).powi(2)).sum::<f64>() / want.len() as f64
    };
    let p = numbers(&predicted, "prediction");
    let loss = error(&|row| p[row]);
    assert!((loss - losses[best]).abs() < 1e-9, "{loss} is the loss that the training saw: {}", losses[best]);
    assert!(loss < 0.3 * error(&|_| 0.0));

    let all = huracan(
        folder.path(),
        &format!("{line} --rounds 30 --valid v.parquet --out all.txt").replace("--rounds 400 ", ""),
    );
    all.expect(0, &[]);
    assert_eq!(all.json()["models"][0]["rounds"], 30, "without early stopping every round is kept");
}

#[test]
fn a_multiclass_model_predicts_a_probability_a_class() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path(), "t.parquet", "class", 1, ROWS);
    huracan(
        folder.path(),
        "boost train --table t.parquet --target class --objective multiclass --rounds 15 --out m.txt",
    )
    .expect(0, &[]);
    huracan(folder.path(), "boost predict --table t.parquet --model m.txt --out p.parquet").expect(0, &[]);
    let predicted = table(&folder.path().join("p.parquet"));
    let classes = ["prediction_0", "prediction_1", "prediction_2"];
    predictions_are_those_of(&load_forest(&folder.path().join("m.txt"), None).unwrap(), &predicted, &classes);
    let p = classes.map(|name| numbers(&predicted, name));
    let class = numbers(&predicted, "class");
    let mut hits = 0;
    for row in 0..ROWS {
        let own = [p[0][row], p[1][row], p[2][row]];
        assert!(own.iter().all(|&p| 0.0 < p && p < 1.0) && (own.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{own:?}");
        let likeliest = (0..3).max_by(|&a, &b| own[a].total_cmp(&own[b])).unwrap();
        hits += usize::from(likeliest as f64 == class[row]);
    }
    assert!(hits > ROWS * 8 / 10, "{hits} of {ROWS} are right");
    assert!(!predicted.get_column_names().iter().any(|name| name.as_str() == "prediction"));
}

#[test]
fn a_group_gets_a_model_of_its_own_rows() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path(), "t.parquet", "wins", 1, ROWS);
    write_data(folder.path(), "v.parquet", "wins", 2, 150);
    let line = "boost train --table t.parquet --target wins --objective binary --rounds 20 --valid v.parquet --early-stopping 5";
    let ran = huracan(folder.path(), &format!("{line} --group group --out models --json"));
    ran.expect(0, &[]);
    let report = ran.json();
    let named: Vec<&str> = report["models"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!(named, ["blue", "green", "red"]);
    huracan(folder.path(), "boost predict --table v.parquet --model models --group group --out p.parquet")
        .expect(0, &[]);
    let predicted = table(&folder.path().join("p.parquet"));
    let (rows, p, groups) = (feature_rows(&predicted), numbers(&predicted, "prediction"), texts(&predicted, "group"));
    for name in ["red", "green", "blue"] {
        let path = folder.path().join(format!("models/{name}.txt"));
        let forest = load_forest(&path, None).unwrap();
        for row in (0..150).filter(|&row| groups[row] == name) {
            assert_eq!(p[row], forest.predict(&rows[row])[0], "row {row} of {name}");
        }
        // The same model comes of a table that holds nothing else.
        for file in ["t.parquet", "v.parquet"] {
            let all = table(&folder.path().join(file));
            let own: Vec<u32> =
                texts(&all, "group").iter().enumerate().filter(|(_, g)| *g == name).map(|(i, _)| i as u32).collect();
            let columns = all.columns().iter().map(|column| column.take_slice(&own).unwrap());
            write_table(&folder.path().join(format!("one-{file}")), columns.collect());
        }
        let alone = line.replace("t.parquet", "one-t.parquet").replace("v.parquet", "one-v.parquet");
        huracan(folder.path(), &format!("{alone} --out alone.txt")).expect(0, &[]);
        let alone = load_forest(&folder.path().join("alone.txt"), None).unwrap();
        assert_eq!(alone.digest(), forest.digest(), "{name}");
    }
}

#[test]
fn a_target_that_cannot_be_learned_is_bad_data() {
    let folder = tempfile::tempdir().unwrap();
    let train = |text: &str, objective: &str| {
        write(folder.path(), "t.csv", text);
        huracan(folder.path(), &format!("boost train --table t.csv --target y --objective {objective} --out m.txt"))
    };
    for objective in ["binary", "regression", "multiclass"] {
        train("x,y\n1,0\n2,1\n3,\n4,1\n", objective).expect(3, &["t.csv", "row 2", "'y'"]);
        train("x,y\n1,0\n2,1\n3,NaN\n4,1\n", objective).expect(3, &["t.csv", "row 2", "'y'"]);
        train("x,z\n1,0\n2,1\n", objective).expect(3, &["t.csv", "column 'y' is missing", "x, z"]);
        train("x,y\n1,up\n2,down\n", objective).expect(3, &["t.csv", "'y'", "numbers"]);
        train("x,y\n", objective).expect(3, &["t.csv"]);
        train("y\n1\n0\n", objective).expect(3, &["no features"]);
        train("word,y\nu,1\nv,0\n", objective).expect(3, &["no features"]);
    }
    train("x,y\n1,0\n2,1\n3,2\n", "binary").expect(3, &["row 2", "0 or 1"]);
    train("x,y\n1,0\n2,1\n3,-1\n", "multiclass").expect(3, &["row 2", "whole number"]);
    train("x,y\n1,0\n2,1\n3,0.5\n", "multiclass").expect(3, &["row 2", "whole number"]);
    train("x,y\n1,0\n2,1\n3,4294967295\n", "multiclass").expect(3, &["classes"]);
    train("x,y\n1,0\n2,0\n3,0\n", "multiclass").expect(3, &["two classes"]);
    assert!(!folder.path().join("m.txt").exists());
    write(folder.path(), "t.csv", "x,y\n1,0\n2,1\n");
    let line = "boost train --table t.csv --target y --objective binary --out m.txt";
    huracan(folder.path(), &format!("{line} --max-bin 999")).expect(2, &["max-bin", "999"]);
    huracan(folder.path(), &format!("{line} --subsample 0")).expect(2, &["subsample"]);
    huracan(folder.path(), &format!("{line} --learning-rate=-1")).expect(2, &["learning-rate"]);
    huracan(folder.path(), &format!("{line} --learning-rate nan")).expect(2, &["learning-rate"]);
    huracan(folder.path(), &format!("{line} --rounds 0")).expect(2, &["rounds"]);
    huracan(folder.path(), &line.replace("t.csv", "nowhere.csv")).expect(3, &["nowhere.csv"]);
    write(folder.path(), "v.csv", "z,y\n1,0\n");
    huracan(folder.path(), &format!("{line} --valid v.csv")).expect(3, &["v.csv", "'x' is missing"]);
    write(folder.path(), "v.csv", "x,y\n1,0\n2,\n");
    huracan(folder.path(), &format!("{line} --valid v.csv")).expect(3, &["v.csv", "row 1"]);
}

#[test]
fn tables_with_little_in_them_still_give_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let both = |text: &str, objective: &str| {
        write(folder.path(), "t.csv", text);
        let line = format!("boost train --table t.csv --target y --objective {objective} --out m.txt");
        huracan(folder.path(), &line).expect(0, &[]);
        huracan(folder.path(), "boost predict --table t.csv --model m.txt --out p.csv").expect(0, &[]);
        table(&folder.path().join("p.csv"))
    };
    let one_class = numbers(&both("x,y\n1,1\n2,1\n3,1\n", "binary"), "prediction");
    assert!(one_class.iter().all(|&p| p > 0.999 && p < 1.0), "{one_class:?}");
    let one_class = numbers(&both("x,y\n1,0\n2,0\n3,0\n", "binary"), "prediction");
    assert!(one_class.iter().all(|&p| p < 0.001 && p > 0.0), "{one_class:?}");
    assert_eq!(numbers(&both("x,y\n5,1.25\n", "regression"), "prediction"), [1.25]);
    let constant = numbers(&both("x,y\n7,1\n7,0\n7,0\n7,0\n", "binary"), "prediction");
    assert!(constant.iter().all(|&p| (p - 0.25).abs() < 1e-12), "{constant:?}");
    let lone = numbers(&both("x,y\n1,3\n2,3\n3,3\n", "regression"), "prediction");
    assert!(lone.iter().all(|&p| (p - 3.0).abs() < 1e-6), "{lone:?}");
    // A class in the middle that no row has.
    let gap = both("x,y\n1,0\n2,0\n3,2\n4,2\n", "multiclass");
    assert!(numbers(&gap, "prediction_1").iter().all(|&p| p > 0.0 && p < 0.01));
    // Infinities are the greatest values, not faults.
    let infinite = numbers(&both("x,y\ninf,1\n-inf,0\n1,1\n0,0\ninf,1\n-inf,0\n", "regression"), "prediction");
    assert!(infinite[0] > 0.9 && infinite[1] < 0.1, "{infinite:?}");
}

#[test]
fn predict_wants_every_feature_of_the_model_and_takes_a_table_without_rows() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path(), "t.parquet", "wins", 1, 100);
    huracan(folder.path(), "boost train --table t.parquet --target wins --objective binary --rounds 3 --out m.txt")
        .expect(0, &[]);
    write_data(folder.path(), "none.parquet", "wins", 1, 0);
    huracan(folder.path(), "boost predict --table none.parquet --model m.txt --out p.parquet").expect(0, &[]);
    let none = table(&folder.path().join("p.parquet"));
    assert_eq!((none.height(), none.column("prediction").is_ok()), (0, true));
    huracan(folder.path(), "boost train --table none.parquet --target wins --objective binary --out n.txt")
        .expect(3, &["none.parquet", "no rows"]);

    let kept = columns(1, 10).into_iter().filter(|column| column.name().as_str() != "whole");
    write_table(&folder.path().join("less.parquet"), kept.collect());
    huracan(folder.path(), "boost predict --table less.parquet --model m.txt --out q.parquet")
        .expect(3, &["less.parquet", "'whole' is missing"]);
    huracan(folder.path(), "boost predict --table t.parquet --model nowhere.txt --out q.parquet")
        .expect(3, &["nowhere.txt"]);
    write(folder.path(), "bad.txt", "tree\nversion=v4\nnonsense\n");
    huracan(folder.path(), "boost predict --table t.parquet --model bad.txt --out q.parquet").expect(3, &["bad.txt"]);
    assert!(!folder.path().join("q.parquet").exists());
}

#[cfg(feature = "emulated")]
#[test]
fn a_device_searches_trains_and_predicts_with_the_bits_of_the_cores() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path(), "t.parquet", "wins", 1, ROWS);
    write_data(folder.path(), "v.parquet", "wins", 2, 150);
    let run = |device: &str| {
        let train = "boost train --table t.parquet --target wins --objective binary --rounds 12 --valid v.parquet \
                     --early-stopping 4 --search 5 --group group";
        let ran = huracan(folder.path(), &format!("{train} --device {device} --out {device} --json"));
        ran.expect(0, &[]);
        let predict = "boost predict --table v.parquet --group group";
        huracan(folder.path(), &format!("{predict} --model {device} --device {device} --out {device}.csv"))
            .expect(0, &[]);
        let told = ran.json();
        let learned = ["blue", "green", "red"].map(|name| {
            std::fs::read(folder.path().join(device).join(format!("{name}.txt"))).expect("a model of each group")
        });
        let said = std::fs::read(folder.path().join(format!("{device}.csv"))).expect("predictions");
        (told["models"].as_array().map(Vec::len), learned, said)
    };
    let cores = run("cpu");
    assert_eq!(cores.0, Some(3));
    assert!(cores == run("emulated"), "other models or predictions");
    huracan(
        folder.path(),
        "boost train --table t.parquet --target wins --objective binary --device abacus --out m.txt",
    )
    .expect(2, &["abacus"]);
}

#[test]
fn every_instruction_set_trains_the_same_model_and_one_that_is_missing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path(), "t.parquet", "wins", 3, ROWS);
    let train = |set: &str| {
        let line = "boost train --table t.parquet --target wins --objective binary --rounds 10 --out m.txt";
        let out = folder.path().join("m.txt");
        drop(std::fs::remove_file(&out));
        let ran = huracan_with(folder.path(), line, &[("HURACAN_INSTRUCTIONS", set)]);
        (ran, std::fs::read(out).ok())
    };
    let (ran, nothing) = train("mmx");
    ran.expect(2, &["HURACAN_INSTRUCTIONS: 'mmx' is not an instruction set of this processor", "plain"]);
    assert_eq!(nothing, None);
    let models: Vec<_> = Instructions::available().into_iter().map(|set| train(set.name()).1.unwrap()).collect();
    assert!(models.len() > 1 || cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64"))));
    assert!(models.iter().all(|model| *model == models[0]));
    // Whoever only switches something off needs no instructions.
    huracan_with(folder.path(), "kill on --why x", &[("HURACAN_INSTRUCTIONS", "mmx")]).expect(0, &[]);
}

#[test]
fn one_file_has_the_models_of_all_groups_whatever_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let rows = |seed: u64| -> Vec<Column> {
        let kept = |column: &Column| !["value", "class"].contains(&column.name().as_str());
        columns(seed, ROWS).into_iter().filter(kept).collect()
    };
    write_table(&folder.path().join("t.parquet"), rows(5));
    let train = "boost train --table t.parquet --target wins --group group --objective binary --rounds 12 --out";
    huracan(folder.path(), &format!("{train} models")).expect(0, &[]);
    let ran = huracan(folder.path(), &format!("{train} models.jsonl --json"));
    ran.expect(0, &[]);
    assert_eq!(ran.json()["models"][2]["out"], "models.jsonl");
    let predict = |models: &str, out: &str| {
        let line = format!("boost predict --table t.parquet --group group --model {models} --out {out}");
        let ran = huracan(folder.path(), &line);
        (ran, std::fs::read(folder.path().join(out)).ok())
    };
    let (from_folder, from_file) = (predict("models", "a.parquet").1, predict("models.jsonl", "b.parquet").1);
    assert!(from_folder.is_some() && from_folder == from_file);

    // A value that cannot name a file needs the one file; what that lacks or cannot be read is said with its line.
    let words: Vec<String> = (0..ROWS).map(|i| ["../up", "a/b"][i % 2].to_owned()).collect();
    let mut odd: Vec<Column> = rows(6).into_iter().filter(|column| column.name().as_str() != "group").collect();
    odd.push(Column::new("group".into(), words));
    write_table(&folder.path().join("t.parquet"), odd);
    huracan(folder.path(), &format!("{train} models"))
        .expect(3, &["cannot name a file; one .jsonl can have the models of all groups"]);
    predict("models.jsonl", "c.parquet").0.expect(3, &["models.jsonl: there is no model of the group '../up'"]);
    huracan(folder.path(), &format!("{train} odd.jsonl")).expect(0, &[]);
    assert!(predict("odd.jsonl", "c.parquet").1.is_some());
    let lines = std::fs::read_to_string(folder.path().join("odd.jsonl")).unwrap();
    write(folder.path(), "cut.jsonl", &lines[..lines.len() / 2]);
    predict("cut.jsonl", "d.parquet").0.expect(3, &["cut.jsonl: line "]);
    write(folder.path(), "twice.jsonl", &lines.repeat(2));
    predict("twice.jsonl", "d.parquet").0.expect(3, &["there are two models of the group"]);
}
