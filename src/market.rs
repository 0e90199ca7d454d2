//! Market data: where candles come from, how they are stored, and which coins a run uses.

mod error;
mod exchange;
mod files;
mod markets;
pub mod store;
mod universe;

pub use error::{MarketError, ReadError};
#[cfg(feature = "ccxt")]
pub use exchange::Ccxt;
pub use exchange::{Exchange, Folder, MarketInfo, Origin, Simulated};
pub use files::{read_candles, read_folder, read_tables, symbol_of, symbol_of_text, write_candles};
pub use markets::{FolderMarkets, read_markets};
pub use store::{CandleRemote, CandleSource, CandleStore, FetchedCandles};
pub use universe::{Excluded, Ranked, Selection, select};
