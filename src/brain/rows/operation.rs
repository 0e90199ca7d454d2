//! Files on the remote, events, and health checks.

use chrono::{DateTime, Utc};

use crate::brain::record::{row, run_rows};

row! {
    /// One file on the remote, as it was when it was last uploaded.
    pub struct SyncRow {
        /// Path on the remote, the key.
        pub remote_path: String,
        /// Path below the working folder.
        pub local_path: String,
        /// Size of the file.
        pub size_bytes: i64,
        /// SHA-256 (hex) of the content.
        pub sha256: String,
        /// Modification time of the local file.
        pub modified_at: Option<DateTime<Utc>>,
        /// When it was uploaded.
        pub uploaded_at: DateTime<Utc>,
        /// When size and hash were last verified on the remote.
        pub verified_at: Option<DateTime<Utc>>,
        /// The run that uploaded it.
        pub run_id: Option<String>,
        /// The remote's identifier of this content; without it, verification reads the file back.
        pub etag: Option<String>,
    }
}

row! {
    /// An event of a run.
    pub struct EventRow {
        /// Key of the event.
        pub event_id: String,
        /// The run in which it happened.
        pub run_id: String,
        /// When it happened.
        pub time: DateTime<Utc>,
        /// `info`, `warn` or `error`.
        pub level: String,
        /// What happened, such as `run_started`.
        pub kind: String,
        /// Text for people.
        pub message: String,
        /// Details by name: date, step and device of the run; for a health check, its component, state and numbers.
        pub detail: serde_json::Value,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

impl EventRow {
    /// An event of the present moment, without details.
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
    /// One check of one component.
    pub struct HealthRow {
        /// The run during which the check was made.
        pub run_id: String,
        /// When the check was made.
        pub checked_at: DateTime<Utc>,
        /// Name of the component.
        pub component: String,
        /// `off`, `healthy`, `degraded` or `failed`.
        pub status: String,
        /// Time that the component took to respond.
        pub latency_ms: Option<f64>,
        /// Share of the component's checks of the day that failed, this one included; of the newest 5,000 checks of
        /// all components.
        pub error_rate: f64,
        /// Bars missing from the candles in use.
        pub data_gaps: i64,
        /// Time to load the models.
        pub model_load_time_ms: Option<f64>,
        /// Text for people.
        pub message: String,
        /// What to do about a failure.
        pub remedy: Option<String>,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

run_rows!(EventRow, HealthRow);
