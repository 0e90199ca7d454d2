//! What a run works with.

use std::sync::Arc;

use super::stop::Stop;
use crate::brain::{Brain, Journal, RunLock};
use crate::engine::Compute;
use crate::market::Exchange;
use crate::notify::Notifier;
use crate::sync::Remote;
use crate::ui::Ui;

/// Everything outside that a run's steps talk to.
pub struct Services {
    /// The device, and what happens when it fails.
    pub compute: Arc<Compute>,
    pub brain: Brain,
    pub journal: Journal,
    /// None where the stored candles are taken as they are.
    pub exchange: Option<Arc<Exchange>>,
    pub remote: Remote,
    pub lock: RunLock,
    pub ui: Ui,
    pub notifier: Notifier,
    pub stop: Stop,
}
