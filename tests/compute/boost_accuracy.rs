//! Boosting here is as accurate as LightGBM at equal settings, on scikit-learn's bundled tables and the real hourly candles.

#[path = "../../benches/peers/problem.rs"]
#[allow(dead_code, reason = "the benchmark writes problems too")]
mod problem;

use std::path::Path;

use crate::{candles, python};
use huracan::bars::Panel;
use huracan::boost::{BoostJob, BoostParams, Objective, Table, train};
use huracan::features;
use huracan::labels;
use huracan::polars::prelude::{Column, DataFrame, ParquetWriter};
use huracan::settings::Settings;
use huracan::shadow::{Rules, Side};
use serde_json::Value;

/// Most that our mean validation loss may exceed LightGBM's, as a share.
const ALLOWED: f64 = 0.003;
/// Most that it may on a single table, beyond what chance explains.
const ALLOWED_ALONE: f64 = 0.01;
/// Bars between the training and the validation part: longer than any label.
const GAP: usize = 96;

/// Bars of the training and of the validation part: as many as the longest history has, up to 3,600 and 1,400.
fn sizes(panel: &Panel) -> (usize, usize) {
    let longest = panel.ranges.iter().map(|range| range.len()).max().unwrap_or(0);
    if longest >= 3600 + GAP + 1400 { (3600, 1400) } else { (2800, 1300) }
}

/// Training and validation rows of one symbol in the batch's table.
struct Part {
    symbol: String,
    rows: Vec<u32>,
    labels: Vec<f32>,
}

/// All labelled rows of all symbols, `[rows × features]`, and which of them each symbol learns from and is checked on.
fn table(panel: &Panel) -> (Vec<f32>, Vec<[Part; 2]>) {
    let settings = Settings::defaults();
    let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, panel.timeframe);
    let labels = labels::compute(panel, &features::atr_14(panel), &rules);
    let features = features::compute(panel);
    let (train, valid) = sizes(panel);
    let mut values = Vec::new();
    let mut parts = Vec::new();
    for (symbol, range) in panel.ranges.iter().enumerate() {
        if range.len() < train + GAP + valid {
            continue;
        }
        let first = range.end - (train + GAP + valid);
        let mut part = |bars: std::ops::Range<usize>| {
            let mut part = Part { symbol: panel.symbols[symbol].clone(), rows: vec![], labels: vec![] };
            for bar in bars {
                if let Some(label) = labels.get(symbol, bar, Side::Long) {
                    part.rows.push((values.len() / features::COUNT) as u32);
                    part.labels.push(f32::from(u8::from(label.return_bps > 0.0)));
                    values.extend_from_slice(features.row(symbol, bar));
                }
            }
            part
        };
        parts.push([part(first..first + train), part(first + train + GAP..range.end)]);
    }
    (values, parts)
}

fn write(path: &Path, values: &[f32], parts: &[&Part]) {
    let cells = |feature: usize| {
        let rows = parts.iter().flat_map(|part| &part.rows);
        rows.map(|&row| values[row as usize * features::COUNT + feature]).collect::<Vec<f32>>()
    };
    let symbols: Vec<&str> = parts.iter().flat_map(|part| part.rows.iter().map(|_| part.symbol.as_str())).collect();
    let targets: Vec<f32> = parts.iter().flat_map(|part| part.labels.iter().copied()).collect();
    let height = targets.len();
    let mut columns = vec![Column::new("symbol".into(), symbols), Column::new("target".into(), targets)];
    columns.extend(features::names().into_iter().enumerate().map(|(i, name)| Column::new(name.into(), cells(i))));
    let mut frame = DataFrame::new(height, columns).unwrap();
    ParquetWriter::new(std::fs::File::create(path).unwrap()).finish(&mut frame).unwrap();
}

#[test]
fn log_loss_on_candles_is_within_a_third_of_a_percent_of_lightgbms() {
    // At the best round; and where nothing stops, since on noisy labels the best round comes after a few trees.
    compare("200", "25");
    compare("60", "0");
}

