//! Step 8: exports the tables as files.

use serde_json::json;

use super::CommandFailure;
use super::day::Day;
use super::learn::Learned;
use crate::bars::Panel;
use crate::export;

pub async fn export(day: &mut Day, panel: &Panel, learned: &Learned) -> Result<(), CommandFailure> {
    let step = day.begin("export", None).await?;
    export::write_backtest(&day.run.workdir, &day.run.date.to_string(), panel, &learned.trades)?;
    let index = export::all(&day.services.brain, &day.services.journal, &day.run.workdir, &day.run.row).await?;
    step.note(&format!("{} files", index.files.len()));
    day.end(step, json!({ "files": index.files.len() })).await
}
