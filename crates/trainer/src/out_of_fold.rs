//! Trades the out-of-fold predictions, and judges each model by the trades.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use huracan_decide::{self as decide, Decisions, Prediction, SignalVotes, Summary, WaitReason};
use huracan_engine::EngineError;
use huracan_features::View;
use huracan_labels::Labels;
use huracan_metrics::{Account, Breakdown, Evidence, Holding, Metrics};
use huracan_risk::{self as risk, Ledger, Limits, Offer};
use huracan_shadow::{self as shadow, Trade};

use super::approved::{self, ApprovedAccount, Known};
use super::candidates::candidates;
use super::compare::{self, FamilyComparison};
use super::consensus_value::{ConsensusValue, Deciding};
use super::days::days;
use super::judge::{self, Judged, Measured};
use super::portfolio::Portfolio;
use super::reasons::{self, Reasons};
use super::verdict::ForwardEvidence;
use super::{TrainedSymbol, Verdict, WalkForward};

/// One symbol's model with its out-of-fold results.
pub struct Model {
    /// Row of the symbol in the panel.
    pub symbol: usize,
    /// The trained models and their predictions.
    pub trained: TrainedSymbol,
    /// A separate account that took every out-of-fold trade of this symbol.
    pub account: Account,
    /// Performance of that account.
    pub metrics: Metrics,
    /// How much of the performance may be luck.
    pub evidence: Evidence,
    /// Buy-and-hold benchmark over the test windows; `None` if the coin has no price there.
    pub holding: Option<Holding>,
    /// Smallest false-discovery rate at which the model is a discovery among all models of the run.
    pub q_value: f64,
    /// Whether the model is approved.
    pub verdict: Verdict<()>,
}

/// Results of the out-of-fold trades.
pub struct OutOfFold {
    /// One entry per trained symbol, ordered by row in the panel.
    pub models: Vec<Model>,
    /// The shadow trades of all symbols, by which the models are judged; ordered by entry, then symbol. All of them are
    /// among the offers.
    pub trades: Vec<Trade>,
    /// The trades of all signals, which the portfolio was offered; ordered by entry, then symbol.
    pub offers: Vec<Offer>,
    /// The voters' opinions at each signal, one entry per offer.
    pub voices: Vec<SignalVotes>,
    /// What the consensus adds to the models.
    pub consensus_value: ConsensusValue,
    /// Summary of the consensus over the test windows.
    pub consensus: Summary,
    /// Number of bars per reason not to trade.
    pub waits: BTreeMap<WaitReason, usize>,
    /// The account as it would have gone: it was offered the trades of those models only that were approved by then.
    pub account: ApprovedAccount,
    /// The account of all models: it was offered the trades of all signals, under all risk limits.
    pub ledger: Ledger,
    /// Performance of the account of all models.
    pub portfolio_metrics: Metrics,
    /// How much of that performance may be luck.
    pub portfolio_evidence: Evidence,
    /// Buy-and-hold benchmark of all coins over their test windows, with equal money each.
    pub portfolio_holding: Option<Holding>,
    /// Statistics by group of the trades that the portfolio took or refused: `symbol`, `side`, `regime`, `engine` (by voter).
    pub breakdowns: Vec<(&'static str, Breakdown)>,
    /// Why a model predicted the edge of each trade that the account of all models took or refused, by index of the offer.
    pub reasons: BTreeMap<usize, Reasons>,
    /// Each family alone, and last the blend of all; empty if there is only one.
    pub families: Vec<FamilyComparison>,
    /// Labels of all bars.
    pub labels: Labels,
    /// What the models saw of all bars.
    pub view: View,
}

impl OutOfFold {
    /// Index among the offers of the trade of a signal, if it has one.
    pub fn offer(&self, symbol: usize, signal_bar: usize) -> Option<usize> {
        self.offers.binary_search_by_key(&(signal_bar + 1, symbol), |o| (o.trade.entry_bar, o.trade.symbol)).ok()
    }

