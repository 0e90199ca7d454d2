//! Huracan trains every symbol's trading models at once; see `docs/` and the README.

pub mod audit;
pub mod brain;
pub mod cli;
pub mod commands;
pub mod commit;
pub mod exit;
pub mod export;
pub mod health;
pub mod kill;
pub mod logs;
pub mod market;
pub mod models;
pub mod notify;
pub mod pipeline;
pub mod polars;
pub mod program;
pub mod settings;
pub mod sync;
mod tls;
pub mod ui;

pub use huracan_bars as bars;
pub use huracan_base::{Instructions, arith};
pub use huracan_boost as boost;
pub use huracan_decide as decide;
pub use huracan_engine as engine;
pub use huracan_features as features;
pub use huracan_folds as folds;
pub use huracan_host::{files, secret, text};
pub use huracan_labels as labels;
pub use huracan_metrics as metrics;
pub use huracan_neural as neural;
pub use huracan_patterns as patterns;
pub use huracan_report as report;
pub use huracan_risk as risk;
pub use huracan_shadow as shadow;
pub use huracan_trainer as trainer;
