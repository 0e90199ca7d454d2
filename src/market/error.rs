//! What can go wrong between an exchange and the panel.

use std::path::PathBuf;

use crate::bars::{CandleFault, Timeframe};

/// A candle file that cannot be turned into candles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("{}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{}: unknown kind of file; candles come as .parquet, .feather, .arrow, .ipc or .csv", path.display())]
    UnknownKind { path: PathBuf },
    #[error("{}: column '{column}' is missing; the file has: {found}", path.display())]
    MissingColumn { path: PathBuf, column: String, found: String },
    #[error("{}: column '{column}' holds {found}; it must hold {expected}", path.display())]
    WrongType { path: PathBuf, column: String, found: String, expected: String },
    #[error("{}: row {row}: column '{column}' is '{value}', which is no {expected}", path.display())]
    BadValue { path: PathBuf, row: usize, column: String, value: String, expected: String },
}

/// A failure to get, keep or judge candles.
#[derive(Debug, thiserror::Error)]
pub enum MarketError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{}: {fault}", path.display())]
    BadFile { path: PathBuf, fault: CandleFault },
    #[error("{}: {reason}", path.display())]
    Folder { path: PathBuf, reason: String },
    #[error("{exchange} sent bad candles of {symbol}: {fault}")]
    BadCandles { exchange: String, symbol: String, fault: CandleFault },
    #[error("{exchange} does not list {symbol}")]
    UnknownSymbol { exchange: String, symbol: String },
    #[error("{exchange} has no {timeframe} candles of {symbol} from {from} to {to}")]
    NoCandles { exchange: String, symbol: String, timeframe: Timeframe, from: String, to: String },
    #[error("{exchange}: {what} failed after {tries} {}: {reason}", if *tries == 1 { "try" } else { "tries" })]
    Exchange { exchange: String, what: String, tries: u32, reason: String },
    #[error("market.exchange.kind is ccxt, which this build leaves out; build with the feature ccxt")]
    NoCcxt,
    #[error("{}: cannot be written: {reason}", path.display())]
    Write { path: PathBuf, reason: String },
}
