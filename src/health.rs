//! Health checks of everything that a run depends on, the files in `monitoring/`, and the metrics for Prometheus.

mod build;
mod checks;
mod files;
mod local;
mod monitor;
mod serve;
mod table;
mod vitals;

use std::future::Future;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use build::{features, missing_burn};
pub use checks::{BRAIN_REMEDY, EXCHANGE_REMEDY, database_check, exchange_check};
pub use files::{Performance, SystemStatus, read_checks, read_status, write_checks, write_performance, write_status};
pub use local::{disk, free_memory, free_space, gpu, memory, peak_rss_bytes, rss_bytes};
pub use monitor::{Probe, run_probes};
pub use serve::{PageMaker, listen};
pub use table::doctor_table;
pub use vitals::{CUT_OFF, RunMetrics, prometheus, prometheus_next_start};

use crate::sync::Remote;

/// The state of a component, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Switched off or not present, and not needed.
    Off,
    /// Works.
    Healthy,
    /// Works, but not well, or not for long.
    Degraded,
    /// Does not work.
    Failed,
}

impl Status {
    /// The name in files, tables and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

/// One check of one component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// When it was checked.
    pub timestamp: DateTime<Utc>,
    /// Name of the component.
    pub component: String,
    /// Its state.
    pub status: Status,
    /// Response time; none if nothing had to respond.
    pub latency_ms: Option<f64>,
    /// Share of the component's checks of the day that failed, this one included. Only the newest 5,000 checks of a day
    /// count, all components together.
    pub error_rate: f64,
    /// Bars missing from the candles in use.
    pub data_gaps: u64,
    /// Time to load a model; none before there are models.
    pub model_load_time_ms: Option<f64>,
    /// What was found.
    pub message: String,
    /// What to do about a component that is not healthy.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remedy: Option<String>,
}

impl Check {
    /// A check made now, without a response time and a remedy.
    pub fn new(component: &str, status: Status, message: impl Into<String>) -> Self {
        Self {
            timestamp: Utc::now(),
            component: component.to_owned(),
            status,
            latency_ms: None,
            error_rate: if status == Status::Failed { 1.0 } else { 0.0 },
            data_gaps: 0,
            model_load_time_ms: None,
            message: message.into(),
            remedy: None,
        }
    }

    /// Adds what to do about it.
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds the response time, rounded to 0.01 ms.
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency_ms = Some((latency.as_secs_f64() * 1e5).round() / 100.0);
        self
    }
}

/// Checks a component by awaiting `probe`, for `limit` at most. `Ok` is the message of a healthy component, `Err` that of a
/// failed one. No answer in time is a failure.
pub async fn timed<E: std::fmt::Display>(
    component: &str,
    limit: Duration,
    remedy: &str,
    probe: impl Future<Output = Result<String, E>>,
) -> Check {
    let begun = Instant::now();
    let check = match tokio::time::timeout(limit, probe).await {
        Ok(Ok(message)) => Check::new(component, Status::Healthy, message),
        Ok(Err(error)) => {
            Check::new(component, Status::Failed, crate::secret::redact(error.to_string())).with_remedy(remedy)
        }
        Err(_) => {
            let message = format!("no answer in {} s", limit.as_secs_f64());
            Check::new(component, Status::Failed, message).with_remedy(remedy)
        }
    };
    check.with_latency(begun.elapsed())
}

/// What to do about a remote that does not work.
pub const REMOTE_REMEDY: &str = "check the network, the keys in the environment and sync.remote in the settings";

/// Checks the remote: writes, reads and deletes a small file.
pub async fn remote(remote: &Remote, limit: Duration) -> Check {
    timed("remote", limit, REMOTE_REMEDY, async { remote.probe().await.map(|()| remote.address().to_owned()) }).await
}

/// The worst status of all checks, at least healthy.
pub fn worst(checks: &[Check]) -> Status {
    checks.iter().map(|check| check.status).max().map_or(Status::Healthy, |worst| worst.max(Status::Healthy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_probe_that_hangs_is_a_failure() {
        let hang = std::future::pending::<Result<String, String>>();
        let check = timed("brain", Duration::from_millis(20), "start the database", hang).await;
        assert_eq!((check.status, check.error_rate), (Status::Failed, 1.0));
        assert_eq!(check.remedy.as_deref(), Some("start the database"));
        assert!(check.latency_ms.unwrap() >= 20.0 && check.message.starts_with("no answer"));
    }

    #[tokio::test]
    async fn a_check_has_its_latency() {
        let check = timed("exchange", Duration::from_secs(5), "", async { Ok::<_, String>("30 markets".into()) }).await;
        assert_eq!((check.status, check.message.as_str()), (Status::Healthy, "30 markets"));
        assert!(check.remedy.is_none() && check.latency_ms.is_some());
        let bad = timed("exchange", Duration::from_secs(5), "wait", async { Err::<String, _>("banned") }).await;
        assert_eq!((bad.status, bad.message.as_str()), (Status::Failed, "banned"));
    }

    #[tokio::test]
    async fn the_check_of_the_remote_uses_it() {
        let workdir = tempfile::tempdir().unwrap();
        let settings = crate::settings::Settings::defaults().sync;
        let opened = Remote::open(&settings, workdir.path(), &crate::sync::Credentials::default()).unwrap();
        assert_eq!(remote(&opened, Duration::from_secs(5)).await.status, Status::Healthy);
        std::fs::remove_dir_all(workdir.path().join("remote")).unwrap();
        std::fs::write(workdir.path().join("remote"), "in the way").unwrap();
        let check = remote(&opened, Duration::from_secs(5)).await;
        assert_eq!(check.status, Status::Failed, "{check:?}");
        assert!(check.remedy.is_some());
    }

    #[test]
    fn the_worst_component_decides_the_overall_status() {
        let of = |statuses: &[Status]| worst(&statuses.iter().map(|s| Check::new("x", *s, "")).collect::<Vec<_>>());
        assert_eq!(of(&[]), Status::Healthy);
        assert_eq!(of(&[Status::Off]), Status::Healthy);
        assert_eq!(of(&[Status::Off, Status::Degraded, Status::Healthy]), Status::Degraded);
        assert_eq!(of(&[Status::Failed, Status::Degraded]), Status::Failed);
    }
}
