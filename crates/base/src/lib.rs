//! What all families of models stand on: arithmetic with the same bits everywhere, and the table of their rows.

pub mod arith;
mod hex;
mod table;

pub use hex::hex;
pub use table::Table;
