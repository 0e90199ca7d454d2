//! Candles: where they come from, how they are kept, and the panel that everything else computes on.

mod candles;
mod device;
mod error;
mod exchange;
mod files;
mod panel;
pub mod store;
mod timeframe;
mod universe;

pub use candles::{CandleFault, Candles};
pub use device::DevicePanel;
pub use error::{MarketError, ReadError};
#[cfg(feature = "ccxt")]
pub use exchange::Ccxt;
pub use exchange::{Exchange, Folder, MarketInfo, Origin, Simulated};
pub use files::{read_candles, read_folder, symbol_of, write_candles};
pub use panel::{Panel, PanelError};
pub use store::{Gathered, Remote, Source, Store};
pub use timeframe::{DAY_MS, HOUR_MS, Timeframe, TimeframeError};
pub use universe::{Excluded, Ranked, Selection, select};
