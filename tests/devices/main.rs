//! Every device gives the bits of the CPU. Sanitizers and the simulated GPU run this program again.

#[path = "../support/candles.rs"]
mod candles;
#[cfg(feature = "emulated")]
#[path = "../support/engines.rs"]
mod engines;

mod device_boost;
mod device_equality;
mod engine;
mod several;
