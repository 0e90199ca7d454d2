//! The outcome of every trade that was offered to an account.

use std::collections::BTreeMap;

use super::{Breaker, BreakerEvent, Money, Refusal, RiskApproved, RiskRefused};
use huracan_metrics::Account;

/// A trade that the account took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TakenTrade {
    /// The order, with the size that it was given.
    pub approved: RiskApproved,
    /// Bar of the exit.
    pub exit_bar: usize,
    /// Profit net of costs.
    pub profit: Money,
}

/// The highest use of each cap, as a share of the equity at that moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PeakUse {
    /// Notional of all open positions.
    pub leverage: f64,
    /// Notional of one coin's open positions.
    pub coin_share: f64,
    /// Loss if every stop were hit.
    pub open_risk: f64,
    /// Net sum of notional × side × beta, without its sign.
    pub beta_exposure: f64,
}

/// The whole history of an account. Every offered trade is in exactly one of `taken`, `refused` and `skipped`.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    /// Equity before the first trade.
    pub start_equity: Money,
    /// Trades taken, ordered by exit (when the profits were booked).
    pub taken: Vec<TakenTrade>,
    /// Trades refused, in the order of the decisions.
    pub refused: Vec<RiskRefused>,
    /// Indices of the trades on which nothing was decided, because the account had a position in the symbol when the
    /// signal came; in the order in which they were offered.
    pub skipped: Vec<usize>,
    /// Periods during which a breaker was active, ordered by the bar in which it tripped.
    pub breakers: Vec<BreakerEvent>,
    /// The kill switch's reason, if it stopped new entries.
    pub killed: Option<String>,
    /// Highest equity at any close, or at the start.
    pub high_water: Money,
    /// Highest use of each cap.
    pub peaks: PeakUse,
    /// The same trades as input for the metrics, with equity per day. Its entries are in the order of `taken`.
    pub account: Account,
}

impl Ledger {
    /// Starting equity plus all booked profits.
    pub fn equity(&self) -> Money {
        self.start_equity + self.taken.iter().map(|taken| taken.profit).sum()
    }

    /// Indices of the trades that were taken or refused, ascending.
    pub fn decided(&self) -> Vec<usize> {
        let taken = self.taken.iter().map(|taken| taken.approved.order().trade);
        let mut decided: Vec<usize> = taken.chain(self.refused.iter().map(|refused| refused.order.trade)).collect();
        decided.sort_unstable();
        decided
    }

    /// Number of refusals per reason.
    pub fn refusals(&self) -> BTreeMap<Refusal, usize> {
        let mut counts = BTreeMap::new();
        self.refused.iter().for_each(|refused| *counts.entry(refused.reason).or_default() += 1);
        counts
    }

    /// How often each breaker tripped; a breaker that never tripped is absent.
    pub fn trips(&self) -> BTreeMap<Breaker, usize> {
        let mut counts = BTreeMap::new();
        self.breakers.iter().for_each(|event| *counts.entry(event.breaker).or_default() += 1);
        counts
    }
}
