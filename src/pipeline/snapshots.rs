//! Learning snapshots of coins at the moment when they are trained.

use std::collections::HashMap;
use std::path::PathBuf;

use chrono::Utc;
use serde_json::{Map, Value};

use super::CommandFailure;
use super::day::Day;
use crate::bars::Panel;
use crate::models::bundle::importance_shares;
use crate::report::learning::{self, Snapshot};
use crate::trainer::{SaveError, TrainedSymbol};

/// What is needed to say what a training has changed.
pub struct Snapshots {
    workdir: PathBuf,
    simulated: bool,
    /// Importance of the features in each symbol's previous model.
    previous: HashMap<String, Vec<(String, f64)>>,
}

impl Snapshots {
    /// Reads the previous models of all symbols.
    pub async fn of(day: &Day, panel: &Panel) -> Result<Self, CommandFailure> {
        let mut previous = HashMap::new();
        for symbol in &panel.symbols {
            if let Some(model) = day.services.brain.previous_model(symbol, &day.run.row).await?
                && let Some(old) = model.feature_importance.as_object()
            {
                previous.insert(symbol.clone(), shares(old));
            }
        }
        Ok(Self { workdir: day.run.workdir.clone(), simulated: day.run.simulated, previous })
    }

    /// Writes the snapshot of a symbol that was trained just now: the features of its model, and how they differ from those of
    /// the previous one.
    pub fn write(&self, trained: &TrainedSymbol) -> Result<(), SaveError> {
        let features = importance_shares(&trained.heads);
        let changed = |old: &Vec<(String, f64)>| learning::importance_changes(old, &shares(&features));
        let insights = self.previous.get(&trained.symbol).map(changed).unwrap_or_default();
        let snapshot = Snapshot { features, ..Snapshot::new(Utc::now(), &trained.symbol, insights, self.simulated) };
        learning::write_snapshot(&self.workdir, &snapshot)?;
        Ok(())
    }
}

fn shares(map: &Map<String, Value>) -> Vec<(String, f64)> {
    map.iter().filter_map(|(name, share)| Some((name.clone(), share.as_f64()?))).collect()
}
