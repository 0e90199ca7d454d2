//! Candles of all symbols on one time grid, and what makes a row bad: all that compute crates know of a market.

mod candles;
mod panel;
mod timeframe;

pub use candles::{CandleFault, Candles};
pub use panel::{Panel, PanelError};
pub use timeframe::{DAY_MS, HOUR_MS, Timeframe, TimeframeError};
