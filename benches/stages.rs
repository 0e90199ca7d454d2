//! Throughput of the compute stages on a synthetic market, on every device of this machine: `cargo bench --bench stages`. On
//! one device: `cargo bench --bench stages -- emulated`.
//!
//! 40 symbols with 240 days of 1h candles, as on a usual day; boosting gets 36 jobs of 2880 rows. The emulated device is
//! made for correctness, not speed: it gets less work, and the names of its benchmarks say how much.
#![allow(missing_docs, reason = "the function that criterion_group! makes has none")]

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use huracan::arith::{draw, uniform};
use huracan::bars::{Candles, HOUR_MS, Panel, Timeframe};
use huracan::boost::{self, BoostJob, BoostParams, PredictJob, Table};
use huracan::decide::votes;
use huracan::engine::{Cards, Compute, Device, DeviceChoice, gpus};
use huracan::features::{self, COUNT};
use huracan::labels;
use huracan::settings::Settings;
use huracan::shadow::{self, Rules, Signals};

const BARS: usize = 240 * 24;
const ROWS: usize = 2880;

/// A device, and the size of its work.
struct Bench {
    compute: Compute,
    symbols: usize,
    jobs: usize,
    rounds: u32,
}

/// The CPU, the emulated device if it is built in, and every GPU.
fn devices() -> Vec<Bench> {
    let cache = std::env::temp_dir().join("huracan-bench-kernels");
    let mut choices = vec![DeviceChoice::Cpu, DeviceChoice::Emulated];
    choices.extend((0..gpus().map_or(0, |gpus| gpus.len())).map(|index| DeviceChoice::Cards(Cards::one(index))));
    let opened = choices.into_iter().filter_map(|choice| choice.resolve().ok());
    opened
        .map(|device| {
            let compute = Compute::open(device, &cache, false).expect("a resolved device can be opened");
            let (symbols, jobs, rounds) = if device == Device::Emulated { (8, 2, 2) } else { (40, 36, 20) };
            Bench { compute, symbols, jobs, rounds }
        })
        .collect()
}

/// A group of benchmarks: one stage on one device. Slow devices get few samples.
fn group<'a>(c: &'a mut Criterion, stage: &str, bench: &Bench, items: usize) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(format!("{stage}/{}", bench.compute.device()));
    group.throughput(Throughput::Elements(items as u64));
    if bench.compute.device() == Device::Emulated {
        group.sample_size(10);
    }
    group
}

/// Random walks. The first two are named Bitcoin and Ethereum, so that every feature has its inputs.
fn panel(symbols: usize) -> Panel {
    let names = (0..symbols).map(|symbol| match symbol {
        0 => "BTC-USDT".to_owned(),
        1 => "ETH-USDT".to_owned(),
        _ => format!("C{symbol:02}-USDT"),
    });
    let candles = names.enumerate().map(|(symbol, name)| (name, walk(symbol as u64))).collect();
    Panel::new(candles, Timeframe::H1, 24, true).expect("random walks are valid candles")
}

fn walk(symbol: u64) -> Candles {
    let mut candles = Candles::default();
    let mut price = 100.0;
    for bar in 0..BARS {
        let [up, reach, dip, volume] = [0, 1, 2, 3].map(|k| uniform(draw(7, symbol, bar as u64 * 4 + k)));
        let open = price;
        price *= 1.0 + (up - 0.5) * 0.02;
        let (high, low) = (open.max(price) * (1.0 + reach * 0.004), open.min(price) * (1.0 - dip * 0.004));
        candles.push(bar as i64 * HOUR_MS, [open, high, low, price], 1e4 * (0.1 + volume));
    }
    candles
}

fn rules() -> Rules {
    let settings = Settings::defaults();
    let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, Timeframe::H1);
    Rules { shorts: true, ..rules }
}

fn compute_features(c: &mut Criterion) {
    for bench in devices() {
        let panel = panel(bench.symbols);
        let mut group = group(c, "features", &bench, bench.symbols * BARS * COUNT);
        let name = format!("{} symbols, new memory", bench.symbols);
        group.bench_function(name, |b| {
            b.iter(|| features::device::compute_on(&bench.compute, black_box(&panel)).expect("the device computes"));
        });
        if bench.compute.device() == Device::Cpu {
            let mut earlier = features::compute(&panel);
            group.bench_function("earlier memory", |b| {
                b.iter(|| features::compute_into(black_box(&panel), &mut earlier));
            });
        }
        group.finish();
    }
}

