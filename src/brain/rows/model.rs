//! Models and what they are worth.

use chrono::{DateTime, NaiveDate, Utc};

use crate::brain::record::{row, run_rows};

row! {
    /// One trained model of one symbol.
    pub struct ModelRow {
        pub model_id: String,
        pub run_id: String,
        pub symbol: String,
        pub version: String,
        pub model_type: String,
        pub training_date: NaiveDate,
        pub trained_at: DateTime<Utc>,
        /// First and last bar it learned from.
        pub train_start: Option<DateTime<Utc>>,
        pub train_end: Option<DateTime<Utc>>,
        pub train_rows: i64,
        pub folds: i64,
        pub device: String,
        /// SHA-256 of the trees.
        pub digest: String,
        pub data_digest: String,
        pub settings_digest: String,
        pub git_commit: Option<String>,
        pub approved: bool,
        /// Why it was not approved.
        pub reasons: serde_json::Value,
        /// Head → rounds kept and the like.
        pub heads: serde_json::Value,
        /// Feature → share of the gain.
        pub feature_importance: serde_json::Value,
        pub parameters: serde_json::Value,
        /// File below the working folder.
        pub path: String,
        pub simulated: bool,
    }
}

row! {
    /// A model's out-of-fold trades in figures.
    pub struct PerformanceRow {
        pub run_id: String,
        pub model_id: String,
        pub symbol: String,
        pub evaluation_date: NaiveDate,
        /// `walk_forward`: the test windows of all folds together.
        pub scope: String,
        pub num_trades: i64,
        pub win_rate: f64,
        /// Share of the starting equity.
        pub total_return: f64,
        pub average_return: f64,
        pub annualised_return: f64,
        pub sharpe_ratio: f64,
        pub sortino_ratio: f64,
        pub calmar_ratio: f64,
        pub profit_factor: f64,
        pub average_win_bps: f64,
        pub average_loss_bps: f64,
        pub max_drawdown: f64,
        pub average_drawdown: f64,
        pub recovery_days: Option<f64>,
        pub account_currency: String,
        pub net_profit_gbp: f64,
        pub fees_gbp: f64,
        pub spread_gbp: f64,
        pub slippage_gbp: f64,
        pub funding_gbp: f64,
        /// Costs over gross profit.
        pub cost_share: Option<f64>,
        pub buy_and_hold_return: Option<f64>,
        pub approved: bool,
        pub reasons: serde_json::Value,
        /// Whatever else was measured.
        pub more: serde_json::Value,
        pub simulated: bool,
    }
}

row! {
    /// A whole run in figures.
    pub struct DailyMetricsRow {
        pub run_id: String,
        pub date: NaiveDate,
        pub symbols: i64,
        pub models_trained: i64,
        pub models_approved: i64,
        pub models_rejected: i64,
        pub patterns_learned: i64,
        pub total_trades: i64,
        pub wins: i64,
        pub losses: i64,
        pub win_rate: f64,
        pub account_currency: String,
        pub total_profit_gbp: f64,
        pub fees_gbp: f64,
        pub spread_gbp: f64,
        pub slippage_gbp: f64,
        pub funding_gbp: f64,
        pub cost_share: Option<f64>,
        pub sharpe_ratio: f64,
        pub max_drawdown: f64,
        pub equity_start_gbp: f64,
        pub equity_end_gbp: f64,
        pub seconds: f64,
        pub more: serde_json::Value,
        pub simulated: bool,
    }
}

run_rows!(ModelRow, PerformanceRow, DailyMetricsRow);
