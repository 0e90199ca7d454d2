//! Boosting on real candles, for comparison with other programs:
//!
//! boost prepare CANDLES PROBLEM DATA    writes a problem to the folder DATA (its files: benches/peers/problem.rs)
//! boost train DATA [MODELS]             trains its models (or the first MODELS of them) and prints one JSON object
//! boost instructions                    prints the instruction sets that this processor has, the fastest first
//! boost losses DATA                     trains all models and prints their validation losses, as one JSON array
//! boost predict DATA [MODELS]           trains the models, then each predicts the table's first 20,000 rows; prints the
//!                                       seconds of the prediction only
//!
//! Problems: `many` (one model per symbol, 2,880 rows, depth 6, 100 rounds), `tiny` (20,000 models of 110 rows, depth 4,
//! 50 rounds), `large` (one model on all rows, depth 6, 100 rounds), `short` (30 models of 463 rows with 380 features, those of six
//! bars and part of a seventh, depth 6, 100 rounds), and what a run trains by default, 200 trees of depth 3 with 0.7 of the rows
//! each, watched on the newest 15 days: `coin` (a model per symbol, 105 days) and `pooled` (one for all symbols); to compare losses also `hourly` and `minutes` (up to
//! four models per symbol, each validated on the rows after its training rows). The label is whether a long trade won.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use huracan::bars::Panel;
use huracan::boost::{self, BoostJob, Forest, Objective, PredictJob};
use huracan::features::{self, COUNT};
use huracan::market::read_folder;
use huracan::settings::{self, Settings};
use huracan::shadow::{Rules, Side};
use huracan::{Instructions, arith, labels};
use problem::{Data, Model, Problem};

#[path = "peers/problem.rs"]
mod problem;

/// Rows that each model predicts; the same number as in `boost_peers.py`.
const PREDICTED: usize = 20_000;

/// Features of a row in `short`.
const SHORT_FEATURES: usize = 380;

/// Share of rows per tree that runs have by default.
const SUBSAMPLE: f64 = 0.7;

/// Rows between the last training row and the first validation row of a model: longer than any label.
const GAP: usize = 96;

fn main() -> Result<(), Box<dyn Error>> {
    settings::instructions_from_environment()?;
    // Cargo adds its own options to the arguments of a benchmark.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["prepare", candles, problem, data] => prepare(Path::new(candles), problem, Path::new(data)),
        ["train", data] => train(Path::new(data), usize::MAX),
        ["train", data, models] => train(Path::new(data), models.parse()?),
        ["predict", data] => predict(Path::new(data), usize::MAX),
        ["predict", data, models] => predict(Path::new(data), models.parse()?),
        ["instructions"] => {
            Instructions::available().iter().for_each(|set| println!("{}", set.name()));
            Ok(())
        }
        ["losses", data] => losses(Path::new(data)),
        _ => Err("usage: boost prepare CANDLES many|tiny|large|short|coin|pooled|hourly|minutes DATA, boost train DATA [MODELS], \
                  boost predict DATA [MODELS], boost instructions, or boost losses DATA"
            .into()),
    }
}

