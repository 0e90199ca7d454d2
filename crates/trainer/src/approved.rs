//! The account as it would have gone: from every fold boundary on it trades only those models that were approved from what
//! was known by then.

use std::collections::BTreeMap;
use std::ops::Range;

use huracan_bars::{DAY_MS, Panel};
use huracan_metrics::{Account, Evidence, Metrics, Moments};
use huracan_risk::{self as risk, Ledger, Limits, Offer};
use huracan_shadow::Trade;

use super::days::days;
use super::judge::{self, Judged};
use super::portfolio::Portfolio;
use super::{TrainedSymbol, TrainerParams};

/// What was approved when a fold's test window began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvals {
    /// Number of the fold.
    pub fold: usize,
    /// First bar of its test window.
    pub test_start: usize,
    /// Coins with a model that was judged, those without a trade yet included.
    pub judged: usize,
    /// Those that were approved, as rows of the panel, ascending.
    pub approved: Vec<usize>,
}

/// The account as it would have gone.
pub struct ApprovedAccount {
    /// The approvals at each fold boundary, in time order.
    pub approvals: Vec<Approvals>,
    /// What it took and refused; trades are numbered by their place among those that it was offered.
    pub ledger: Ledger,
    /// Its performance.
    pub metrics: Metrics,
    /// How much of the performance may be luck.
    pub evidence: Evidence,
}

/// What the approvals are judged by.
pub struct Known<'a> {
    pub params: &'a TrainerParams,
    pub trained: &'a BTreeMap<usize, TrainedSymbol>,
    /// The coins' own shadow trades, by row of the panel, ordered by entry.
    pub trades: &'a [Vec<Trade>],
    /// The account of all models.
    pub all: &'a Account,
    pub limits: &'a Limits,
}

/// Follows the offers of the models that were approved at the boundary before them.
pub fn follow(
    known: &Known<'_>,
    portfolio: &Portfolio<'_>,
    offers: &[Offer],
    kill: &dyn Fn() -> Option<String>,
) -> ApprovedAccount {
    let approvals = approvals(known, portfolio.panel, portfolio.windows);
    let approved: BTreeMap<usize, &Approvals> = approvals.iter().map(|own| (own.fold, own)).collect();
    let may_trade = |offer: &Offer| {
        let Trade { symbol, signal_bar, .. } = offer.trade;
        let outcome = known.trained.get(&symbol).and_then(|own| own.outcome_at(signal_bar));
        let at = outcome.and_then(|outcome| approved.get(&outcome.fold.index));
        at.is_some_and(|at| at.approved.binary_search(&symbol).is_ok())
    };
    let own: Vec<Offer> = offers.iter().filter(|offer| may_trade(offer)).copied().collect();
    let ledger = portfolio.follow(&own, kill);
    let metrics = Metrics::of(&ledger.account);
    let evidence = judge::portfolio(known.params, &ledger.account);
    ApprovedAccount { approvals, ledger, metrics, evidence }
}

/// Judges all models at every boundary by the trades that had ended before it.
fn approvals(known: &Known<'_>, panel: &Panel, windows: &[Vec<Range<usize>>]) -> Vec<Approvals> {
    let mut starts: BTreeMap<usize, usize> = BTreeMap::new();
    for outcome in known.trained.values().flat_map(|own| &own.folds) {
        let start = starts.entry(outcome.fold.index).or_insert(outcome.fold.test.start);
        *start = outcome.fold.test.start.min(*start);
    }
    starts.into_iter().map(|(fold, test_start)| at_boundary(known, panel, windows, (fold, test_start))).collect()
}

fn at_boundary(
    known: &Known<'_>,
    panel: &Panel,
    windows: &[Vec<Range<usize>>],
    (fold, test_start): (usize, usize),
) -> Approvals {
    let accounts: Vec<(usize, Account, Metrics)> = known
        .trained
        .iter()
        .filter(|(_, own)| own.folds.first().is_some_and(|first| first.fold.index <= fold))
        .map(|(&symbol, _)| {
            let ended: Vec<Trade> =
                known.trades[symbol].iter().filter(|trade| trade.exit_bar < test_start).copied().collect();
            let before: Vec<Range<usize>> =
                windows[symbol].iter().map(|window| window.start.min(test_start)..window.end.min(test_start)).collect();
            let days = days(panel, &before);
            let account = risk::follow_without_breakers(panel, &ended, &days, known.limits).account;
            let metrics = Metrics::of(&account);
            (symbol, account, metrics)
        })
        .collect();
    let judged: Vec<Judged<'_>> =
        accounts.iter().map(|(_, account, metrics)| Judged { account, metrics, forward: None }).collect();
    let verdicts = judge::verdicts(known.params, &judged, p_value_before(known.all, panel.time_ms(test_start)));
    let approved = accounts.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_approved());
    Approvals {
        fold,
        test_start,
        judged: accounts.len(),
        approved: approved.map(|((symbol, ..), _)| *symbol).collect(),
    }
}

/// The p-value of the days of an account that had ended at a time.
fn p_value_before(account: &Account, time_ms: i64) -> f64 {
    let ended = account.curve.iter().skip(1).filter(|(end, _)| *end <= time_ms - time_ms.rem_euclid(DAY_MS)).count();
    judge::p_value(&Moments::of(&account.daily_returns()[..ended]))
}

#[cfg(test)]
mod tests;
