//! Boosting on real candles, for a race with other programs:
//!
//! boost prepare CANDLES PROBLEM DATA    writes the rows, labels and jobs of a problem to the folder DATA
//! boost train DATA [JOBS]               trains them (the first JOBS of them) and prints one JSON object
//!
//! Problems: `many` (a model a symbol, 2,880 rows, depth 6, 100 rounds), `tiny` (20,000 models of 110 rows, depth 4,
//! 50 rounds), `large` (one model on all rows, depth 6, 100 rounds). The label is whether a long trade won.

use std::error::Error;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use huracan::boost::{self, BoostJob, BoostParams, Objective, Table};
use huracan::features::{self, COUNT};
use huracan::market::{Panel, read_folder};
use huracan::settings::Settings;
use huracan::shadow::{Rules, Side};
use huracan::{arith, labels};
use serde::{Deserialize, Serialize};

/// What a race is about; ranges are rows of the table.
#[derive(Serialize, Deserialize)]
struct Problem {
    name: String,
    features: usize,
    depth: u32,
    rounds: u32,
    /// Training and validation rows of each job; the latter may be none.
    jobs: Vec<(Range<usize>, Range<usize>)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds options of its own to the arguments of a benchmark.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["prepare", candles, problem, data] => prepare(Path::new(candles), problem, Path::new(data)),
        ["train", data] => train(Path::new(data), usize::MAX),
        ["train", data, jobs] => train(Path::new(data), jobs.parse()?),
        _ => Err("usage: boost prepare CANDLES many|tiny|large DATA, or boost train DATA [JOBS]".into()),
    }
}

fn prepare(candles: &Path, name: &str, data: &Path) -> Result<(), Box<dyn Error>> {
    let (timeframe, files) = read_folder(candles, None)?;
    let files: Result<Vec<_>, _> = files.into_iter().map(|(symbol, read)| read.map(|c| (symbol, c))).collect();
    let panel = Panel::new(files?, timeframe, 24, false)?;
    let settings = Settings::defaults();
    let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, timeframe);
    let values = features::compute(&panel);
    let outcomes = labels::compute(&panel, &features::atr_14(&panel), &rules);

    // All rows that have a label and whose features have begun, symbol by symbol.
    let (mut rows, mut wins, mut symbols) = (Vec::new(), Vec::new(), Vec::new());
    for symbol in 0..panel.symbols.len() {
        let first = wins.len();
        for bar in panel.ranges[symbol].clone().skip(70) {
            if let Some(label) = outcomes.get(symbol, bar, Side::Long) {
                rows.extend(values.row(symbol, bar).iter().flat_map(|v| v.to_le_bytes()));
                wins.push(if label.return_bps > 0.0 { 1.0_f32 } else { 0.0 });
            }
        }
        symbols.push(first..wins.len());
    }
    let (depth, rounds, jobs) = match name {
        "many" => (6, 100, symbols.iter().filter(|rows| rows.len() >= 3600).map(newest).collect()),
        "tiny" => (4, 50, tiny(&symbols)),
        "large" => (6, 100, vec![(0..wins.len() / 10 * 9, wins.len() / 10 * 9..wins.len())]),
        other => return Err(format!("{other}: many, tiny or large").into()),
    };
    let problem = Problem { name: name.to_owned(), features: COUNT, depth, rounds, jobs };
    fs::create_dir_all(data)?;
    fs::write(data.join("values.f32"), rows)?;
    fs::write(data.join("labels.f32"), wins.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    fs::write(data.join("problem.json"), serde_json::to_vec(&problem)?)?;
    Ok(())
}

/// The newest 720 rows to validate on, and the 2,880 before them, a day apart.
fn newest(rows: &Range<usize>) -> (Range<usize>, Range<usize>) {
    (rows.end - 3600..rows.end - 720, rows.end - 696..rows.end)
}

/// 20,000 windows of 110 rows, each drawn from the symbols' rows.
fn tiny(symbols: &[Range<usize>]) -> Vec<(Range<usize>, Range<usize>)> {
    let long: Vec<&Range<usize>> = symbols.iter().filter(|rows| rows.len() > 110).collect();
    let windows = (0..20_000).map(|job| {
        let rows = long[job % long.len()];
        let from = rows.start + arith::draw(7, 0, job as u64) as usize % (rows.len() - 110);
        (from..from + 110, 0..0)
    });
    windows.collect()
}

fn train(data: &Path, most: usize) -> Result<(), Box<dyn Error>> {
    let problem: Problem = serde_json::from_slice(&fs::read(data.join("problem.json"))?)?;
    let values = read_floats(&data.join("values.f32"))?;
    let wins = read_floats(&data.join("labels.f32"))?;
    let names: Vec<String> = features::names();
    let start = Instant::now();
    let table = Table { values: &values, features: problem.features };
    let jobs: Vec<BoostJob> = problem.jobs.iter().take(most).map(|rows| job(&problem, rows, &wins)).collect();
    let forests = boost::train(table, &names, &jobs, &|_| ());
    let seconds = start.elapsed().as_secs_f64();
    let mut losses = Vec::new();
    for (forest, (_, valid)) in forests.into_iter().zip(&problem.jobs) {
        let forest = forest?;
        let loss = |row: usize| {
            let p = forest.predict(table.row(row))[0];
            -(if wins[row] == 1.0 { p } else { 1.0 - p }).max(1e-15).ln()
        };
        if !valid.is_empty() {
            losses.push(valid.clone().map(loss).sum::<f64>() / valid.len() as f64);
        }
    }
    let result = serde_json::json!({
        "program": "huracan",
        "problem": problem.name,
        "models": jobs.len(),
        "threads": rayon::current_num_threads(),
        "seconds": seconds,
        "models_per_s": jobs.len() as f64 / seconds,
        "peak_mb": peak_mb(),
        "loss": if losses.is_empty() { None } else { Some(losses.iter().sum::<f64>() / losses.len() as f64) },
    });
    println!("{result}");
    Ok(())
}

fn job(problem: &Problem, (train, valid): &(Range<usize>, Range<usize>), wins: &[f32]) -> BoostJob {
    let rows = |range: &Range<usize>| range.clone().map(|row| row as u32).collect();
    BoostJob {
        name: format!("rows {}..{}", train.start, train.end),
        train: rows(train),
        train_labels: wins[train.clone()].to_vec(),
        // Rounds are not stopped early, so that both sides do the same work.
        valid: Vec::new(),
        valid_labels: wins[valid.start..valid.start].to_vec(),
        params: BoostParams {
            objective: Objective::Binary,
            rounds: problem.rounds,
            learning_rate: 0.05,
            max_depth: problem.depth,
            max_bin: 255,
            l2: 1.0,
            min_child_hessian: 1.0,
            min_split_gain: 0.0,
            subsample: 1.0,
            colsample: 1.0,
            early_stopping: 0,
            seed: 7,
            ..BoostParams::default()
        },
        ..BoostJob::default()
    }
}

fn read_floats(path: &Path) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect())
}

/// Most memory that this process has had so far, in MB; none where the system does not tell.
fn peak_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)
}
