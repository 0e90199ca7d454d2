//! The sweep on real candles, for comparison with another program:
//!
//! sweep prepare CANDLES DATA SETTINGS [SYMBOLS]   writes the inputs to the folder DATA
//! sweep run DATA [ROUNDS]                         sweeps them, after one round that is not counted, and prints one JSON object
//! sweep real CANDLES SHARE [ROUNDS]               the same on unchanged candles, with distances in ATR, limits of the holding
//!                                                 time, a score at SHARE of the bars, and the command's default grid
//!
//! `prepare` changes what the other program cannot do: each open is the close before it, so that "at the next open" means
//! "at this close"; stops and takes are shares of the entry price; no trade is closed by time.
//! `candles.f64` holds open, high, low and close, `scores.f32` the scores, each `[symbols × bars]`, little-endian.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use huracan::arith::{draw, uniform};
use huracan::bars::{Candles, MarketTerms, Panel, Timeframe};
use huracan::features;
use huracan::health::peak_rss_bytes;
use huracan::market::read_folder;
use huracan::settings::Settings;
use huracan::shadow::Rules;
use huracan::shadow::sweep::{self, Grid, Surface, Task};
use serde_json::{Value, json};

/// The unit of stops and takes as a share of the price: a stop of 2 is 2 % from the entry.
const UNIT: f64 = 0.01;
/// Share of the bars with a score.
const SHARE: f64 = 0.125;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds its own options to the arguments of a benchmark.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["prepare", candles, data, settings] => prepare(Path::new(candles), Path::new(data), settings.parse()?, 32),
        ["prepare", candles, data, settings, symbols] => {
            prepare(Path::new(candles), Path::new(data), settings.parse()?, symbols.parse()?)
        }
        ["run", data] => run(Path::new(data), 3),
        ["run", data, rounds] => run(Path::new(data), rounds.parse()?),
        ["real", candles, share] => real(Path::new(candles), share.parse()?, 3),
        ["real", candles, share, rounds] => real(Path::new(candles), share.parse()?, rounds.parse()?),
        _ => {
            Err("usage: sweep prepare CANDLES DATA SETTINGS [SYMBOLS], sweep run DATA [ROUNDS], or sweep real CANDLES \
                  SHARE [ROUNDS]"
                .into())
        }
    }
}

/// Symbols and their candles.
type Named = Vec<(String, Candles)>;

/// The candles of the symbols with the longest history, cut to the bars that all of them have.
fn longest(folder: &Path, symbols: usize) -> Result<(Timeframe, Named), Box<dyn Error>> {
    let (timeframe, files) = read_folder(folder, None)?;
    let files: Result<Vec<_>, _> = files.into_iter().map(|(symbol, read)| read.map(|c| (symbol, c))).collect();
    let panel = Panel::new(files?, timeframe, 24, false)?;
    let mut order: Vec<usize> = (0..panel.symbols.len()).collect();
    order.sort_by_key(|&symbol| (std::cmp::Reverse(panel.ranges[symbol].len()), symbol));
    order.truncate(symbols);
    let first = order.iter().map(|&symbol| panel.ranges[symbol].start).max().ok_or("no candles")?;
    let last = order.iter().map(|&symbol| panel.ranges[symbol].end).min().ok_or("no candles")?;
    let cut = order.into_iter().map(|symbol| {
        let mut candles = Candles::default();
        for bar in first..last {
            let at = symbol * panel.bars + bar;
            let prices = [panel.open[at], panel.high[at], panel.low[at], panel.close[at]];
            candles.push(panel.time_ms(bar), prices, panel.volume[at]);
        }
        (panel.symbols[symbol].clone(), candles)
    });
    Ok((timeframe, cut.collect()))
}

fn scores(cells: usize, share: f64) -> Vec<f32> {
    let one = |cell: u64| {
        let has_score = uniform(draw(7, 1, cell)) < share;
        if has_score { (2.0 * uniform(draw(7, 2, cell)) - 1.0) as f32 } else { f32::NAN }
    };
    (0..cells as u64).map(one).collect()
}

/// A grid of `settings` combinations, with about equal numbers of thresholds, stops and takes.
fn grid(settings: usize) -> Grid {
    let side = (1..=settings).filter(|n| settings.is_multiple_of(n * n) && settings / (n * n) <= *n).min();
    let side = side.unwrap_or(1);
    let spread = |from: f64, to: f64, count: usize| -> Vec<f64> {
        (0..count).map(|n| from + (to - from) * n as f64 / (count.max(2) - 1) as f64).collect()
    };
    Grid {
        thresholds: spread(0.0, 0.6, settings / (side * side)).into_iter().map(|value| value as f32).collect(),
        stop_atr: spread(0.5, 5.0, side),
        take_atr: spread(0.5, 8.0, side),
        max_hold: vec![usize::MAX],
    }
}

