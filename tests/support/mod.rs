pub mod candles;
pub mod python;
