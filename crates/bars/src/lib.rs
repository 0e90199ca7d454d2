//! Candles, timeframes, what is known of markets, and the panel of all symbols on one time grid.
//!
//! These are the only market data that the compute crates use.

mod candles;
mod market;
mod panel;
mod rolling;
mod timeframe;

pub use candles::{CandleError, Candles};
pub use market::{FundingError, FundingHistory, MarketTerms, Markets, believed_spread_bps};
pub use panel::{Panel, PanelError};
pub use rolling::{Bar, roll};
pub use timeframe::{DAY_MS, HOUR_MS, Timeframe, TimeframeError};
