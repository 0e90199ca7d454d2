//! The background tasks of a run.

use super::background::Background;
use super::carrier::CheckpointUploader;
use super::watch::HealthTasks;

/// The background tasks of a run. Each is none before it is started and after it has ended.
#[derive(Default)]
pub struct BackgroundTasks {
    /// Uploads what changes.
    pub uploads: Option<Background>,
    /// Uploads checkpoints.
    pub checkpoints: Option<CheckpointUploader>,
    /// Health checks and metrics, from the first step to the last.
    pub health: Option<HealthTasks>,
}