fn prepare(candles: &Path, data: &Path, settings: usize, symbols: usize) -> Result<(), Box<dyn Error>> {
    let (timeframe, mut candles) = longest(candles, symbols)?;
    for (_, candles) in &mut candles {
        for bar in 1..candles.len() {
            let before = candles.close[bar - 1];
            candles.open[bar] = before;
            candles.high[bar] = candles.high[bar].max(before);
            candles.low[bar] = candles.low[bar].min(before);
        }
    }
    let bars = candles.first().map_or(0, |(_, candles)| candles.len());
    let columns: [fn(&Candles) -> &Vec<f64>; 5] = [|c| &c.open, |c| &c.high, |c| &c.low, |c| &c.close, |c| &c.volume];
    let mut bytes = Vec::new();
    for column in columns {
        for (_, candles) in &candles {
            bytes.extend(column(candles).iter().flat_map(|value| value.to_le_bytes()));
        }
    }
    let mut scores = scores(candles.len() * bars, SHARE);
    // No trade can be entered after the last bar.
    scores.iter_mut().skip(bars - 1).step_by(bars).for_each(|score| *score = f32::NAN);
    let grid = grid(settings);
    let about = json!({
        "symbols": candles.iter().map(|(symbol, _)| symbol).collect::<Vec<_>>(),
        "bars": bars,
        "timeframe": timeframe.to_string(),
        "start_ms": candles.first().map(|(_, candles)| candles.timestamp[0]),
        "unit": UNIT,
        "thresholds": grid.thresholds,
        "stops": grid.stop_atr,
        "takes": grid.take_atr,
    });
    fs::create_dir_all(data)?;
    fs::write(data.join("candles.f64"), bytes)?;
    fs::write(data.join("scores.f32"), scores.iter().flat_map(|score| score.to_le_bytes()).collect::<Vec<u8>>())?;
    fs::write(data.join("race.json"), about.to_string())?;
    Ok(())
}

fn run(data: &Path, rounds: usize) -> Result<(), Box<dyn Error>> {
    let about: Value = serde_json::from_slice(&fs::read(data.join("race.json"))?)?;
    let names: Vec<String> = serde_json::from_value(about["symbols"].clone())?;
    let bars: usize = serde_json::from_value(about["bars"].clone())?;
    let numbers: Vec<f64> = fs::read(data.join("candles.f64"))?
        .chunks_exact(8)
        .map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap_or_default()))
        .collect();
    let scores: Vec<f32> = fs::read(data.join("scores.f32"))?
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap_or_default()))
        .collect();
    let columns: Vec<&[f64]> = numbers.chunks_exact(names.len() * bars).collect();
    let timeframe: Timeframe = about["timeframe"].as_str().unwrap_or_default().parse()?;
    let start_ms: i64 = serde_json::from_value(about["start_ms"].clone())?;
    let panel = Panel {
        timeframe,
        start_ms,
        bars,
        open: columns[0].to_vec(),
        high: columns[1].to_vec(),
        low: columns[2].to_vec(),
        close: columns[3].to_vec(),
        volume: columns[4].to_vec(),
        ranges: vec![0..bars; names.len()],
        filled: vec![0; names.len()],
        terms: vec![MarketTerms::default(); names.len()],
        funding_bps: vec![Vec::new(); names.len()],
        symbols: names,
        simulated: false,
    };
    let grid = Grid {
        thresholds: serde_json::from_value(about["thresholds"].clone())?,
        stop_atr: serde_json::from_value(about["stops"].clone())?,
        take_atr: serde_json::from_value(about["takes"].clone())?,
        max_hold: vec![usize::MAX],
    };
    // Distances are shares of the close, which is the entry price.
    let atr: Vec<f64> = panel.close.iter().map(|close| UNIT * close).collect();
    measure("sweep", &panel, &scores, &atr, &grid, rounds)
}

fn real(candles: &Path, share: f64, rounds: usize) -> Result<(), Box<dyn Error>> {
    let (timeframe, candles) = longest(candles, 32)?;
    let panel = Panel::new(candles, timeframe, 24, false)?;
    let grid = Grid {
        thresholds: (0..8).map(|n| n as f32 / 8.0).collect(),
        stop_atr: (1..=10).map(|n| f64::from(n) / 2.0).collect(),
        take_atr: (1..=12).map(|n| f64::from(n) / 2.0).collect(),
        max_hold: vec![6, 12, 24, 48],
    };
    let scores = scores(panel.symbols.len() * panel.bars, share);
    measure("sweep, real", &panel, &scores, &features::atr_14(&panel), &grid, rounds)
}

fn measure(
    what: &str,
    panel: &Panel,
    scores: &[f32],
    atr: &[f64],
    grid: &Grid,
    rounds: usize,
) -> Result<(), Box<dyn Error>> {
    let settings = Settings::defaults();
    let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, panel.timeframe);
    // As the other programs trade: on both sides, and filled at the stop.
    let rules = Rules { shorts: true, stop_slippage_bps: 0.0, ..rules };
    let windows: Vec<_> = panel.ranges.iter().map(|range| vec![range.clone()]).collect();
    let task = Task { panel, scores, atr, windows: &windows, rules: &rules, grid };
    let first = sweep::sweep(task, &|_, _| ())?;
    let mut seconds = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        black_box(sweep::sweep(black_box(task), &|_, _| ())?);
        seconds.push(begun.elapsed().as_secs_f64());
    }
    let best = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let bar_settings = panel.ranges.iter().map(ExactSizeIterator::len).sum::<usize>() * grid.len();
    let of = |pick: fn(&sweep::Tally) -> i64| (0..grid.len()).map(|at| pick(&first.total(at))).collect::<Vec<i64>>();
    println!(
        "{}",
        json!({
            "program": "huracan",
            "what": what,
            "symbols": panel.symbols.len(),
            "bars": panel.bars,
            "settings": grid.len(),
            "threads": rayon::current_num_threads(),
            "seconds": seconds,
            "bar_settings_per_s": bar_settings as f64 / best,
            "trades": all_trades(&first),
            "peak_mb": peak_rss_bytes().map(|bytes| bytes as f64 / 1e6),
            "trades_of_setting": of(|tally| tally.trades as i64),
            "gross_bps_of_setting": of(|tally| tally.gross).iter().map(|&gross| gross as f64 / sweep::PARTS_PER_BP).collect::<Vec<_>>(),
        })
    );
    Ok(())
}

fn all_trades(surface: &Surface) -> u64 {
    surface.by_symbol.iter().map(|tally| tally.trades).sum()
}
