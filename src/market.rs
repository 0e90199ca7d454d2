//! Candles: where they come from, how they are kept, and which coins are studied.

mod error;
mod exchange;
mod files;
pub mod store;
mod universe;

pub use error::{MarketError, ReadError};
#[cfg(feature = "ccxt")]
pub use exchange::Ccxt;
pub use exchange::{Exchange, Folder, MarketInfo, Origin, Simulated};
pub use files::{read_candles, read_folder, symbol_of, write_candles};
pub use store::{Gathered, Remote, Source, Store};
pub use universe::{Excluded, Ranked, Selection, select};
