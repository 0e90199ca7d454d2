//! From a panel to the forests, signals and trades of one fold, by the rooms alone: with the view, labels, weights and parameters
//! of a run.
#![allow(dead_code)]

use huracan::bars::{Candles, DAY_MS, Panel, Timeframe};
use huracan::boost::{BoostJob, Forest, Table, train};
use huracan::decide::{Calibration, Candidate, Head, HeadCalibration, Scores, Slopes};
use huracan::features::{Features, View, atr_14, compute, view_columns, view_names};
use huracan::folds::Fold;
use huracan::labels::{self, Labels};
use huracan::market::Exchange;
use huracan::settings::{Settings, Sources, load};
use huracan::shadow::Rules;
use huracan::trainer::{self, ModelParams, Targets, Unit};

/// Everything of a panel that comes before a model.
pub struct Learned {
    pub features: Features,
    pub view: View,
    pub atr: Vec<f64>,
    pub labels: Labels,
    pub targets: Targets,
}

impl Learned {
    pub fn new(panel: &Panel, rules: &Rules) -> Self {
        let (atr, features) = (atr_14(panel), compute(panel));
        let (view, labels) = (View::of(panel, &features), labels::compute(panel, &atr, rules));
        let all: Vec<usize> = (0..panel.symbols.len()).collect();
        let targets = Targets::of(panel, &labels, &view, &all, rules, &models());
        Self { features, view, atr, labels, targets }
    }

    /// What models see.
    pub fn table(&self) -> Table<'_> {
        self.view.table()
    }
}

pub fn settings(overrides: &[&str]) -> Settings {
    load(&Sources { overrides: overrides.iter().map(|s| (*s).to_owned()).collect(), ..Sources::default() }).unwrap()
}

pub fn rules(settings: &Settings) -> Rules {
    Rules::new(&settings.labels, &settings.costs, settings.market.kind, settings.market.timeframe)
}

/// Models of a run, with weights by uniqueness and age, that use every kind of draw and stop early.
pub fn models() -> ModelParams {
    ModelParams {
        rounds: 25,
        min_rounds: 1,
        early_stopping: 8,
        learning_rate: 0.1,
        max_depth: 4,
        max_bin: 63,
        colsample: 0.8,
        half_life_days: 60.0,
        ..ModelParams::default()
    }
}

/// The jobs of all heads of one unit and fold, in the order of [`Head::ALL`].
pub fn jobs(learned: &Learned, unit: &Unit, fold: &Fold) -> Vec<BoostJob> {
    let models = models();
    let job = |head: Head| {
        trainer::boost_job(&learned.targets, unit, fold, head, &models, trainer::boost_params(&models, head, 7))
    };
    Head::ALL.map(job).to_vec()
}

/// Trains jobs; every one must succeed.
pub fn forests(learned: &Learned, jobs: &[BoostJob]) -> Vec<Forest> {
    train(learned.table(), &view_names(), jobs, &|_| {}).into_iter().map(Result::unwrap).collect()
}

/// What the three forests of a symbol say of its bars, believed three times as far as they were trained to be: few rounds say
/// little.
pub fn predictions(
    learned: &Learned,
    forests: &[Forest],
    symbol: usize,
    bars: std::ops::Range<usize>,
) -> Vec<Candidate> {
    let slopes = Slopes { slope: 3.0, reach: 1e6, ..Slopes::NONE };
    let head = |forest: &Forest| HeadCalibration {
        offset: 0.0,
        drift_bps: 0.0,
        base: forest.base_score[0],
        usual: forest.base_score[0],
        slopes,
    };
    let calibration = Calibration { heads: [0, 1, 2].map(|at| head(&forests[at])) };
    bars.map(|bar| {
        let row = learned.view.row(symbol, bar);
        let scores: Scores = [0, 1, 2].map(|at| forests[at].raw_scores(row)[0]);
        let atr_share = f64::from(row[view_columns::ATR_SHARE]);
        (symbol, bar, Some(calibration.predict(&scores, &[0.0; Head::COUNT], atr_share)))
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
