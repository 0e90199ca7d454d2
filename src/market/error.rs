//! Errors on the way from an exchange or a file to the panel.

use std::path::PathBuf;

use crate::bars::{CandleError, FundingError, Timeframe};

/// A candle file that cannot be read as candles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened or decoded.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
    /// The extension names no format that can be read.
    #[error("{}: unknown file type; candle files end in .parquet, .feather, .arrow, .ipc or .csv", path.display())]
    UnknownKind {
        /// The file.
        path: PathBuf,
    },
    /// A required column is absent.
    #[error("{}: column '{column}' is missing; the file has: {found}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// Name of the missing column.
        column: String,
        /// Names of the columns that the file has.
        found: String,
    },
    /// A column has a type that cannot be converted.
    #[error("{}: column '{column}' holds {found}; it must hold {expected}", path.display())]
    WrongType {
        /// The file.
        path: PathBuf,
        /// Name of the column.
        column: String,
        /// Type in the file.
        found: String,
        /// Types that are accepted.
        expected: String,
    },
    /// A single value cannot be converted.
    #[error("{}: row {row}: column '{column}' is '{value}', which is not a {expected}", path.display())]
    BadValue {
        /// The file.
        path: PathBuf,
        /// Row of the value, counted from 0 below the header.
        row: usize,
        /// Name of the column.
        column: String,
        /// Text of the value; `missing` for an empty cell.
        value: String,
        /// What the column must hold.
        expected: String,
    },
}

/// An error while fetching, storing or validating candles.
#[derive(Debug, thiserror::Error)]
pub enum MarketError {
    /// A candle file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A candle file was read but holds an invalid row.
    #[error("{}: {fault}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// The invalid row and the reason.
        fault: CandleError,
    },
    /// A file of funding rates was read but holds an invalid row.
    #[error("{}: {fault}", path.display())]
    BadFunding {
        /// The file.
        path: PathBuf,
        /// The invalid row and the reason.
        fault: FundingError,
    },
    /// A folder of candle files cannot be used.
    #[error("{}: {reason}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An exchange returned an invalid row.
    #[error("{exchange} sent bad candles of {symbol}: {fault}")]
    BadCandles {
        /// Name of the exchange.
        exchange: String,
        /// `BASE-QUOTE`.
        symbol: String,
        /// The invalid row and the reason.
        fault: CandleError,
    },
    /// An exchange returned an invalid funding rate.
    #[error("{exchange} sent bad funding rates of {symbol}: {fault}")]
    BadRates {
        /// Name of the exchange.
        exchange: String,
        /// `BASE-QUOTE`.
        symbol: String,
        /// The invalid row and the reason.
        fault: FundingError,
    },
    /// The exchange has no such symbol.
    #[error("{exchange} does not list {symbol}")]
    UnknownSymbol {
        /// Name of the exchange, or the folder.
        exchange: String,
        /// `BASE-QUOTE`.
        symbol: String,
    },
    /// The exchange has no bars in the requested range.
    #[error("{exchange} has no {timeframe} candles of {symbol} from {from} to {to}")]
    NoCandles {
        /// Name of the exchange.
        exchange: String,
        /// `BASE-QUOTE`.
        symbol: String,
        /// Length of a bar.
        timeframe: Timeframe,
        /// Start of the range, RFC 3339 UTC.
        from: String,
        /// End of the range, RFC 3339 UTC.
        to: String,
    },
    /// A live exchange failed after all retries.
    #[error("{exchange}: {what} failed after {tries} {}: {reason}", if *tries == 1 { "try" } else { "tries" })]
    Exchange {
        /// Name of the exchange.
        exchange: String,
        /// The action, such as `listing the markets`.
        what: String,
        /// Number of tries.
        tries: u32,
        /// Error of the last try.
        reason: String,
    },
    /// The program was built without the feature `ccxt`.
    #[error(
        "market.exchange.kind is ccxt, but this build has no live exchanges; \
         build with `--features ccxt` (or `--features full`)"
    )]
    NoCcxt,
    /// A candle file cannot be written.
    #[error("{}: cannot be written: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
}
