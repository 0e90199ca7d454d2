//! How the last run went, for those who ask between two runs.

use std::path::Path;

use futures::TryStreamExt;
use serde_json::Value;

use super::Ending;
use crate::brain::{Brain, Column, Kind, RunRow, RunStatus, Value as Cell};
use crate::exit::Failure;
use crate::health::{self, CUT_OFF, SystemStatus, Vitals};
use crate::pipeline::ANSWER;
use crate::settings::Settings;

/// The newest run as the brain and `monitoring/` know it; none where no run began yet.
///
/// # Errors
/// A brain that cannot be opened or read.
pub fn last<'a>(settings: &'a Settings, workdir: &'a Path) -> Ending<'a, Option<Vitals>> {
    Box::pin(read(settings, workdir))
}

async fn read(settings: &Settings, workdir: &Path) -> Result<Option<Vitals>, Failure> {
    let workdir = std::path::absolute(workdir)?;
    let brain = Brain::open(&settings.brain.url, &workdir, settings.brain.connections).await?;
    let vitals = vitals(&brain, &workdir).await;
    brain.close().await;
    vitals
}

async fn vitals(brain: &Brain, workdir: &Path) -> Result<Option<Vitals>, Failure> {
    let Some(run) = brain.latest_run(None).await? else { return Ok(None) };
    let works = brain.lock_holder().await?.is_some();
    let (approved, rejected) = verdicts(brain, &run).await?;
    let answer = run.steps.get(ANSWER).and_then(|step| step.get("left")).unwrap_or(&Value::Null);
    let checks = health::read_checks(workdir, run.heartbeat.date_naive());
    let seconds = answer["seconds"].as_object().into_iter().flatten();
    let state = if run.status == RunStatus::Running && !works { CUT_OFF } else { run.status.name() };
    Ok(Some(Vitals {
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
        // The process is gone.
        resident_bytes: None,
        peak_bytes: answer["peak_rss_bytes"].as_u64(),
    }))
}

/// The run's models: approved and rejected.
async fn verdicts(brain: &Brain, run: &RunRow) -> Result<(u64, u64), Failure> {
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
