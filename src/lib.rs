//! Huracan trains every symbol's trading models at once; see `docs/` and the README.

pub mod arith;
pub mod boost;
pub mod engine;
pub mod files;
pub mod health;
pub mod logs;
pub mod market;
pub mod notify;
pub mod report;
pub mod secret;
pub mod settings;
pub mod shadow;
pub mod sync;
pub mod text;
pub mod ui;
