pub mod candles;
pub mod forests;
pub mod python;
