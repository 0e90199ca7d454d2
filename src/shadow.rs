//! Shadow trading: what signals would have earned, by the trade rules of the contract, section 5.

mod trade;

pub use trade::{ExitReason, Side, Trade};
