//! Signals: what to trade at each bar's close.

use super::Side;

/// Signals of all symbols, `[symbols × bars]` row-major per column.
#[derive(Debug, Clone, PartialEq)]
pub struct Signals {
    /// Bars of the panel's grid.
    pub bars: usize,
    /// +1 long, −1 short, 0 none.
    pub side: Vec<i8>,
    /// Stop distance in basis points of the entry price; NaN for the rules' multiple of ATR.
    pub stop_bps: Vec<f64>,
    /// Take-profit distance in basis points of the entry price; NaN for the rules' multiple of ATR.
    pub take_bps: Vec<f64>,
    /// Notional in quote currency; NaN for the rules' notional.
    pub size: Vec<f64>,
}

/// A row of a signal table that cannot be traded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SignalError {
    /// The panel has no such symbol.
    #[error("row {row}: unknown symbol '{symbol}'")]
    UnknownSymbol {
        /// Row of the table, from 0.
        row: usize,
        /// The symbol in that row.
        symbol: String,
    },
    /// The symbol has no such bar.
    #[error("row {row}: {symbol} has no bar that opens at {time}")]
    UnknownTime {
        /// Row of the table, from 0.
        row: usize,
        /// The symbol in that row.
        symbol: String,
        /// The time in that row.
        time: String,
    },
    /// A side that is none of −1, 0 and 1.
    #[error("row {row}: side is {side}; give -1, 0 or 1")]
    Side {
        /// Row of the table, from 0.
        row: usize,
        /// The value in that row.
        side: String,
    },
    /// A short on a market that has none.
    #[error(
        "row {row}: side is -1, but a spot market has no shorts; give 0 or 1, or set costs.spot_shorts=borrow (shorts pay \
         costs.borrow_bps_per_day) or market.type=perp"
    )]
    NoShorts {
        /// Row of the table, from 0.
        row: usize,
    },
    /// A distance or size that is not a finite number above 0.
    #[error(
        "row {row}: {column} is {value}; give a finite number above 0 (stop and take are distances from the entry price), or leave it empty"
    )]
    Number {
        /// Row of the table, from 0.
        row: usize,
        /// Name of the column.
        column: &'static str,
        /// The value in that row.
        value: f64,
    },
    /// A score that is not finite.
    #[error("row {row}: score is {value}; give a finite number, or leave the row out")]
    Score {
        /// Row of the table, from 0.
        row: usize,
        /// The value in that row.
        value: f64,
    },
    /// A distance that puts a barrier at a price of 0 or less.
    #[error(
        "row {row}: {column} is {value}, which puts the barrier of a {side} trade at a price of 0 or less; give a number below 10000"
    )]
    NoPrice {
        /// Row of the table, from 0.
        row: usize,
        /// Name of the column.
        column: &'static str,
        /// The value in that row.
        value: f64,
        /// Side of the signal.
        side: Side,
    },
    /// Two signals of one symbol at one bar.
    #[error("row {row}: {symbol} already has a signal at {time}, in row {first}")]
    Twice {
        /// Row of the second signal, from 0.
        row: usize,
        /// Row of the first signal, from 0.
        first: usize,
        /// The symbol in both rows.
        symbol: String,
        /// The time in both rows.
        time: String,
    },
}

impl Signals {
    /// No signal anywhere.
    pub fn none(symbols: usize, bars: usize) -> Self {
        let cells = symbols * bars;
        Self {
            bars,
            side: vec![0; cells],
            stop_bps: vec![f64::NAN; cells],
            take_bps: vec![f64::NAN; cells],
            size: vec![f64::NAN; cells],
        }
    }

    /// The side signalled at a bar's close; `None` where there is no signal.
    ///
    /// # Panics
    /// Where there is no such symbol or bar.
    pub fn at(&self, symbol: usize, bar: usize) -> Option<Side> {
        Side::from_sign(self.side[symbol * self.bars + bar])
    }

    /// Number of signals.
    pub fn count(&self) -> usize {
        self.side.iter().filter(|&&side| side != 0).count()
    }
}
