//! What became of every trade that an account was asked to take.

use std::collections::BTreeMap;

use super::{Breaker, BreakerEvent, Money, Refusal, RiskApproved, RiskRefused};
use huracan_metrics::Account;

/// A trade that the account took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taken {
    pub approved: RiskApproved,
    pub exit_bar: usize,
    /// Net of costs.
    pub profit: Money,
}

/// The most that was ever used of a cap, share of the equity at that moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Peaks {
    pub leverage: f64,
    pub coin_share: f64,
    pub open_risk: f64,
}

/// An account's whole history; every trade stands in `taken` or in `refused`, never in both.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    pub start_equity: Money,
    /// By exit, as the profits were booked.
    pub taken: Vec<Taken>,
    /// By entry, as the decisions were made.
    pub refused: Vec<RiskRefused>,
    /// By the bar in which they tripped.
    pub breakers: Vec<BreakerEvent>,
    /// What the kill switch said, where it ended entries.
    pub killed: Option<String>,
    /// Highest equity at any close, or at the start.
    pub high_water: Money,
    pub peaks: Peaks,
    /// The same trades for the metrics, with equity by day; its entries stand in the order of `taken`.
    pub account: Account,
}

impl Ledger {
    /// The start and every booked profit.
    pub fn equity(&self) -> Money {
        self.start_equity + self.taken.iter().map(|taken| taken.profit).sum()
    }

    /// Refusals by reason.
    pub fn refusals(&self) -> BTreeMap<Refusal, usize> {
        let mut counts = BTreeMap::new();
        self.refused.iter().for_each(|refused| *counts.entry(refused.reason).or_default() += 1);
        counts
    }

    /// How often each breaker tripped.
    pub fn trips(&self) -> BTreeMap<Breaker, usize> {
        let mut counts = BTreeMap::new();
        self.breakers.iter().for_each(|event| *counts.entry(event.breaker).or_default() += 1);
        counts
    }
}
