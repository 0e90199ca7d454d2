//! Trading the out-of-fold predictions, and judging each model by it.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use super::super::checkpoints::{FoldOutcome, Trained};
use super::compare::{self, Market};
use super::judge::{self, Judged};
use super::{Learned, Model};
use crate::decide::{self, Decisions, Prediction, Question, Summary, Voice};
use crate::engine::{Compute, EngineError};
use crate::features::{self, Features};
use crate::labels::Labels;
use crate::market::{DAY_MS, Panel};
use crate::metrics::{Holding, Metrics};
use crate::risk::{self, Limits};
use crate::settings::Settings;
use crate::shadow::{self, Rules, Trade};

/// What practising looks at.
pub struct Inputs<'a> {
    pub settings: &'a Settings,
    pub panel: &'a Panel,
    pub features: &'a Features,
    pub labels: Labels,
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
    inputs: Inputs<'_>,
    trained: BTreeMap<usize, Trained>,
    panel_digest: String,
    settings_digest: String,
    kill: &dyn Fn() -> Option<String>,
) -> Result<Learned, EngineError> {
    let Inputs { settings, panel, features, labels, atr, rules, compute } = inputs;
    let questions = questions(&trained, |outcome| &outcome.predictions);
    let horizon_bars = settings.labels.horizon_bars();
    let (votes, consensus) = decide::deliberate(compute, panel, &labels, &settings.decide, horizon_bars)?;
    let Decisions { signals, waits } = decide::decide(panel, &questions, &consensus, atr, rules, settings);
    let windows: Vec<Vec<Range<usize>>> = (0..panel.symbols.len())
        .map(|symbol| {
            trained.get(&symbol).map_or_else(Vec::new, |t| t.folds.iter().map(|o| o.fold.test.clone()).collect())
        })
        .collect();
    let trades = shadow::device::simulate_on(compute, panel, &signals, atr, &windows, rules)?;
    let limits = Limits::of(&settings.risk);
    let all: Vec<Range<usize>> = windows.iter().flatten().cloned().collect();
    let days_of_all = days(panel, &all);
    let volatility = risk::mean_volatility(panel.symbols.len(), panel.bars, |symbol, bar| {
        f64::from(features.value(symbol, bar, features::columns::VOLATILITY_20))
    });
    let ledger = risk::follow(panel, &trades, &days_of_all, &limits, &volatility, kill);
    let portfolio_metrics = Metrics::of(&ledger.account);
    let market = Market { settings, panel, consensus: &consensus, atr, rules, compute, windows: &windows };
    let families = compare::compare(&trained, &market, &portfolio_metrics, |trades| {
        Metrics::of(&risk::follow(panel, trades, &days_of_all, &limits, &volatility, &|| None).account)
    })?;
    let mut own: Vec<Vec<Trade>> = vec![Vec::new(); panel.symbols.len()];
    trades.iter().for_each(|trade| own[trade.symbol].push(*trade));
    let models: Vec<Model> = trained
        .into_par_iter()
        .map(|(symbol, trained)| {
            let account = risk::follow_alone(panel, &own[symbol], &days(panel, &windows[symbol]), &limits).account;
            let Judged { metrics, evidence, holding, verdict } =
                judge::model(settings, panel, rules, symbol, &windows[symbol], &account);
            Model { symbol, trained, account, metrics, evidence, holding, verdict }
        })
        .collect();
    let portfolio_evidence = judge::portfolio(settings, &ledger.account);
    let portfolio_holding = Holding::portfolio(models.iter().filter_map(|model| model.holding.as_ref()));
    let regimes: Vec<f32> =
        trades.iter().map(|t| features.value(t.symbol, t.signal_bar, features::columns::MARKET_REGIME)).collect();
    let voices: Vec<Voice> = trades.iter().map(|t| Voice::of(&consensus, &votes, t.symbol, t.signal_bar)).collect();
    let breakdowns = judge::breakdowns(panel, &trades, &regimes, &voices, &ledger.account);
    let consensus = Summary::of(&consensus, questions.iter().map(|&(symbol, bar, _)| (symbol, bar)));
    Ok(Learned {
        models,
        trades,
        voices,
        consensus,
        waits,
        ledger,
        portfolio_metrics,
        portfolio_evidence,
        portfolio_holding,
        breakdowns,
        families,
        labels,
        settings_digest,
        panel_digest,
    })
}

/// What is asked of every bar of the test windows, by some of their predictions.
pub(super) fn questions(
    trained: &BTreeMap<usize, Trained>,
    predictions: impl Fn(&FoldOutcome) -> &[Prediction],
) -> Vec<Question> {
    let mut questions = Vec::new();
    for (&symbol, outcome) in
        trained.iter().flat_map(|(symbol, trained)| trained.folds.iter().map(move |o| (symbol, o)))
    {
        let bars = outcome.fold.test.clone().zip(predictions(outcome));
        questions.extend(bars.map(|(bar, says)| (symbol, bar, Some(*says))));
    }
    questions
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
