//! The files in `monitoring/`.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{Check, Status, worst};
use crate::files::{WriteError, write_atomic};

/// Most records in a day's file. Without a limit, checks of ten components every half minute would make it grow all day.
const MAX_RECORDS: usize = 5000;

/// The state of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemStatus {
    /// When the state was written.
    pub timestamp: DateTime<Utc>,
    /// The run.
    pub run_id: String,
    /// `running`, `done`, `failed`, …
    pub state: String,
    /// Name of the current step.
    pub step: String,
    /// Items that the step has done; none where they are not counted.
    #[serde(default)]
    pub done: Option<u64>,
    /// Items that the step has to do.
    #[serde(default)]
    pub total: Option<u64>,
    /// The compute device.
    pub device: String,
    /// Whether the prices are simulated.
    pub simulated: bool,
}

/// Time and memory that the run took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    /// When it was written.
    pub timestamp: DateTime<Utc>,
    /// The run.
    pub run_id: String,
    /// Seconds per step, in the order of the steps.
    #[serde(with = "crate::report::as_map")]
    pub seconds: Vec<(String, f64)>,
    /// Peak resident memory.
    pub peak_rss_bytes: Option<u64>,
    /// Whether the prices are simulated.
    pub simulated: bool,
}

/// Adds `checks` to the day's `monitoring/health_check_{yyyymmdd}.json`, an array of records, oldest first. Returns the
/// records with their components' error rates of the day, and the path.
///
/// # Errors
/// [`WriteError`]. A file that is not a list of checks is replaced.
pub fn write_checks(workdir: &Path, now: DateTime<Utc>, checks: &[Check]) -> Result<(Vec<Check>, PathBuf), WriteError> {
    let path = workdir.join(format!("monitoring/health_check_{}.json", now.format("%Y%m%d")));
    let mut records: Vec<Check> = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::warn!("{} is replaced: it is not a list of checks ({error})", path.display());
            Vec::new()
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(WriteError { path, source }),
    };
    let mut counts: HashMap<String, (u32, u32)> = HashMap::new();
    for record in records.iter().chain(checks) {
        let (all, failed) = counts.entry(record.component.clone()).or_default();
        *all += 1;
        *failed += u32::from(record.status == Status::Failed);
    }
    let mut added = checks.to_vec();
    for check in &mut added {
        let (all, failed) = counts[&check.component];
        check.error_rate = f64::from(failed) / f64::from(all);
    }
    records.extend(added.iter().cloned());
    records.drain(..records.len().saturating_sub(MAX_RECORDS));
    write_atomic(&path, &json(&records))?;
    Ok((added, path))
}

/// Writes `monitoring/system_status.json`: the state of the run, all components, and the worst status of them.
///
/// # Errors
/// A file that cannot be written.
pub fn write_status(workdir: &Path, status: &SystemStatus, checks: &[Check]) -> Result<PathBuf, WriteError> {
    #[derive(Serialize)]
    struct File<'a> {
        #[serde(flatten)]
        status: &'a SystemStatus,
        #[serde(rename = "status")]
        overall: Status,
        components: Vec<Component<'a>>,
    }
    #[derive(Serialize)]
    struct Component<'a> {
        component: &'a str,
        status: Status,
        /// When it was checked.
        timestamp: DateTime<Utc>,
        latency_ms: Option<f64>,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        remedy: Option<&'a str>,
    }
    let components = checks
        .iter()
        .map(|check| Component {
            component: &check.component,
            status: check.status,
            timestamp: check.timestamp,
            latency_ms: check.latency_ms,
            message: &check.message,
            remedy: check.remedy.as_deref(),
        })
        .collect();
    let path = workdir.join("monitoring/system_status.json");
    write_atomic(&path, &json(&File { status, overall: worst(checks), components }))?;
    Ok(path)
}

/// The newest check per component in the file of that day; empty if it is missing or cannot be parsed.
pub fn read_checks(workdir: &Path, day: NaiveDate) -> Vec<Check> {
    let bytes = fs::read(workdir.join(format!("monitoring/health_check_{}.json", day.format("%Y%m%d"))));
    let records: Vec<Check> = bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let mut newest: Vec<Check> = Vec::new();
    for record in records {
        match newest.iter_mut().find(|check| check.component == record.component) {
            Some(check) => *check = record,
            None => newest.push(record),
        }
    }
    newest
}

