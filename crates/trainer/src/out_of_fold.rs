//! Trading the out-of-fold predictions, and judging each model by it.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use huracan_bars::{DAY_MS, Panel};
use huracan_decide::{self as decide, Decisions, Prediction, Question, Summary, Voice, Wait};
use huracan_engine::EngineError;
use huracan_features as features;
use huracan_labels::Labels;
use huracan_metrics::{Account, Breakdown, Evidence, Holding, Metrics};
use huracan_risk::{self as risk, Ledger, Limits};
use huracan_shadow::{self as shadow, Trade};

use super::compare::{self, Compared, Market};
use super::judge::{self, Judged};
use super::{FoldOutcome, Trained, Verdict, WalkForward};

/// One symbol's model with its out-of-fold record.
pub struct Model {
    /// Row of the symbol in the panel.
    pub symbol: usize,
    pub trained: Trained,
    /// An account of its own that took every out-of-fold trade of this symbol.
    pub account: Account,
    pub metrics: Metrics,
    pub evidence: Evidence,
    /// Holding the coin over the test windows.
    pub holding: Option<Holding>,
    pub verdict: Verdict<()>,
}

/// What the out-of-fold trades came to.
pub struct OutOfFold {
    pub models: Vec<Model>,
    /// Out-of-fold trades of all symbols, by entry, then symbol.
    pub trades: Vec<Trade>,
    /// What the engines said at each trade's signal.
    pub voices: Vec<Voice>,
    pub consensus: Summary,
    pub waits: BTreeMap<Wait, usize>,
    /// One account that was asked to take all symbols' trades, under every rule of risk.
    pub ledger: Ledger,
    pub portfolio_metrics: Metrics,
    pub portfolio_evidence: Evidence,
    /// Holding all coins over their test windows, with equal money each.
    pub portfolio_holding: Option<Holding>,
    /// Trades by what they have in common: `symbol`, `side`, `regime`, `engine`.
    pub breakdowns: Vec<(&'static str, Breakdown)>,
    /// Each family by itself, and what they say together; empty where there is only one.
    pub families: Vec<Compared>,
    pub labels: Labels,
}

impl OutOfFold {
    /// Prediction for a bar of a symbol's test windows.
    pub fn prediction(&self, symbol: usize, bar: usize) -> Option<(usize, Prediction)> {
        let model = self.models.iter().find(|model| model.symbol == symbol)?;
        let outcome = model.trained.folds.iter().find(|outcome| outcome.fold.test.contains(&bar))?;
        Some((outcome.fold.index, outcome.predictions[bar - outcome.fold.test.start]))
    }
}

/// Trades every symbol's out-of-fold predictions, and judges its model.
///
/// # Errors
/// Where the device fails and the CPU must not take its place.
pub fn out_of_fold(
    walk: WalkForward<'_>,
    trained: BTreeMap<usize, Trained>,
    kill: &dyn Fn() -> Option<String>,
) -> Result<OutOfFold, EngineError> {
    let WalkForward { params, compute, panel, features, rules, atr, labels, .. } = walk;
    let (rules, atr) = (&rules, atr.as_slice());
    let questions = questions(&trained, |outcome| &outcome.predictions);
    let horizon_bars = params.barriers.horizon_bars();
    let (votes, consensus) = decide::deliberate(compute, panel, &labels, &params.decide, horizon_bars)?;
    let Decisions { signals, waits } = decide::decide(panel, &questions, &consensus, atr, rules, params.policy());
    let windows: Vec<Vec<Range<usize>>> = (0..panel.symbols.len())
        .map(|symbol| {
            trained.get(&symbol).map_or_else(Vec::new, |t| t.folds.iter().map(|o| o.fold.test.clone()).collect())
        })
        .collect();
    let trades = shadow::device::simulate_on(compute, panel, &signals, atr, &windows, rules)?;
    let limits = Limits::of(&params.risk);
    let all: Vec<Range<usize>> = windows.iter().flatten().cloned().collect();
    let days_of_all = days(panel, &all);
    let volatility = risk::mean_volatility(panel.symbols.len(), panel.bars, |symbol, bar| {
        f64::from(features.value(symbol, bar, features::columns::VOLATILITY_20))
    });
    let ledger = risk::follow(panel, &trades, &days_of_all, &limits, &volatility, kill);
    let portfolio_metrics = Metrics::of(&ledger.account);
    let market = Market { params, panel, consensus: &consensus, atr, rules, compute, windows: &windows };
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
                judge::model(params, panel, rules, symbol, &windows[symbol], &account);
            Model { symbol, trained, account, metrics, evidence, holding, verdict }
        })
        .collect();
    let portfolio_evidence = judge::portfolio(params, &ledger.account);
    let portfolio_holding = Holding::portfolio(models.iter().filter_map(|model| model.holding.as_ref()));
    let regimes: Vec<f32> =
        trades.iter().map(|t| features.value(t.symbol, t.signal_bar, features::columns::MARKET_REGIME)).collect();
    let voices: Vec<Voice> = trades.iter().map(|t| Voice::of(&consensus, &votes, t.symbol, t.signal_bar)).collect();
    let breakdowns = judge::breakdowns(panel, &trades, &regimes, &voices, &ledger.account);
    let consensus = Summary::of(&consensus, questions.iter().map(|&(symbol, bar, _)| (symbol, bar)));
    Ok(OutOfFold {
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
