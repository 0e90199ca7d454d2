//! Shadow trading: what signals would have earned, by the trade rules of the contract, section 5.

mod cpu;
pub mod device;
mod params;
mod rules;
mod signals;
pub mod sweep;
mod trade;

pub use cpu::simulate;
pub use params::{BarrierParams, CostParams, MarketType};
pub use rules::{Bars, Exit, Position, Rules};
pub use signals::{SignalError, Signals};
pub use trade::{ExitReason, Side, Trade};
