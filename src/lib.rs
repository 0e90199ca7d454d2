//! Huracan trains every symbol's trading models at once; see `docs/` and the README.

pub mod arith;
pub mod boost;
pub mod brain;
pub mod engine;
pub mod export;
pub mod market;
pub mod settings;
pub mod shadow;
pub mod text;
