//! What works beside a run's steps.

use super::background::Background;
use super::carrier::Carrier;
use super::watch::Watch;

/// The tasks of a run; none before they are started and after they have ended.
#[derive(Default)]
pub struct BackgroundTasks {
    /// Uploads what changes while the run works.
    pub uploads: Option<Background>,
    /// Brings checkpoints to the remote while the run works.
    pub carrier: Option<Carrier>,
    /// Health checks and metrics, from the first step to the last.
    pub watch: Option<Watch>,
}
