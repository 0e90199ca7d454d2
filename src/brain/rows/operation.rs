//! Files on the remote, events, and health.

use chrono::{DateTime, Utc};

use crate::brain::record::{row, run_rows};

row! {
    /// One file on the remote, as it was when it was last sent.
    pub struct SyncRow {
        pub remote_path: String,
        /// Below the working folder.
        pub local_path: String,
        pub size_bytes: i64,
        pub sha256: String,
        pub modified_at: Option<DateTime<Utc>>,
        pub uploaded_at: DateTime<Utc>,
        /// When size and hash were last found right on the remote.
        pub verified_at: Option<DateTime<Utc>>,
        pub run_id: Option<String>,
        /// What the remote calls this content; without it, verification reads the file back.
        pub etag: Option<String>,
    }
}

row! {
    /// Something worth remembering that happened in a run.
    pub struct EventRow {
        pub event_id: String,
        pub run_id: String,
        pub time: DateTime<Utc>,
        /// `info`, `warn` or `error`.
        pub level: String,
        pub kind: String,
        pub message: String,
        /// More than the message says, by name: date, step and device of the run; of a check its component, state and numbers.
        pub detail: serde_json::Value,
        pub simulated: bool,
    }
}

impl EventRow {
    /// An event of this moment, without detail.
    pub fn now(run_id: &str, level: &str, kind: &str, message: impl Into<String>) -> Self {
        Self {
            event_id: uuid::Uuid::new_v4().to_string(),
            run_id: run_id.to_owned(),
            time: crate::brain::to_millis(Utc::now()),
            level: level.to_owned(),
            kind: kind.to_owned(),
            message: message.into(),
            detail: serde_json::json!({}),
            simulated: false,
        }
    }
}

row! {
    /// One look at one component.
    pub struct HealthRow {
        pub run_id: String,
        pub checked_at: DateTime<Utc>,
        pub component: String,
        /// `off`, `healthy`, `degraded` or `failed`.
        pub status: String,
        pub latency_ms: Option<f64>,
        /// Share of the component's checks of the day that failed, this one included; of the newest 5,000 of all.
        pub error_rate: f64,
        /// Bars missing from the candles in use.
        pub data_gaps: i64,
        pub model_load_time_ms: Option<f64>,
        pub message: String,
        pub remedy: Option<String>,
        pub simulated: bool,
    }
}

run_rows!(EventRow, HealthRow);
