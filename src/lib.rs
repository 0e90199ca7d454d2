//! Huracan trains every symbol's trading models at once; see `docs/` and the README.

pub mod arith;
pub mod boost;
pub mod decide;
pub mod engine;
pub mod features;
pub mod folds;
pub mod labels;
pub mod market;
pub mod metrics;
pub mod settings;
pub mod shadow;
pub mod text;
