//! Shadow trading: what signals would have earned under the trade rules (docs/contract.md, section 5).

mod cpu;
pub mod device;
mod every_signal;
mod params;
mod rules;
mod signals;
pub mod sweep;
mod trade;

pub use cpu::simulate;
pub use every_signal::every_signal;
pub use params::{BarrierParams, CostParams, MarketType};
pub use rules::{Bars, Exit, Position, Rules};
pub use signals::{SignalError, Signals};
pub use trade::{ExitReason, Side, Trade};