/// The content of `monitoring/system_status.json`; none if it is missing or not JSON.
pub fn read_status(workdir: &Path) -> Option<serde_json::Value> {
    let bytes = fs::read(workdir.join("monitoring/system_status.json")).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Writes `monitoring/performance_metrics.json`.
///
/// # Errors
/// A file that cannot be written.
pub fn write_performance(workdir: &Path, performance: &Performance) -> Result<PathBuf, WriteError> {
    #[derive(Serialize)]
    struct File<'a> {
        #[serde(flatten)]
        performance: &'a Performance,
        total_seconds: f64,
    }
    let total_seconds = performance.seconds.iter().map(|(_, seconds)| seconds).sum();
    let path = workdir.join("monitoring/performance_metrics.json");
    write_atomic(&path, &json(&File { performance, total_seconds }))?;
    Ok(path)
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("plain data with text keys is always JSON");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_of_checks_is_one_file_with_error_rates() {
        let workdir = tempfile::tempdir().unwrap();
        let now = at("2025-11-08T02:00:00Z");
        let good = Check::new("database", Status::Healthy, "5 connections");
        let bad = Check::new("database", Status::Failed, "gone").with_remedy("start it");
        write_checks(workdir.path(), now, &[good.clone(), Check::new("gpu", Status::Off, "none")]).unwrap();
        let (added, path) = write_checks(workdir.path(), now, &[bad]).unwrap();
        assert_eq!(added[0].error_rate, 0.5);
        assert!(path.ends_with("monitoring/health_check_20251108.json"));
        let records: Vec<serde_json::Value> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(records.len(), 3);
        for field in ["timestamp", "component", "status", "latency_ms", "error_rate", "data_gaps", "model_load_time_ms"]
        {
            assert!(records[0].get(field).is_some(), "{field}");
        }
        assert_eq!((&records[0]["status"], &records[2]["status"]), (&"healthy".into(), &"failed".into()));
        let newest = read_checks(workdir.path(), now.date_naive());
        let found: Vec<_> = newest.iter().map(|check| (check.component.as_str(), check.status)).collect();
        assert_eq!(found, [("database", Status::Failed), ("gpu", Status::Off)]);
        assert!(read_checks(workdir.path(), now.date_naive().succ_opt().unwrap()).is_empty());
        let (_, next) = write_checks(workdir.path(), at("2025-11-09T02:00:00Z"), &[good]).unwrap();
        assert_ne!(next, path);
    }

    #[test]
    fn a_broken_file_does_not_stop_the_checks() {
        let workdir = tempfile::tempdir().unwrap();
        let now = at("2025-11-08T02:00:00Z");
        fs::create_dir_all(workdir.path().join("monitoring")).unwrap();
        fs::write(workdir.path().join("monitoring/health_check_20251108.json"), "[{\"half").unwrap();
        let (_, path) = write_checks(workdir.path(), now, &[Check::new("disk", Status::Healthy, "")]).unwrap();
        assert_eq!(serde_json::from_slice::<Vec<Check>>(&fs::read(path).unwrap()).unwrap().len(), 1);
    }

    #[test]
    fn status_and_performance_can_be_read_back() {
        let workdir = tempfile::tempdir().unwrap();
        let now = at("2025-11-08T02:00:00Z");
        let status = SystemStatus {
            timestamp: now,
            run_id: "r".into(),
            state: "running".into(),
            step: "features".into(),
            done: Some(3),
            total: Some(8),
            device: "cpu".into(),
            simulated: true,
        };
        let checks = [Check::new("disk", Status::Degraded, "3 GiB free").with_remedy("free some")];
        let path = write_status(workdir.path(), &status, &checks).unwrap();
        let bytes = fs::read(path).unwrap();
        assert_eq!(serde_json::from_slice::<SystemStatus>(&bytes).unwrap(), status);
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value["status"], "degraded");
        assert_eq!(value["components"][0]["remedy"], "free some");

        let seconds = vec![("universe".into(), 0.5), ("download".into(), 2.0)];
        let performance =
            Performance { timestamp: now, run_id: "r".into(), seconds, peak_rss_bytes: Some(1), simulated: false };
        let bytes = fs::read(write_performance(workdir.path(), &performance).unwrap()).unwrap();
        assert_eq!(serde_json::from_slice::<Performance>(&bytes).unwrap(), performance);
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((value["seconds"]["download"].as_f64(), value["total_seconds"].as_f64()), (Some(2.0), Some(2.5)));
    }
}
