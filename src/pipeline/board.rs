//! The state of the run, for the status file and for Prometheus.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::Utc;

use crate::files::WriteError;
use crate::health::{self, RunMetrics};
use crate::ui::Ui;

/// The state of the run. Clones share it.
#[derive(Clone)]
pub struct Board(Arc<Shared>);

struct Shared {
    ui: Ui,
    workdir: PathBuf,
    metrics: Mutex<RunMetrics>,
    /// Held while the file is written, so that an older state never replaces a newer one.
    writing: Mutex<()>,
}

impl Board {
    pub fn new(workdir: PathBuf, ui: Ui, metrics: RunMetrics) -> Self {
        Self(Arc::new(Shared { ui, workdir, metrics: Mutex::new(metrics), writing: Mutex::default() }))
    }

    /// Changes the state, and writes `monitoring/system_status.json`.
    pub fn change(&self, change: impl FnOnce(&mut RunMetrics)) -> Result<(), WriteError> {
        let _writing = locked(&self.0.writing);
        change(&mut locked(&self.0.metrics));
        let metrics = self.metrics();
        health::write_status(&self.0.workdir, &metrics.status, &metrics.checks)?;
        Ok(())
    }

    /// Bars missing from the candles in use.
    pub fn data_gaps(&self) -> u64 {
        locked(&self.0.metrics).data_gaps
    }

    /// The current state.
    pub fn metrics(&self) -> RunMetrics {
        let mut metrics = locked(&self.0.metrics).clone();
        metrics.status.timestamp = Utc::now();
        let progress = self.0.ui.progress().filter(|progress| progress.step == metrics.status.step);
        metrics.status.done = progress.as_ref().map(|progress| progress.done);
        metrics.status.total = progress.and_then(|progress| progress.total);
        metrics.seconds = self.0.ui.seconds();
        metrics.resident_bytes = health::rss_bytes();
        metrics.peak_bytes = health::peak_rss_bytes();
        metrics
    }
}

/// Locks a mutex, also after a panic of another thread.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