    /// Index of the fold, and its prediction, for a bar of a symbol's test windows; `None` outside of them.
    pub fn prediction(&self, symbol: usize, bar: usize) -> Option<(usize, Prediction)> {
        let model = self.models.iter().find(|model| model.symbol == symbol)?;
        let outcome = model.trained.outcome_at(bar)?;
        Some((outcome.fold.index, outcome.predictions[bar - outcome.fold.test.start]))
    }
}

/// Trades every symbol's out-of-fold predictions, and judges its model.
///
/// # Errors
/// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
pub fn out_of_fold(
    walk: WalkForward<'_>,
    trained: BTreeMap<usize, TrainedSymbol>,
    forward: &BTreeMap<usize, ForwardEvidence>,
    kill: &dyn Fn() -> Option<String>,
) -> Result<OutOfFold, EngineError> {
    let WalkForward { params, compute, panel, features, rules, atr, labels, view, targets, .. } = walk;
    // Large, and only for training.
    drop(targets);
    let (rules, atr) = (&rules, atr.as_slice());
    let candidates = candidates(&trained, |outcome| &outcome.predictions);
    let horizon_bars = params.barriers.horizon_bars();
    let (votes, consensus) = decide::votes_and_consensus(compute, panel, &labels, &params.decide, horizon_bars)?;
    let Decisions { signals, waits } = decide::decide(panel, &candidates, &consensus, atr, rules, params.policy());
    let windows: Vec<Vec<Range<usize>>> = (0..panel.symbols.len())
        .map(|symbol| {
            trained.get(&symbol).map_or_else(Vec::new, |t| t.folds.iter().map(|o| o.fold.test.clone()).collect())
        })
        .collect();
    let policy = params.policy();
    let deciding = Deciding {
        panel,
        candidates: &candidates,
        consensus: &consensus,
        atr,
        rules,
        windows: &windows,
        policy,
        block_ms: panel.timeframe.block_ms(horizon_bars),
    };
    let consensus_value = deciding.value();
    let trades = shadow::device::simulate_on(compute, panel, &signals, atr, &windows, rules)?;
    let limits = Limits::of(&params.risk);
    let all_days = days(panel, &windows.iter().flatten().cloned().collect::<Vec<_>>());
    let portfolio = Portfolio {
        policy: params.policy(),
        limits,
        panel,
        features,
        consensus: &consensus,
        atr,
        rules,
        windows: &windows,
        days: &all_days,
    };
    let offers = portfolio.offers(&signals, &candidates);
    let ledger = portfolio.follow(&offers, kill);
    let portfolio_metrics = Metrics::of(&ledger.account);
    let reasons = reasons::reasons(&trained, &view, &offers, &ledger.decided());
    let families = compare::compare(&trained, &portfolio, &portfolio_metrics);
    let mut symbol_trades: Vec<Vec<Trade>> = vec![Vec::new(); panel.symbols.len()];
    trades.iter().for_each(|trade| symbol_trades[trade.symbol].push(*trade));
    let portfolio_evidence = judge::portfolio(params, &ledger.account);
    let known = Known { params, trained: &trained, trades: &symbol_trades, all: &ledger.account, limits: &limits };
    let account = approved::follow(&known, &portfolio, &offers, kill);
    let measured: Vec<(usize, Account, Measured)> = trained
        .par_iter()
        .map(|(&symbol, _)| {
            let days = days(panel, &windows[symbol]);
            let account = risk::follow_without_breakers(panel, &symbol_trades[symbol], &days, &limits).account;
            let measured = judge::measure(params, panel, (rules, atr), symbol, &windows[symbol], &account);
            (symbol, account, measured)
        })
        .collect();
    let accounts: Vec<Judged<'_>> = measured
        .iter()
        .map(|(symbol, account, own)| Judged { account, metrics: &own.metrics, forward: forward.get(symbol).copied() })
        .collect();
    let verdicts = judge::verdicts(params, &accounts, portfolio_evidence.p_value.unwrap_or(f64::NAN));
    let q_values = judge::model_q_values(params, measured.iter().map(|(.., own)| &own.evidence));
    let models: Vec<Model> = trained
        .into_values()
        .zip(measured)
        .zip(verdicts.into_iter().zip(q_values))
        .map(|((trained, (symbol, account, own)), (verdict, q_value))| {
            let Measured { metrics, evidence, holding } = own;
            Model { symbol, trained, account, metrics, evidence, holding, q_value, verdict }
        })
        .collect();
    let portfolio_holding = Holding::portfolio(models.iter().filter_map(|model| model.holding.as_ref()));
    let voice = |offer: &Offer| SignalVotes::at(&consensus, &votes, offer.trade.symbol, offer.trade.signal_bar);
    let voices: Vec<SignalVotes> = offers.iter().map(voice).collect();
    let breakdowns = judge::breakdowns((panel, horizon_bars), features, &offers, &voices, &ledger);
    let consensus = Summary::of(&consensus, candidates.iter().map(|&(symbol, bar, _)| (symbol, bar)));
    Ok(OutOfFold {
        models,
        trades,
        offers,
        voices,
        consensus_value,
        consensus,
        waits,
        account,
        ledger,
        portfolio_metrics,
        portfolio_evidence,
        portfolio_holding,
        breakdowns,
        reasons,
        families,
        labels,
        view,
    })
}
