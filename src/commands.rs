//! The commands that take what they are given: no universe, no database, no remote.

pub mod audit;
pub mod backtest;
pub mod bench;
pub mod boost;
mod candles;
pub mod fallback;
pub mod features;
pub mod folds;
pub mod labels;
mod signals;
pub mod sweep;
mod table;

pub use crate::text::time_text;
pub use candles::read_panel;
pub use table::TableError;
