//! The history of an account: the trades it took, their profit in money, and its equity per day.
//!
//! The crate `huracan_risk` builds it.

use huracan_shadow::Trade;

/// A trade that the account took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// The trade, as the simulation produced it.
    pub trade: Trade,
    /// Days from 1970-01-01 to its entry.
    pub day: i64,
    /// Position size at entry, account currency.
    pub notional: f64,
    /// Profit net of costs, account currency.
    pub profit: f64,
}

/// The whole history of one account.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Equity before the first trade, account currency.
    pub start_equity: f64,
    /// Trades that the account took, ordered by exit.
    pub entries: Vec<Entry>,
    /// Number of trades that the risk rules refused.
    pub refused: usize,
    /// `(end of day in ms UTC, equity)` per day, traded or not, with open positions marked at the close. The first
    /// point is the start.
    pub curve: Vec<(i64, f64)>,
}

impl Account {
    /// Equity at the end of the last day.
    pub fn final_equity(&self) -> f64 {
        self.curve.last().map_or(self.start_equity, |point| point.1)
    }

    /// Return per day; 0 for a day that starts without equity.
    pub fn daily_returns(&self) -> Vec<f64> {
        self.curve.windows(2).map(|w| if w[0].1 > 0.0 { w[1].1 / w[0].1 - 1.0 } else { 0.0 }).collect()
    }
}
