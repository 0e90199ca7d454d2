pub mod candles;
#[cfg(feature = "emulated")]
pub mod engines;
pub mod forests;
pub mod python;
