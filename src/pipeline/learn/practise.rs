//! Trading the out-of-fold predictions, and judging each model by it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::checkpoints::Trained;
use super::{Learned, Model};
use crate::decide::{self, Decisions, Question, Summary, Voice, votes};
use crate::engine::{Compute, EngineError};
use crate::features::{self, Features};
use crate::labels::Labels;
use crate::market::{DAY_MS, Panel};
use crate::metrics::{Account, Metrics, Sizing};
use crate::models::verdict::{Outcome, Verdict};
use crate::settings::Settings;
use crate::shadow::{self, Rules, Trade};

/// What practising looks at.
pub struct Inputs<'a> {
    pub settings: &'a Settings,
    pub panel: &'a Panel,
    pub features: &'a Features,
    pub labels: &'a Labels,
    /// `[symbols × bars]`.
    pub atr: &'a [f64],
    pub rules: &'a Rules,
    pub compute: &'a Compute,
}

/// Trades every symbol's out-of-fold predictions, and judges its model.
///
/// # Errors
/// Where the device fails and the CPU must not take its place.
pub fn practise(
    inputs: &Inputs<'_>,
    trained: BTreeMap<usize, Trained>,
    panel_digest: String,
    settings_digest: String,
) -> Result<Learned, EngineError> {
    let Inputs { settings, panel, features, labels, atr, rules, compute } = *inputs;
    let questions: Vec<Question> = trained
        .iter()
        .flat_map(|(&symbol, trained)| trained.folds.iter().map(move |outcome| (symbol, outcome)))
        .flat_map(|(symbol, outcome)| {
            outcome.fold.test.clone().zip(&outcome.predictions).map(move |(bar, says)| (symbol, bar, Some(*says)))
        })
        .collect();
    let votes = votes::compute(panel, &settings.decide.engines);
    let consensus = decide::consensus(panel, &votes, labels, &settings.decide, settings.labels.horizon_bars());
    let Decisions { signals, waits } = decide::decide(panel, &questions, &consensus, atr, rules, settings);
    let windows: Vec<Vec<Range<usize>>> = (0..panel.symbols.len())
        .map(|symbol| {
            trained.get(&symbol).map_or_else(Vec::new, |t| t.folds.iter().map(|o| o.fold.test.clone()).collect())
        })
        .collect();
    let trades = shadow::device::simulate_on(compute, panel, &signals, atr, &windows, rules)?;
    let sizing = Sizing::from(&settings.risk);
    let account = |trades: &[Trade], windows: &[Range<usize>]| {
        Account::follow(panel, trades, &days(panel, windows), settings.risk.equity, &sizing)
    };
    let models = trained
        .into_iter()
        .map(|(symbol, trained)| {
            let own: Vec<Trade> = trades.iter().filter(|trade| trade.symbol == symbol).copied().collect();
            let account = account(&own, &windows[symbol]);
            let metrics = Metrics::of(&account);
            let outcome = Outcome {
                sharpe: if metrics.trades.count > 0 { metrics.sharpe } else { f64::NAN },
                win_rate: if metrics.trades.count > 0 { metrics.trades.win_rate } else { f64::NAN },
                max_drawdown: metrics.drawdown.max,
                trades: metrics.trades.count,
            };
            let verdict = Verdict::judge((), &outcome, &settings.approve);
            let buy_and_hold = buy_and_hold(panel, symbol, &windows[symbol]);
            Model { symbol, trained, account, metrics, buy_and_hold, verdict }
        })
        .collect();
    let all: Vec<Range<usize>> = windows.iter().flatten().cloned().collect();
    let portfolio = account(&trades, &all);
    let portfolio_metrics = Metrics::of(&portfolio);
    let regimes =
        trades.iter().map(|t| features.value(t.symbol, t.signal_bar, features::columns::MARKET_REGIME)).collect();
    let voices = trades.iter().map(|t| Voice::of(&consensus, &votes, t.symbol, t.signal_bar)).collect();
    let consensus = Summary::of(&consensus, questions.iter().map(|&(symbol, bar, _)| (symbol, bar)));
    Ok(Learned {
        models,
        trades,
        regimes,
        voices,
        consensus,
        waits,
        portfolio,
        portfolio_metrics,
        settings_digest,
        panel_digest,
    })
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

fn buy_and_hold(panel: &Panel, symbol: usize, windows: &[Range<usize>]) -> f64 {
    let (open, close) = (panel.row(&panel.open, symbol), panel.row(&panel.close, symbol));
    match (windows.first(), windows.last()) {
        (Some(first), Some(last)) if !first.is_empty() && !last.is_empty() => {
            close[last.end - 1] / open[first.start] - 1.0
        }
        _ => f64::NAN,
    }
}
