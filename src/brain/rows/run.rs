//! Runs and the coins they chose.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::brain::record::{row, run_rows};
use crate::brain::value::{Field, Kind, Value};

/// Status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// At work, or killed without a trace.
    Running,
    /// Completed.
    Done,
    /// Completed, but some symbols failed.
    Partial,
    /// Ended by an error.
    Failed,
    /// Stopped on request, state saved.
    Interrupted,
}

impl RunStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Running, Self::Done, Self::Partial, Self::Failed, Self::Interrupted];

    /// Name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether a run with this status can be resumed.
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

    fn to_value(&self) -> Value {
        Value::Text(self.name().to_owned())
    }

    fn from_value(value: Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        Self::ALL.into_iter().find(|status| status.name() == text)
    }
}

row! {
    /// One day's run and its progress.
    pub struct RunRow {
        /// Key of the run.
        pub run_id: String,
        /// The day that it works for, which may differ from the day on which it ran.
        pub date: NaiveDate,
        /// Status of the run.
        pub status: RunStatus,
        /// The step that was started last.
        pub step: Option<String>,
        /// Finished step → `{done, left}`: when it ended, and its output. In the order in which steps ended.
        pub steps: serde_json::Value,
        /// SHA-256 (hex) of the settings that can change a model.
        pub settings_digest: String,
        /// When it started.
        pub started: DateTime<Utc>,
        /// When it ended.
        pub finished: Option<DateTime<Utc>>,
        /// Last sign of life.
        pub heartbeat: DateTime<Utc>,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
        /// Device that computes.
        pub device: String,
        /// Currency of money in this run.
        pub account_currency: String,
        /// Why it failed.
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

    /// Whether the step was marked as done.
    pub fn has_done(&self, step: &str) -> bool {
        self.steps.get(step).is_some()
    }
}

row! {
    /// One coin that was considered, chosen or not.
    pub struct UniverseRow {
        /// The run.
        pub run_id: String,
        /// The day that the run works for.
        pub date: NaiveDate,
        /// `BASE-QUOTE`.
        pub symbol: String,
        /// Whether it was chosen.
        pub selected: bool,
        /// Rank among the coins that passed every filter, from 1.
        pub rank: Option<i64>,
        /// Why it was left out.
        pub reason: Option<String>,
        /// Name of the exchange.
        pub exchange: String,
        /// `spot` or `perp`.
        pub market_type: String,
        /// Dollars traded per day; NaN if unknown.
        pub daily_volume_usd: f64,
        /// Days since the listing; NaN if unknown.
        pub age_days: f64,
        /// Bid-ask spread, basis points of the mid price.
        pub spread_bps: Option<f64>,
        /// log₁₀ of the dollars traded per day per basis point of spread.
        pub liquidity_score: Option<f64>,
        /// Trades per day, or the share of bars that traded.
        pub activity_score: Option<f64>,
        /// Weighted mean of its percentile ranks, 0 to 1.
        pub score: Option<f64>,
        /// The filter settings in force.
        pub criteria: serde_json::Value,
        /// When the universe was chosen.
        pub selected_at: DateTime<Utc>,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

run_rows!(RunRow, UniverseRow);
