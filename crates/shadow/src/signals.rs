//! What to do at each bar's close.

use super::Side;

/// Signals of all symbols, `[symbols × bars]` row-major a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Signals {
    pub bars: usize,
    /// +1 long, −1 short, 0 none.
    pub side: Vec<i8>,
    /// Stop distance in basis points of the entry price; NaN takes the rule's multiple of ATR.
    pub stop_bps: Vec<f64>,
    /// Take distance in basis points of the entry price; NaN takes the rule's multiple of ATR.
    pub take_bps: Vec<f64>,
    /// Notional in quote currency; NaN takes the rule's.
    pub size: Vec<f64>,
}

/// A signal that cannot be traded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SignalError {
    #[error("row {row}: unknown symbol '{symbol}'")]
    UnknownSymbol { row: usize, symbol: String },
    #[error("row {row}: {symbol} has no bar that opens at {time}")]
    UnknownTime { row: usize, symbol: String, time: String },
    #[error("row {row}: side is {side}; give -1, 0 or 1")]
    Side { row: usize, side: String },
    #[error(
        "row {row}: {column} is {value}; give a finite number above 0 (stops and takes are distances, each on its own side of the entry), or leave it empty"
    )]
    Number { row: usize, column: &'static str, value: f64 },
    #[error("row {row}: score is {value}; give a finite number, or leave the row out")]
    Score { row: usize, value: f64 },
    #[error(
        "row {row}: {column} is {value}, so that a {side} trade's would lie at a price of 0 or less; give one below 10000"
    )]
    NoPrice { row: usize, column: &'static str, value: f64, side: Side },
    #[error("row {row}: {symbol} already has a signal at {time}, in row {first}")]
    Twice { row: usize, first: usize, symbol: String, time: String },
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

    /// The side at a bar's close.
    pub fn at(&self, symbol: usize, bar: usize) -> Option<Side> {
        Side::from_sign(self.side[symbol * self.bars + bar])
    }

    /// Signals that are not 0.
    pub fn count(&self) -> usize {
        self.side.iter().filter(|&&side| side != 0).count()
    }
}
