//! The metrics of the last run, served between two runs.

use std::path::Path;

use futures::TryStreamExt;
use serde_json::Value;

use super::CommandFuture;
use crate::brain::{Brain, Column, Kind, RunRow, RunStatus, Value as Cell};
use crate::exit::CommandFailure;
use crate::health::{self, CUT_OFF, RunMetrics, SystemStatus};
use crate::pipeline::ANSWER;
use crate::settings::Settings;

/// The newest run, from the brain and `monitoring/`. None before the first run.
///
/// # Errors
/// A brain that cannot be opened or read.
pub fn last<'a>(settings: &'a Settings, workdir: &'a Path) -> CommandFuture<'a, Option<RunMetrics>> {
    Box::pin(read(settings, workdir))
}

async fn read(settings: &Settings, workdir: &Path) -> Result<Option<RunMetrics>, CommandFailure> {
    let workdir = std::path::absolute(workdir)?;
    let brain = Brain::open(&settings.brain.url, &workdir, settings.brain.connections).await?;
    let metrics = metrics(&brain, &workdir).await;
    brain.close().await;
    metrics
}

async fn metrics(brain: &Brain, workdir: &Path) -> Result<Option<RunMetrics>, CommandFailure> {
    let Some(run) = brain.latest_run(None).await? else { return Ok(None) };
    let is_working = brain.lock_holder().await?.is_some();
    let (approved, rejected) = verdicts(brain, &run).await?;
    let answer = run.steps.get(ANSWER).and_then(|step| step.get("left")).unwrap_or(&Value::Null);
    let checks = health::read_checks(workdir, run.heartbeat.date_naive());
    let seconds = answer["seconds"].as_object().into_iter().flatten();
    let state = if run.status == RunStatus::Running && !is_working { CUT_OFF } else { run.status.name() };
    Ok(Some(RunMetrics {
        status: SystemStatus {
            timestamp: run.heartbeat,
            run_id: run.run_id.clone(),
            state: state.to_owned(),
            step: run.step.clone().unwrap_or_default(),
            done: None,
            total: None,
            device: run.device.clone(),
            simulated: run.simulated,
        },
        started: run.started,
        finished: run.finished,
        approved,
        rejected,
        failures: answer["failed"].as_array().map_or(0, |failed| failed.len() as u64),
        data_gaps: checks.iter().map(|check| check.data_gaps).max().unwrap_or_default(),
        checks,
        last_success: brain.last_success().await?,
        seconds: seconds.filter_map(|(step, seconds)| Some((step.clone(), seconds.as_f64()?))).collect(),
        // The process has ended.
        resident_bytes: None,
        peak_bytes: answer["peak_rss_bytes"].as_u64(),
    }))
}

/// Number of the run's approved and of its rejected models.
async fn verdicts(brain: &Brain, run: &RunRow) -> Result<(u64, u64), CommandFailure> {
    const COUNTS: &[Column] =
        &[Column { name: "approved", kind: Kind::Int }, Column { name: "rejected", kind: Kind::Int }];
    let sql = "SELECT COALESCE(SUM(CASE WHEN approved THEN 1 ELSE 0 END), 0) AS approved, \
               COALESCE(SUM(CASE WHEN approved THEN 0 ELSE 1 END), 0) AS rejected FROM models WHERE run_id = $1";
    let found = brain.query("models", sql, &[Cell::Text(run.run_id.clone())], COUNTS).try_next().await?;
    Ok(match found.as_deref() {
        Some([Cell::Int(approved), Cell::Int(rejected)]) => (*approved as u64, *rejected as u64),
        _ => (0, 0),
    })
}
