//! The services that a run uses.

use std::sync::Arc;

use super::stop::Stop;
use crate::brain::{Brain, Journal, RunLock};
use crate::engine::Compute;
use crate::market::Exchange;
use crate::notify::Notifier;
use crate::sync::Remote;
use crate::ui::Ui;

/// Devices, databases and connections of a run.
pub struct Services {
    /// The device, with its fallback.
    pub compute: Arc<Compute>,
    pub brain: Brain,
    pub journal: Journal,
    /// None if the run uses the stored candles as they are.
    pub exchange: Option<Arc<Exchange>>,
    pub remote: Remote,
    pub lock: RunLock,
    pub ui: Ui,
    pub notifier: Notifier,
    pub stop: Stop,
}
