//! Step 8: every table that people may want to open elsewhere.

use std::path::Path;

use serde_json::json;

use super::Failure;
use super::day::Day;
use crate::export;
use crate::files::write_atomic;

pub async fn everything(day: &mut Day) -> Result<(), Failure> {
    let step = day.begin("export", None).await?;
    backtests(&day.workdir, &day.date.to_string())?;
    let index = export::all(&day.brain, &day.journal, &day.workdir, &day.run).await?;
    step.note(&format!("{} files", index.files.len()));
    day.end(step, json!({ "files": index.files.len() })).await
}

/// The day's out-of-fold results as a backtest of its own: what `backtest_*.csv` exports.
pub fn backtests(workdir: &Path, date: &str) -> Result<(), Failure> {
    let report = workdir.join("reports/performance_analysis.csv");
    let bytes = std::fs::read(&report)?;
    write_atomic(&workdir.join(format!("reports/backtest_{date}.csv")), &bytes)?;
    Ok(())
}
