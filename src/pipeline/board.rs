//! How the run does, for whoever looks: the status file, and the metrics for Prometheus.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::Utc;

use crate::files::WriteError;
use crate::health::{self, Vitals};
use crate::ui::Ui;

/// How the run does, for all who look; clones share it.
#[derive(Clone)]
pub struct Board(Arc<Shared>);

struct Shared {
    ui: Ui,
    workdir: PathBuf,
    vitals: Mutex<Vitals>,
    /// Held while the file is written, so that an older state never replaces a newer one.
    writing: Mutex<()>,
}

impl Board {
    pub fn new(workdir: PathBuf, ui: Ui, vitals: Vitals) -> Self {
        Self(Arc::new(Shared { ui, workdir, vitals: Mutex::new(vitals), writing: Mutex::default() }))
    }

    /// Changes what is known, and writes `monitoring/system_status.json`.
    pub fn change(&self, change: impl FnOnce(&mut Vitals)) -> Result<(), WriteError> {
        let _writing = locked(&self.0.writing);
        change(&mut locked(&self.0.vitals));
        let vitals = self.now();
        health::write_status(&self.0.workdir, &vitals.status, &vitals.checks)?;
        Ok(())
    }

    /// Bars missing from the candles in use.
    pub fn data_gaps(&self) -> u64 {
        locked(&self.0.vitals).data_gaps
    }

    /// How the run does at this moment.
    pub fn now(&self) -> Vitals {
        let mut vitals = locked(&self.0.vitals).clone();
        vitals.status.timestamp = Utc::now();
        let progress = self.0.ui.progress().filter(|progress| progress.step == vitals.status.step);
        vitals.status.done = progress.as_ref().map(|progress| progress.done);
        vitals.status.total = progress.and_then(|progress| progress.total);
        vitals.seconds = self.0.ui.seconds();
        vitals.resident_bytes = health::rss_bytes();
        vitals.peak_bytes = health::peak_rss_bytes();
        vitals
    }
}

/// A panic elsewhere must not blind those who look.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
