//! Trading the out-of-fold predictions, and judging each model by it.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use super::super::checkpoints::Trained;
use super::judge::{self, Judged};
use super::{Learned, Model};
use crate::decide::{self, Prediction};
use crate::features::{self, Features};
use crate::market::{DAY_MS, Panel};
use crate::metrics::{Account, Holding, Metrics, Sizing};
use crate::settings::Settings;
use crate::shadow::{self, Rules, Trade};

/// Trades every symbol's out-of-fold predictions, and judges its model.
#[allow(clippy::too_many_arguments)]
pub fn practise(
    settings: &Settings,
    panel: &Panel,
    atr: &[f64],
    rules: &Rules,
    trained: BTreeMap<usize, Trained>,
    panel_digest: String,
    settings_digest: String,
    features: &Features,
) -> Learned {
    let predictions: Vec<(usize, usize, Prediction)> = trained
        .iter()
        .flat_map(|(&symbol, trained)| trained.folds.iter().map(move |outcome| (symbol, outcome)))
        .flat_map(|(symbol, outcome)| {
            outcome.fold.test.clone().zip(&outcome.predictions).map(move |(bar, says)| (symbol, bar, *says))
        })
        .collect();
    let (signals, waits) = decide::signals(panel, &predictions, rules, &settings.costs);
    let windows: Vec<Vec<Range<usize>>> = (0..panel.symbols.len())
        .map(|symbol| {
            trained.get(&symbol).map_or_else(Vec::new, |t| t.folds.iter().map(|o| o.fold.test.clone()).collect())
        })
        .collect();
    let trades = shadow::simulate(panel, &signals, atr, &windows, rules);
    let sizing = Sizing::from(&settings.risk);
    let account = |trades: &[Trade], windows: &[Range<usize>]| {
        Account::follow(panel, trades, &days(panel, windows), settings.risk.equity, &sizing)
    };
    let models: Vec<Model> = trained
        .into_par_iter()
        .map(|(symbol, trained)| {
            let own: Vec<Trade> = trades.iter().filter(|trade| trade.symbol == symbol).copied().collect();
            let account = account(&own, &windows[symbol]);
            let Judged { metrics, evidence, holding, verdict } =
                judge::model(settings, panel, rules, symbol, &windows[symbol], &account);
            Model { symbol, trained, account, metrics, evidence, holding, verdict }
        })
        .collect();
    let all: Vec<Range<usize>> = windows.iter().flatten().cloned().collect();
    let portfolio = account(&trades, &all);
    let portfolio_metrics = Metrics::of(&portfolio);
    let portfolio_evidence = judge::portfolio(settings, &portfolio);
    let portfolio_holding = Holding::portfolio(models.iter().filter_map(|model| model.holding.as_ref()));
    let regimes: Vec<f32> =
        trades.iter().map(|t| features.value(t.symbol, t.signal_bar, features::columns::MARKET_REGIME)).collect();
    let breakdowns = judge::breakdowns(panel, &trades, &regimes, &portfolio);
    Learned {
        models,
        trades,
        waits,
        portfolio,
        portfolio_metrics,
        portfolio_evidence,
        portfolio_holding,
        breakdowns,
        settings_digest,
        panel_digest,
    }
}

/// Start of every day (ms) that the windows touch, ascending.
fn days(panel: &Panel, windows: &[Range<usize>]) -> Vec<i64> {
    let floor = |ms: i64| ms - ms.rem_euclid(DAY_MS);
    let mut days: Vec<i64> = windows
        .iter()
        .filter(|window| !window.is_empty())
        .flat_map(|window| {
            let (first, last) = (floor(panel.time_ms(window.start)), floor(panel.time_ms(window.end - 1)));
            (first..=last).step_by(DAY_MS as usize)
        })
        .collect();
    days.sort_unstable();
    days.dedup();
    days
}