fn prepare(candles: &Path, name: &str, data: &Path) -> Result<(), Box<dyn Error>> {
    let (timeframe, files) = read_folder(candles, None)?;
    let files: Result<Vec<_>, _> = files.into_iter().map(|(symbol, read)| read.map(|c| (symbol, c))).collect();
    let panel = Panel::new(files?, timeframe, 24, false)?;
    let settings = Settings::defaults();
    let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, timeframe);
    let features = features::compute(&panel);
    let outcomes = labels::compute(&panel, &features::atr_14(&panel), &rules);

    // All rows with a label that are past the features' warm-up, symbol by symbol.
    let width = if name == "short" { SHORT_FEATURES } else { COUNT };
    let (mut values, mut wins, mut symbols) = (Vec::new(), Vec::new(), Vec::new());
    for (symbol, name) in panel.symbols.iter().enumerate() {
        let first = wins.len();
        for bar in panel.ranges[symbol].clone().skip(70) {
            if let Some(label) = outcomes.get(symbol, bar, Side::Long) {
                let bars = (0..width.div_ceil(COUNT)).flat_map(|back| features.row(symbol, bar - back));
                values.extend(bars.take(width));
                wins.push(if label.return_bps > 0.0 { 1.0_f32 } else { 0.0 });
            }
        }
        symbols.push((name.clone(), first..wins.len()));
    }
    let (depth, rounds, models) = match name {
        "many" => (6, 100, symbols.iter().filter(|(_, rows)| rows.len() >= 3600).map(newest).collect()),
        "tiny" => (4, 50, tiny(&symbols)),
        "large" => (6, 100, vec![model("all", 0..wins.len() / 10 * 9, wins.len() / 10 * 9..wins.len())]),
        "short" => {
            let long = symbols.iter().filter(|(_, rows)| rows.len() >= 463);
            (6, 100, long.take(30).map(|symbol| last(symbol, 463, 0)).collect())
        }
        "coin" => {
            (3, 200, symbols.iter().filter(|(_, rows)| rows.len() >= 3000).map(|own| last(own, 2520, 360)).collect())
        }
        "pooled" => {
            // The newest rows of all symbols side by side: those to train on, then those to validate on.
            let own: Vec<Model> =
                symbols.iter().filter(|(_, rows)| rows.len() >= 3000).map(|own| last(own, 2520, 360)).collect();
            let parts = own.iter().map(|own| own.train.clone()).chain(own.iter().map(|own| own.valid.clone()));
            let rows: Vec<usize> = parts.flatten().collect();
            values = rows.iter().flat_map(|row| &values[row * width..(row + 1) * width]).copied().collect();
            wins = rows.iter().map(|&row| wins[row]).collect();
            let train = own.iter().map(|own| own.train.len()).sum();
            (3, 200, vec![model("all", 0..train, train..rows.len())])
        }
        "hourly" => (6, 100, symbols.iter().flat_map(|symbol| folds(symbol, 2880, 700)).collect()),
        "minutes" => (6, 100, symbols.iter().flat_map(|symbol| folds(symbol, 20_000, 5000)).collect()),
        other => {
            return Err(format!(
                "unknown problem {other}: choose many, tiny, large, short, coin, pooled, hourly or minutes"
            )
            .into());
        }
    };
    // As a run by default: the penalties are shares of the Hessians of the rows of a tree, a quarter each at first.
    let is_default = ["coin", "pooled"].contains(&name);
    let models: Vec<Model> = models;
    let weight = models.first().map_or(0.0, |first: &Model| 0.25 * SUBSAMPLE * first.train.len() as f64);
    let problem = Problem {
        name: name.to_owned(),
        objective: Objective::Binary,
        features: width,
        rounds,
        learning_rate: if is_default { 0.02 } else { 0.05 },
        depth,
        max_bin: 255,
        l2: if is_default { 0.1 * weight } else { 1.0 },
        min_child_hessian: if is_default { 0.02 * weight } else { 1.0 },
        subsample: if is_default { SUBSAMPLE } else { 1.0 },
        watched: is_default,
        models,
    };
    Data { problem, values, labels: wins }.write(data)
}

/// The newest rows: so many to train on, and after a gap so many to validate on.
fn last((symbol, rows): &(String, Range<usize>), train: usize, valid: usize) -> Model {
    let gap = if valid == 0 { 0 } else { GAP };
    let end = rows.end - valid - gap;
    model(symbol, end - train..end, rows.end - valid..rows.end)
}

fn model(table: &str, train: Range<usize>, valid: Range<usize>) -> Model {
    Model { table: table.to_owned(), train, valid }
}

