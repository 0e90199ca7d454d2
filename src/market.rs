//! Candles: where they come from, how they are kept, and the panel that everything else computes on.

mod candles;
mod error;
mod files;
mod panel;
mod timeframe;

pub use candles::{CandleFault, Candles};
pub use error::{MarketError, ReadError};
pub use files::{read_candles, read_folder, symbol_of, write_candles};
pub use panel::{Panel, PanelError};
pub use timeframe::{DAY_MS, HOUR_MS, Timeframe, TimeframeError};
