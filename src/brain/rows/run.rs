//! Runs and the symbols they chose.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::brain::record::{row, run_rows};
use crate::brain::value::{Field, Kind, Value};

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Running,
    /// Completed.
    Done,
    /// Completed, but some symbols failed.
    Partial,
    Failed,
    /// Stopped on request, state saved.
    Interrupted,
}

impl RunStatus {
    pub const ALL: [Self; 5] = [Self::Running, Self::Done, Self::Partial, Self::Failed, Self::Interrupted];

    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether a run in this state can be taken up again.
    pub fn is_unfinished(self) -> bool {
        matches!(self, Self::Running | Self::Failed | Self::Interrupted)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Field for RunStatus {
    const KIND: Kind = Kind::Text;

    fn put(&self) -> Value {
        Value::Text(self.name().to_owned())
    }

    fn take(value: Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        Self::ALL.into_iter().find(|status| status.name() == text)
    }
}

row! {
    /// One day's run and how far it came.
    pub struct RunRow {
        pub run_id: String,
        /// The day it works for, which need not be the day it ran on.
        pub date: NaiveDate,
        pub status: RunStatus,
        /// The step that began last.
        pub step: Option<String>,
        /// What each finished step left: name → object, in the order in which they ended.
        pub steps: serde_json::Value,
        pub settings_digest: String,
        pub started: DateTime<Utc>,
        pub finished: Option<DateTime<Utc>>,
        /// Last sign of life.
        pub heartbeat: DateTime<Utc>,
        pub simulated: bool,
        pub device: String,
        pub account_currency: String,
        pub error: Option<String>,
    }
}

impl RunRow {
    /// A run that starts now.
    pub fn new(run_id: impl Into<String>, date: NaiveDate) -> Self {
        let now = crate::brain::to_millis(Utc::now());
        Self {
            run_id: run_id.into(),
            date,
            status: RunStatus::Running,
            step: None,
            steps: serde_json::json!({}),
            settings_digest: String::new(),
            started: now,
            finished: None,
            heartbeat: now,
            simulated: false,
            device: String::new(),
            account_currency: "GBP".to_owned(),
            error: None,
        }
    }

    /// Whether the step was marked done.
    pub fn has_done(&self, step: &str) -> bool {
        self.steps.get(step).is_some()
    }
}

row! {
    /// One symbol that was looked at, chosen or not.
    pub struct UniverseRow {
        pub run_id: String,
        pub date: NaiveDate,
        pub symbol: String,
        pub selected: bool,
        /// Place among those that passed, from 1.
        pub rank: Option<i64>,
        /// Why it was left out.
        pub reason: Option<String>,
        pub exchange: String,
        pub market_type: String,
        pub daily_volume_usd: f64,
        pub age_days: f64,
        pub spread_bps: Option<f64>,
        pub liquidity_score: Option<f64>,
        pub activity_score: Option<f64>,
        pub score: Option<f64>,
        /// The rules it was held against.
        pub criteria: serde_json::Value,
        pub selected_at: DateTime<Utc>,
        pub simulated: bool,
    }
}

run_rows!(RunRow, UniverseRow);
