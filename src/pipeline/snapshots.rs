//! Learning snapshots of coins at the moment when they are trained.

use std::collections::HashMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::day::Day;
use crate::models::bundle::importance;
use crate::report::learning::{self, Snapshot};
use crate::trainer::{SaveError, TrainedSymbol};

/// What is needed to say what a training has learned.
pub struct Snapshots {
    workdir: PathBuf,
    simulated: bool,
    /// When this run wrote the snapshot of a symbol whose training was then cut off.
    written: HashMap<String, DateTime<Utc>>,
}

impl Snapshots {
    /// Reads which snapshots this run wrote before it was cut off.
    pub fn of(day: &Day) -> Self {
        let (workdir, simulated) = (day.run.workdir.clone(), day.run.simulated);
        let earlier = learning::snapshots_since(&workdir, day.run.row.started);
        let trained = earlier.into_iter().filter(|snapshot| !snapshot.features.is_empty());
        let written = trained.map(|snapshot| (snapshot.symbol, snapshot.timestamp)).collect();
        Self { workdir, simulated, written }
    }

    /// Writes the snapshot of a symbol that was trained just now: the features of its model. How far it is believed is known when
    /// all symbols are trained. A run that is resumed replaces the snapshot that it wrote before.
    pub fn write(&self, trained: &TrainedSymbol) -> Result<(), SaveError> {
        let features = importance(&trained.heads, &trained.other_families, &trained.mix, None).shares;
        let time = self.written.get(&trained.symbol).copied().unwrap_or_else(Utc::now);
        let snapshot = Snapshot { features, ..Snapshot::new(time, &trained.symbol, Vec::new(), self.simulated) };
        learning::write_snapshot(&self.workdir, &snapshot)?;
        Ok(())
    }
}
