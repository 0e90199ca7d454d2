//! What the other crates build on: arithmetic with the same bits on every device, the table of training rows, units,
//! hexadecimal text, and the processor's instructions.

pub mod arith;
mod hex;
mod instructions;
mod table;
pub mod units;

pub use hex::hex;
pub use instructions::Instructions;
pub use table::Table;