fn compare(rounds: &str, early_stopping: &str) {
    let panel = candles::real_panel("1h");
    let Some(python) = python::python_with("lightgbm, pyarrow, pandas") else { return };
    let (values, parts) = table(&panel);
    assert!(parts.len() >= 10, "only {} symbols have enough bars", parts.len());
    let params = BoostParams {
        objective: Objective::Binary,
        rounds: rounds.parse().unwrap(),
        learning_rate: 0.05,
        max_depth: 6,
        max_bin: 255,
        l2: 1.0,
        min_child_hessian: 5.0,
        min_split_gain: 0.0,
        // Each side would draw other rows and features.
        subsample: 1.0,
        colsample: 1.0,
        early_stopping: early_stopping.parse().unwrap(),
        seed: 7,
        ..BoostParams::default()
    };
    let jobs: Vec<BoostJob> = parts
        .iter()
        .map(|[learn, check]| BoostJob {
            name: learn.symbol.clone(),
            train: learn.rows.clone(),
            train_labels: learn.labels.clone(),
            valid: check.rows.clone(),
            valid_labels: check.labels.clone(),
            params: params.clone(),
            ..BoostJob::default()
        })
        .collect();
    let batch = Table { values: &values, features: features::COUNT };
    let forests = train(batch, &features::names(), &jobs, &|_| {});
    let chosen = |losses: Vec<f64>| match early_stopping {
        "0" => losses.last().copied().unwrap(),
        _ => losses.into_iter().fold(f64::INFINITY, f64::min),
    };
    let ours: Vec<f64> = forests.into_iter().map(|forest| chosen(forest.unwrap().validation_loss)).collect();

    let folder = tempfile::tempdir().unwrap();
    let paths = ["train", "valid"].map(|name| folder.path().join(format!("{name}.parquet")));
    for (which, path) in paths.iter().enumerate() {
        write(path, &values, &parts.iter().map(|pair| &pair[which]).collect::<Vec<_>>());
    }
    let script = "../../benches/peers/lightgbm_logloss.py";
    let [learn, check] = paths.each_ref().map(|path| path.to_str().unwrap());
    let arguments = [
        ["--train", learn],
        ["--valid", check],
        ["--target", "target"],
        ["--group", "symbol"],
        ["--rounds", rounds],
        ["--early-stopping", early_stopping],
    ];
    let arguments: Vec<&Path> = arguments.iter().flatten().map(Path::new).collect();
    let theirs: Value = serde_json::from_str(&python::run(&python, script, &arguments)).unwrap();
    let theirs: Vec<f64> =
        parts.iter().map(|[learn, _]| theirs["models"][&learn.symbol]["loss"].as_f64().unwrap()).collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (our_mean, their_mean) = (mean(&ours), mean(&theirs));
    println!(
        "mean log loss of {} symbols, at most {rounds} rounds: {our_mean:.6} here, {their_mean:.6} LightGBM",
        ours.len()
    );
    assert!((0.3..1.0).contains(&their_mean), "LightGBM's loss of {their_mean} is none of a model that learns");
    assert!(our_mean <= their_mean * (1.0 + ALLOWED), "mean log loss {our_mean:.6}, LightGBM's {their_mean:.6}");
    // Trees that nothing stops learn noise, and one symbol's loss then says nothing.
    if early_stopping != "0" {
        for (([learn, _], a), b) in parts.iter().zip(&ours).zip(&theirs) {
            assert!(*a <= b * 1.05, "{}: log loss {a:.6}, LightGBM's {b:.6}", learn.symbol);
        }
    }
}

#[test]
fn losses_on_bundled_tables_are_within_a_third_of_a_percent_of_lightgbms() {
    let Some(python) = python::python_with("lightgbm, sklearn") else { return };
    let folder = tempfile::tempdir().unwrap();
    let prepare = ["tables", folder.path().to_str().unwrap(), "--share", "0.3"];
    python::run(&python, "../../benches/peers/accuracy.py", &prepare.map(Path::new));
    let mut distances = Vec::new();
    for table in ["breast_cancer", "wine", "digits", "diabetes"] {
        let folder = folder.path().join(table);
        let ours = problem::Data::read(&folder).unwrap().losses().unwrap();
        let arguments = [folder.to_str().unwrap(), "lightgbm", "--processes", "2"];
        let said = python::run(&python, "../../benches/peers/boost_peers.py", &arguments.map(Path::new));
        let said: Value = serde_json::from_str(&said).unwrap();
        let theirs: Vec<f64> = said["losses"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).collect();
        assert_eq!(ours.len(), theirs.len());
        let (distance, spread) = distance_and_spread(&ours, &theirs);
        println!("{table}: {:+.2} % of LightGBM's loss, spread {:.2} %", 100.0 * distance, 100.0 * spread);
        assert!(distance <= ALLOWED_ALONE + spread, "{table}: {distance} above LightGBM's loss, spread {spread}");
        distances.push(distance);
    }
    let mean = distances.iter().sum::<f64>() / distances.len() as f64;
    assert!(mean <= ALLOWED, "mean distance from LightGBM's loss {mean}: {distances:?}");
}

/// How far the mean of our losses is above theirs, as a share of theirs, and two standard errors of that.
fn distance_and_spread(ours: &[f64], theirs: &[f64]) -> (f64, f64) {
    let count = ours.len() as f64;
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / count;
    let differences: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a - b).collect();
    let centre = mean(&differences);
    let squares: Vec<f64> = differences.iter().map(|d| (d - centre).powi(2)).collect();
    (centre / mean(theirs), 2.0 * (mean(&squares) / count).sqrt() / mean(theirs))
}
