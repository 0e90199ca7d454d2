//! An account that took trades: what each was worth in money, and equity by day.
//!
//! [`huracan_risk`] makes it.

use huracan_shadow::Trade;

/// A trade that the account took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    pub trade: Trade,
    /// Account currency.
    pub notional: f64,
    /// Net of costs, account currency.
    pub profit: f64,
}

/// An account's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    pub start_equity: f64,
    /// Trades taken, by exit.
    pub entries: Vec<Entry>,
    /// Trades that risk refused.
    pub refused: usize,
    /// `(day's end in ms, equity)` for every day traded or not, open positions at their close; the first point is the
    /// start.
    pub curve: Vec<(i64, f64)>,
}

impl Account {
    /// Equity at the end of the last day.
    pub fn final_equity(&self) -> f64 {
        self.curve.last().map_or(self.start_equity, |point| point.1)
    }

    /// Return of each day.
    pub fn daily_returns(&self) -> Vec<f64> {
        self.curve.windows(2).map(|w| if w[0].1 > 0.0 { w[1].1 / w[0].1 - 1.0 } else { 0.0 }).collect()
    }
}
