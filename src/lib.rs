//! Huracan trains every symbol's trading models at once; see `docs/` and the README.

pub mod arith;
pub mod boost;
pub mod commands;
pub mod decide;
pub mod engine;
pub mod exit;
pub mod features;
pub mod files;
pub mod folds;
pub mod labels;
pub mod market;
pub mod metrics;
pub mod models;
pub mod settings;
pub mod shadow;
pub mod text;
