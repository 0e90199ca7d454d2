//! From a panel to the forests, signals and trades of one fold, by the rooms alone.
#![allow(dead_code)]

use huracan::bars::{Candles, DAY_MS, Panel, Timeframe};
use huracan::boost::{BoostJob, BoostParams, Forest, Objective, Table, train};
use huracan::decide::Prediction;
use huracan::features::{COUNT, Features, atr_14, compute, names};
use huracan::folds::Fold;
use huracan::labels::{self, Labels};
use huracan::market::Exchange;
use huracan::settings::{Settings, Sources, load};
use huracan::shadow::{Rules, Side};

/// Everything of a panel that comes before a model.
pub struct Learned {
    pub features: Features,
    pub atr: Vec<f64>,
    pub labels: Labels,
}

impl Learned {
    pub fn new(panel: &Panel, rules: &Rules) -> Self {
        let atr = atr_14(panel);
        Self { features: compute(panel), labels: labels::compute(panel, &atr, rules), atr }
    }

    pub fn table(&self) -> Table<'_> {
        Table { values: &self.features.values, features: COUNT }
    }
}

pub fn settings(overrides: &[&str]) -> Settings {
    load(&Sources { overrides: overrides.iter().map(|s| (*s).to_owned()).collect(), ..Sources::default() }).unwrap()
}

pub fn rules(settings: &Settings) -> Rules {
    Rules::new(&settings.labels, &settings.costs, settings.market.kind, settings.market.timeframe)
}

/// The names of a row of features, as the forests carry them.
pub fn feature_names() -> Vec<String> {
    names()
}

/// Parameters that use every kind of draw and stop early.
pub fn params(objective: Objective) -> BoostParams {
    BoostParams {
        objective,
        rounds: 25,
        learning_rate: 0.1,
        max_depth: 4,
        max_bin: 63,
        l2: 1.0,
        min_child_hessian: 1.0,
        min_split_gain: 0.0,
        subsample: 0.8,
        colsample: 0.8,
        early_stopping: 8,
        seed: 7,
        ..BoostParams::default()
    }
}

/// Name, objective, side of the label, and the target that a label's return makes.
type Head = (&'static str, Objective, Side, fn(f64) -> f32);

/// The jobs of one symbol and fold: whether a long wins, whether a short wins, and what a long earns.
pub fn jobs(panel: &Panel, learned: &Learned, symbol: usize, fold: &Fold) -> Vec<BoostJob> {
    let heads: [Head; 3] = [
        ("win_long", Objective::Binary, Side::Long, |bps| f32::from(u8::from(bps > 0.0))),
        ("win_short", Objective::Binary, Side::Short, |bps| f32::from(u8::from(bps > 0.0))),
        ("edge_bps", Objective::Regression, Side::Long, |bps| bps as f32),
    ];
    heads
        .into_iter()
        .map(|(head, objective, side, label)| {
            let rows = |range: &std::ops::Range<usize>| -> (Vec<u32>, Vec<f32>) {
                let known = |bar: usize| Some((bar, learned.labels.get(symbol, bar, side)?));
                let cell = |bar: usize| (symbol * panel.bars + bar) as u32;
                range.clone().filter_map(known).map(|(bar, l)| (cell(bar), label(l.return_bps))).unzip()
            };
            let ((train, train_labels), (valid, valid_labels)) = (rows(&fold.train), rows(&fold.validation));
            let name = format!("{} {head}", panel.symbols[symbol]);
            BoostJob {
                name,
                train,
                train_labels,
                valid,
                valid_labels,
                params: params(objective),
                ..BoostJob::default()
            }
        })
        .collect()
}

/// Trains jobs; every one must succeed.
pub fn forests(learned: &Learned, jobs: &[BoostJob]) -> Vec<Forest> {
    train(learned.table(), &feature_names(), jobs, &|_| {}).into_iter().map(Result::unwrap).collect()
}

/// What the three forests of a symbol say of its bars.
pub fn predictions(
    features: &Features,
    forests: &[Forest],
    symbol: usize,
    bars: std::ops::Range<usize>,
) -> Vec<(usize, usize, Prediction)> {
    bars.map(|bar| {
        let [win_long, win_short, edge_bps] = [0, 1, 2].map(|head| forests[head].predict(features.row(symbol, bar))[0]);
        (symbol, bar, Prediction { win_long, win_short, edge_bps, told_bps: edge_bps, lead: win_long - win_short })
    })
    .collect()
}

/// The built-in market of `symbols` coins, `days` of hourly bars.
pub fn simulated_panel(symbols: usize, days: i64) -> Panel {
    panel_with_edge(symbols, days, 0.5)
}

/// The same with a pattern of this strength.
pub fn panel_with_edge(symbols: usize, days: i64, edge: f64) -> Panel {
    let symbols = format!("market.simulated.symbols={symbols}");
    let settings = settings(&[&symbols, &format!("market.simulated.edge={edge:?}")]);
    let now = 1_725_580_800_000;
    let exchange = Exchange::open(&settings, Some(now)).unwrap();
    let Exchange::Simulated(market) = &exchange else { panic!("the default is the simulated market") };
    let candles: Vec<(String, Candles)> = market
        .markets()
        .into_iter()
        .map(|info| {
            let own = market.candles(&info.symbol, Timeframe::H1, now - days * DAY_MS, now).unwrap();
            (info.symbol, own)
        })
        .collect();
    Panel::new(candles, Timeframe::H1, settings.market.max_gap_bars, true).unwrap()
}

/// The part of a panel that holds only `symbols` and `bars`.
pub fn part(panel: &Panel, symbols: impl Iterator<Item = usize>, bars: std::ops::Range<usize>) -> Panel {
    let candles = symbols.map(|s| {
        let range = panel.ranges[s].start.max(bars.start)..panel.ranges[s].end.min(bars.end);
        let at = |column: &[f64], bar: usize| column[s * panel.bars + bar];
        let mut candles = Candles::default();
        for bar in range {
            let prices = [&panel.open, &panel.high, &panel.low, &panel.close].map(|column| at(column, bar));
            candles.push(panel.time_ms(bar), prices, at(&panel.volume, bar));
        }
        (panel.symbols[s].clone(), candles)
    });
    Panel::new(candles.collect(), panel.timeframe, 0, panel.simulated).unwrap().with_markets_of(panel)
}
