//! Huracan trains every symbol's trading models at once; see `docs/` and the README.

pub mod audit;
pub mod boost;
pub mod brain;
pub mod commands;
pub mod commit;
pub mod decide;
pub mod engine;
pub mod exit;
pub mod export;
pub mod features;
pub mod files;
pub mod folds;
pub mod health;
pub mod kill;
pub mod labels;
pub mod logs;
pub mod market;
pub mod metrics;
pub mod models;
pub mod notify;
pub mod patterns;
pub mod pipeline;
pub mod report;
pub mod risk;
pub mod secret;
pub mod settings;
pub mod shadow;
pub mod sync;
pub mod text;
pub mod ui;

pub use huracan_base::arith;
pub use huracan_neural as neural;
