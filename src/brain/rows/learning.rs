//! What was learned from the trades.

use chrono::{DateTime, Utc};

use crate::brain::record::{row, run_rows};
use crate::shadow::{ExitReason, Side};

row! {
    /// A condition on features and how trades under it ended.
    pub struct PatternRow {
        /// Equal for equal conditions in every run.
        pub pattern_id: String,
        pub run_id: String,
        /// One symbol, or `*` for all.
        pub symbol: String,
        pub direction: Option<Side>,
        pub pattern_description: String,
        /// Feature → `{is, from, to}`.
        pub conditions: serde_json::Value,
        /// On the training windows.
        pub total_occurrences: i64,
        pub wins: i64,
        pub win_rate: f64,
        pub avg_profit_bps: f64,
        /// On the test windows.
        pub test_occurrences: i64,
        pub test_win_rate: f64,
        pub test_avg_profit_bps: f64,
        pub p_value: Option<f64>,
        /// After false-discovery control.
        pub q_value: Option<f64>,
        pub confirmed: bool,
        pub discovered_at: DateTime<Utc>,
        pub simulated: bool,
    }
}

row! {
    /// Why one trade won or lost.
    pub struct AnalysisRow {
        pub trade_id: String,
        pub run_id: String,
        pub symbol: String,
        pub direction: Side,
        pub market_regime: Option<String>,
        pub exit_reason: ExitReason,
        pub account_currency: String,
        pub net_profit_gbp: f64,
        pub net_bps: f64,
        pub hold_minutes: f64,
        /// The main reason, in a few words.
        pub primary_reason: String,
        pub contributing_factors: serde_json::Value,
        /// Furthest the price went for and against the trade while it was open.
        pub max_favourable_bps: Option<f64>,
        pub max_adverse_bps: Option<f64>,
        pub features_at_entry: serde_json::Value,
        pub analysed_at: DateTime<Utc>,
        pub simulated: bool,
    }
}

row! {
    /// Where the price went after a trade was left; moves count in the trade's direction.
    pub struct PostExitRow {
        pub trade_id: String,
        pub run_id: String,
        pub symbol: String,
        pub direction: Side,
        pub exit_timestamp: DateTime<Utc>,
        pub exit_price: f64,
        pub exit_reason: ExitReason,
        /// Bars after the exit.
        pub horizon_bars: i64,
        pub price_after: f64,
        pub move_bps: f64,
        /// Furthest for and against the trade up to there.
        pub best_bps: f64,
        pub worst_bps: f64,
        pub simulated: bool,
    }
}

run_rows!(PatternRow, AnalysisRow, PostExitRow);