fn label(c: &mut Criterion) {
    for bench in devices() {
        let (panel, rules) = (panel(bench.symbols), rules());
        let atr = features::atr_14(&panel);
        let mut group = group(c, "labels", &bench, bench.symbols * BARS * 2);
        group.bench_function(format!("{} symbols, both sides", bench.symbols), |b| {
            b.iter(|| {
                labels::device::compute_on(&bench.compute, black_box(&panel), &atr, &rules)
                    .expect("the device computes")
            });
        });
        group.finish();
    }
}

fn vote(c: &mut Criterion) {
    let settings = Settings::defaults().decide.voters;
    for bench in devices() {
        let panel = panel(bench.symbols);
        let mut group = group(c, "votes", &bench, bench.symbols * BARS * votes::VOTERS);
        group.bench_function(format!("23 voters on {} symbols", bench.symbols), |b| {
            b.iter(|| {
                votes::device::compute_on(&bench.compute, black_box(&panel), &settings).expect("the device computes")
            });
        });
        group.finish();
    }
}

fn simulate(c: &mut Criterion) {
    for bench in devices() {
        let (panel, rules) = (panel(bench.symbols), rules());
        let atr = features::atr_14(&panel);
        let mut signals = Signals::none(bench.symbols, BARS);
        for (cell, side) in signals.side.iter_mut().enumerate() {
            // One bar in eight has a signal.
            *side = match draw(7, 99, cell as u64) % 16 {
                0 => 1,
                1 => -1,
                _ => 0,
            };
        }
        let windows: Vec<_> = panel.ranges.iter().map(|range| vec![range.clone()]).collect();
        let mut group = group(c, "shadow", &bench, bench.symbols * BARS);
        group.bench_function(format!("{} symbols", bench.symbols), |b| {
            b.iter(|| {
                shadow::device::simulate_on(&bench.compute, black_box(&panel), &signals, &atr, &windows, &rules)
                    .expect("the device computes")
            });
        });
        group.finish();
    }
}

/// Bins, training and prediction.
fn models(c: &mut Criterion) {
    for bench in devices() {
        let compute = &bench.compute;
        let panel = panel(bench.symbols);
        let values = features::compute(&panel);
        let names = features::names();
        let table = Table { values: &values.values, features: COUNT };
        // Two jobs of one symbol start at different bars.
        let job = |number: usize| job(&panel, number % bench.symbols, number / bench.symbols * 24, bench.rounds);
        let jobs: Vec<BoostJob> = (0..bench.jobs).map(job).collect();
        let sizes = format!("{} jobs of {ROWS} rows", bench.jobs);

        let mut bins = group(c, "bins", &bench, bench.jobs * ROWS * COUNT);
        bins.sample_size(10);
        bins.bench_function(sizes.as_str(), |b| {
            b.iter(|| boost::device::bin_on(compute, black_box(table), &jobs).expect("the device computes"));
        });
        bins.finish();

        let mut boosting = group(c, "boost", &bench, bench.jobs * ROWS * bench.rounds as usize);
        boosting.sample_size(10);
        let train = || {
            boost::device::train_on(compute, black_box(table), &names, &jobs, &|| true, &|_| ())
                .expect("the device computes")
        };
        boosting.bench_function(format!("{sizes}, {} rounds", bench.rounds), |b| b.iter(train));
        boosting.finish();

        let forests: Vec<_> = train().0.into_iter().map(|forest| forest.expect("the jobs are sound")).collect();
        let rows: Vec<u32> = (0..20_000.min(table.rows() as u32)).collect();
        let predict: Vec<PredictJob<'_>> = forests.iter().map(|forest| PredictJob { forest, rows: &rows }).collect();
        let mut predicting = group(c, "predict", &bench, forests.len() * rows.len() * bench.rounds as usize);
        predicting.bench_function(format!("{} models × {} rows", forests.len(), rows.len()), |b| {
            b.iter(|| boost::device::raw_scores_on(compute, black_box(table), &predict).expect("the device computes"));
        });
        predicting.finish();
    }
}

/// A job that learns whether the next bar of a symbol closes higher, from the rows up to `before` bars before the newest.
fn job(panel: &Panel, symbol: usize, before: usize, rounds: u32) -> BoostJob {
    let close = panel.row(&panel.close, symbol);
    let end = BARS - 1 - before;
    let bars = end - ROWS..end;
    BoostJob {
        name: panel.symbols[symbol].clone(),
        train: bars.clone().map(|bar| (symbol * BARS + bar) as u32).collect(),
        train_labels: bars.map(|bar| f32::from(u8::from(close[bar + 1] > close[bar]))).collect(),
        params: BoostParams { rounds, learning_rate: 0.05, min_child_hessian: 5.0, ..BoostParams::default() },
        ..BoostJob::default()
    }
}

criterion_group!(stages, compute_features, label, vote, simulate, models);
criterion_main!(stages);