/// Trains on 2,880 rows and validates on the newest 696, with a gap of a day (24 rows) between them.
fn newest((symbol, rows): &(String, Range<usize>)) -> Model {
    model(symbol, rows.end - 3600..rows.end - 720, rows.end - 696..rows.end)
}

/// 20,000 random windows of 110 rows, from each symbol in turn.
fn tiny(symbols: &[(String, Range<usize>)]) -> Vec<Model> {
    let long: Vec<&(String, Range<usize>)> = symbols.iter().filter(|(_, rows)| rows.len() > 110).collect();
    let windows = (0..20_000).map(|number| {
        let (symbol, rows) = long[number % long.len()];
        let from = rows.start + arith::draw(7, 0, number as u64) as usize % (rows.len() - 110);
        model(symbol, from..from + 110, 0..0)
    });
    windows.collect()
}

/// Up to four models, from the newest rows backwards. Their validation rows do not overlap.
fn folds((symbol, rows): &(String, Range<usize>), train: usize, valid: usize) -> Vec<Model> {
    let ends = (0..4).map(|fold| rows.len().saturating_sub(fold * valid));
    ends.filter(|&end| end >= train + GAP + valid)
        .map(|end| {
            let checked = rows.start + end - valid;
            model(symbol, checked - GAP - train..checked - GAP, checked..rows.start + end)
        })
        .collect()
}

fn train(folder: &Path, most: usize) -> Result<(), Box<dyn Error>> {
    let data = Data::read(folder)?;
    let names = data.feature_names();
    let models = &data.problem.models[..most.min(data.problem.models.len())];
    let start = Instant::now();
    let jobs: Vec<BoostJob> = models.iter().map(|model| data.job(model)).collect();
    let forests = boost::train(data.table(), &names, &jobs, &|_| ());
    let seconds = start.elapsed().as_secs_f64();
    let mut losses = Vec::new();
    for (forest, model) in forests.into_iter().zip(models) {
        let forest = forest?;
        if !model.valid.is_empty() {
            losses.push(data.loss(model, &forest));
        }
    }
    let loss = if losses.is_empty() { None } else { Some(losses.iter().sum::<f64>() / losses.len() as f64) };
    tell(&data.problem.name, jobs.len(), seconds, loss);
    Ok(())
}

fn predict(folder: &Path, most: usize) -> Result<(), Box<dyn Error>> {
    let data = Data::read(folder)?;
    let models = &data.problem.models[..most.min(data.problem.models.len())];
    let jobs: Vec<BoostJob> = models.iter().map(|model| data.job(model)).collect();
    let forests = boost::train(data.table(), &data.feature_names(), &jobs, &|_| ());
    let forests: Vec<Forest> = forests.into_iter().collect::<Result<_, _>>()?;
    let rows: Vec<u32> = (0..PREDICTED.min(data.table().rows()) as u32).collect();
    let start = Instant::now();
    let jobs: Vec<PredictJob> = forests.iter().map(|forest| PredictJob { forest, rows: &rows }).collect();
    black_box(boost::predict(data.table(), &jobs));
    tell("predict", jobs.len(), start.elapsed().as_secs_f64(), None);
    Ok(())
}

fn tell(problem: &str, models: usize, seconds: f64, loss: Option<f64>) {
    let result = serde_json::json!({
        "program": format!("huracan, {}", Instructions::used().name()),
        "problem": problem,
        "models": models,
        "threads": rayon::current_num_threads(),
        "seconds": seconds,
        "models_per_s": models as f64 / seconds,
        "peak_mb": peak_mb(),
        "loss": loss,
    });
    println!("{result}");
}

fn losses(folder: &Path) -> Result<(), Box<dyn Error>> {
    let data = Data::read(folder)?;
    println!("{}", serde_json::to_string(&data.losses()?)?);
    Ok(())
}

/// Peak memory of this process in MB; none if the system does not report it.
fn peak_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)
}
