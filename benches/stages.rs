//! Throughput of the compute stages on a made market: `cargo bench --bench stages`.
//!
//! 40 symbols of 240 days of 1h candles, as many as a usual day has; boosting gets 36 jobs of 2880 rows.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use huracan::arith::{draw, uniform};
use huracan::boost::{self, BoostJob, BoostParams, Objective, Table};
use huracan::decide::votes;
use huracan::features::{self, COUNT};
use huracan::labels;
use huracan::market::{Candles, HOUR_MS, Panel, Timeframe};
use huracan::settings::Settings;
use huracan::shadow::{self, Rules, Signals};

const SYMBOLS: usize = 40;
const BARS: usize = 240 * 24;
const JOBS: usize = 36;
const ROWS: usize = 2880;

/// Random walks; the first two are Bitcoin and Ethereum, so that every feature has its inputs.
fn panel() -> Panel {
    let names = (0..SYMBOLS).map(|symbol| match symbol {
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
        candles.timestamp.push(bar as i64 * HOUR_MS);
        candles.open.push(open);
        candles.high.push(high);
        candles.low.push(low);
        candles.close.push(price);
        candles.volume.push(1e4 * (0.1 + volume));
    }
    candles
}

fn rules() -> Rules {
    let settings = Settings::defaults();
    Rules::new(&settings.labels, &settings.costs, settings.market.kind, Timeframe::H1)
}

fn compute_features(c: &mut Criterion) {
    let panel = panel();
    let mut group = c.benchmark_group("features");
    group.throughput(Throughput::Elements((SYMBOLS * BARS * COUNT) as u64));
    group.bench_function("new memory", |b| b.iter(|| features::compute(black_box(&panel))));
    let mut earlier = features::compute(&panel);
    group.bench_function("earlier memory", |b| b.iter(|| features::compute_into(black_box(&panel), &mut earlier)));
    group.finish();
}

fn label(c: &mut Criterion) {
    let (panel, rules) = (panel(), rules());
    let atr = features::atr_14(&panel);
    let mut group = c.benchmark_group("labels");
    group.throughput(Throughput::Elements((SYMBOLS * BARS * 2) as u64));
    group.bench_function("both sides", |b| b.iter(|| labels::compute(black_box(&panel), &atr, &rules)));
    group.finish();
}

fn vote(c: &mut Criterion) {
    let panel = panel();
    let engines = Settings::defaults().decide.engines;
    let mut group = c.benchmark_group("votes");
    group.throughput(Throughput::Elements((SYMBOLS * BARS * votes::VOTERS) as u64));
    group.bench_function("23 engines", |b| b.iter(|| votes::compute(black_box(&panel), &engines)));
    group.finish();
}

fn simulate(c: &mut Criterion) {
    let (panel, rules) = (panel(), rules());
    let atr = features::atr_14(&panel);
    let mut signals = Signals::none(SYMBOLS, BARS);
    for (cell, side) in signals.side.iter_mut().enumerate() {
        // One bar in eight asks for a trade.
        *side = match draw(7, 99, cell as u64) % 16 {
            0 => 1,
            1 => -1,
            _ => 0,
        };
    }
    let windows: Vec<_> = panel.ranges.iter().map(|range| vec![range.clone()]).collect();
    let mut group = c.benchmark_group("shadow");
    group.throughput(Throughput::Elements((SYMBOLS * BARS) as u64));
    group.bench_function("simulate", |b| {
        b.iter(|| shadow::simulate(black_box(&panel), &signals, &atr, &windows, &rules));
    });
    group.finish();
}

fn train(c: &mut Criterion) {
    let panel = panel();
    let values = features::compute(&panel);
    let names = features::names();
    let table = Table { values: &values.values, features: COUNT };
    let jobs: Vec<BoostJob> = (0..JOBS).map(|symbol| job(&panel, symbol)).collect();
    let mut group = c.benchmark_group("boost");
    group.sample_size(10);
    group.throughput(Throughput::Elements((JOBS * ROWS * 20) as u64));
    group.bench_function("36 jobs of 2880 rows, 20 rounds", |b| {
        b.iter(|| boost::train(black_box(table), &names, &jobs, &|_| ()));
    });
    group.finish();
}

/// Whether the next bar of a symbol closes higher, learned from its newest rows.
fn job(panel: &Panel, symbol: usize) -> BoostJob {
    let close = panel.row(&panel.close, symbol);
    let bars = BARS - 1 - ROWS..BARS - 1;
    BoostJob {
        name: panel.symbols[symbol].clone(),
        train: bars.clone().map(|bar| (symbol * BARS + bar) as u32).collect(),
        train_labels: bars.map(|bar| f32::from(u8::from(close[bar + 1] > close[bar]))).collect(),
        valid: Vec::new(),
        valid_labels: Vec::new(),
        params: BoostParams {
            objective: Objective::Binary,
            rounds: 20,
            learning_rate: 0.05,
            max_depth: 6,
            max_bin: 255,
            l2: 1.0,
            min_child_hessian: 5.0,
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

criterion_group!(stages, compute_features, label, vote, simulate, train);
criterion_main!(stages);
