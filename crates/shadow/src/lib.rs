//! Shadow trading: what signals would have earned under the trade rules (docs/contract.md, section 5).

mod costs;
mod cpu;
pub mod device;
mod every_signal;
mod params;
mod rules;
mod signals;
pub mod sweep;
#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "windows are ranges")]
mod tests;
mod trade;

pub use costs::CoinCosts;
pub use cpu::simulate;
pub use every_signal::every_signal;
pub use params::{BarrierParams, CostParams, MarketType, SlippageRule, SpotShorts};
pub use rules::{Bars, Exit, Position, Rules, volatility_bps};
pub use signals::{SignalError, Signals};
pub use trade::{ExitReason, Side, Trade};
