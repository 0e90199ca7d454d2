//! What the other crates build on: arithmetic with the same bits on every device, the table of training rows, units, and
//! hexadecimal text.

pub mod arith;
mod hex;
mod table;
pub mod units;

pub use hex::hex;
pub use table::Table;
