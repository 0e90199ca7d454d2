//! The best rule for a planted pattern. It uses the planted signal itself, and trades with the same rules and costs as a model.

use std::ops::Range;

use super::null::Planted;
use super::statistics::{MeanTest, mean_test};
use super::worlds::World;
use crate::features;
use crate::folds::{self, Grid};
use crate::settings::Settings;
use crate::shadow::{self, Rules, Signals};

/// Candidates for the least signal strength at which the rule trades.
pub const THRESHOLDS: [f64; 6] = [0.2, 0.4, 0.6, 0.8, 0.9, 1.0];

/// Tests the net results of the rule's trades against 0: per threshold of [`THRESHOLDS`], per counted symbol.
pub fn tests(settings: &Settings, world: &World, planted: &Planted) -> Vec<Vec<MeanTest>> {
    let panel = &planted.panel;
    let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, panel.timeframe);
    let atr = features::atr_14(panel);
    let mut windows: Vec<Vec<Range<usize>>> = vec![Vec::new(); panel.symbols.len()];
    for &symbol in &world.counted {
        let plan = folds::plan(Grid::of(panel), &panel.ranges[symbol], &settings.folds).unwrap_or_default();
        windows[symbol] = plan.into_iter().map(|fold| fold.test).collect();
    }
    let at = |threshold: f64| -> Vec<MeanTest> {
        let mut signals = Signals::none(panel.symbols.len(), panel.bars);
        for (side, &signal) in signals.side.iter_mut().zip(&planted.signal) {
            // Both comparisons are false for NaN.
            *side = if signal >= threshold { 1 } else { -i8::from(signal <= -threshold) };
        }
        let mut net: Vec<Vec<f64>> = vec![Vec::new(); panel.symbols.len()];
        for trade in shadow::simulate(panel, &signals, &atr, &windows, &rules) {
            net[trade.symbol].push(trade.net_bps);
        }
        world.counted.iter().map(|&symbol| mean_test(&net[symbol])).collect()
    };
    THRESHOLDS.iter().map(|&threshold| at(threshold)).collect()
}

/// The threshold with the greatest mean t-statistic over all symbols, and its tests per symbol.
pub fn best(tests: Vec<Vec<MeanTest>>) -> (f64, Vec<MeanTest>) {
    let strength = |tests: &[MeanTest]| tests.iter().map(|test| test.t).sum::<f64>();
    let pairs = THRESHOLDS.into_iter().zip(tests);
    pairs.max_by(|a, b| strength(&a.1).total_cmp(&strength(&b.1))).unwrap_or((THRESHOLDS[0], Vec::new()))
}
