//! Models and their performance.

use chrono::{DateTime, NaiveDate, Utc};

use crate::brain::record::{row, run_rows};

row! {
    /// One trained model of one symbol.
    pub struct ModelRow {
        /// Key of the model.
        pub model_id: String,
        /// The run that trained it.
        pub run_id: String,
        /// `BASE-QUOTE`.
        pub symbol: String,
        /// Version of the program.
        pub version: String,
        /// `LightGBM`, `Neural` or `Ensemble`.
        pub model_type: String,
        /// The day that the run works for.
        pub training_date: NaiveDate,
        /// When it was trained.
        pub trained_at: DateTime<Utc>,
        /// Open of the first training bar.
        pub train_start: Option<DateTime<Utc>>,
        /// End of the validation bars.
        pub train_end: Option<DateTime<Utc>>,
        /// Number of training rows.
        pub train_rows: i64,
        /// Number of walk-forward folds.
        pub folds: i64,
        /// Device that trained it.
        pub device: String,
        /// SHA-256 (hex) over the digests of all its models.
        pub digest: String,
        /// SHA-256 (hex) of the candles.
        pub data_digest: String,
        /// SHA-256 (hex) of the settings that can change a model.
        pub settings_digest: String,
        /// Commit of the program.
        pub git_commit: Option<String>,
        /// Whether the model passed every threshold of `approve`.
        pub approved: bool,
        /// Every threshold of `approve` that was missed, in words.
        pub reasons: serde_json::Value,
        /// Head → digest of its trees.
        pub heads: serde_json::Value,
        /// Feature → share of the gain.
        pub feature_importance: serde_json::Value,
        /// Hyperparameters of each head.
        pub parameters: serde_json::Value,
        /// The model's file, below the working folder.
        pub path: String,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

row! {
    /// Performance of a model: metrics of its out-of-fold trades.
    pub struct PerformanceRow {
        /// The run that trained the model.
        pub run_id: String,
        /// Key of the model.
        pub model_id: String,
        /// `BASE-QUOTE`.
        pub symbol: String,
        /// The day that the run works for.
        pub evaluation_date: NaiveDate,
        /// `walk_forward`: the test windows of all folds together.
        pub scope: String,
        /// Number of out-of-fold trades.
        pub num_trades: i64,
        /// Share of trades that made money.
        pub win_rate: f64,
        /// Share of the starting equity.
        pub total_return: f64,
        /// Mean daily return.
        pub average_return: f64,
        /// Return per year, share of the starting equity.
        pub annualised_return: f64,
        /// Annualised, net of costs.
        pub sharpe_ratio: f64,
        /// Annualised, net of costs.
        pub sortino_ratio: f64,
        /// Annualised return over the largest drawdown.
        pub calmar_ratio: f64,
        /// Sum of the wins over the sum of the losses.
        pub profit_factor: f64,
        /// Mean net return of the winning trades, basis points.
        pub average_win_bps: f64,
        /// Mean net return of the losing trades, basis points.
        pub average_loss_bps: f64,
        /// Largest fall from a peak, share of equity.
        pub max_drawdown: f64,
        /// Mean depth of the drawdowns, share of equity.
        pub average_drawdown: f64,
        /// Longest time below a peak, days.
        pub recovery_days: Option<f64>,
        /// Currency of the `_gbp` columns.
        pub account_currency: String,
        /// Profit after all costs.
        pub net_profit_gbp: f64,
        /// Exchange fees.
        pub fees_gbp: f64,
        /// Cost of the spread.
        pub spread_gbp: f64,
        /// Cost of slippage.
        pub slippage_gbp: f64,
        /// Cost of funding.
        pub funding_gbp: f64,
        /// Costs over gross profit.
        pub cost_share: Option<f64>,
        /// Return of holding the coin instead, if it is defined.
        pub buy_and_hold_return: Option<f64>,
        /// Whether the model passed every threshold of `approve`.
        pub approved: bool,
        /// Every threshold of `approve` that was missed, in words.
        pub reasons: serde_json::Value,
        /// Further metrics by name.
        pub more: serde_json::Value,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

row! {
    /// Metrics of a whole run. Trades and money are those of the account.
    pub struct DailyMetricsRow {
        /// The run.
        pub run_id: String,
        /// The day that the run works for.
        pub date: NaiveDate,
        /// Number of symbols.
        pub symbols: i64,
        /// Number of models trained.
        pub models_trained: i64,
        /// Number of models approved.
        pub models_approved: i64,
        /// Number of models not approved.
        pub models_rejected: i64,
        /// Number of confirmed patterns.
        pub patterns_learned: i64,
        /// Number of trades that the account took.
        pub total_trades: i64,
        /// Number of trades that made money.
        pub wins: i64,
        /// Number of trades that did not.
        pub losses: i64,
        /// Share of trades that made money.
        pub win_rate: f64,
        /// Currency of the `_gbp` columns.
        pub account_currency: String,
        /// Profit after all costs.
        pub total_profit_gbp: f64,
        /// Exchange fees.
        pub fees_gbp: f64,
        /// Cost of the spread.
        pub spread_gbp: f64,
        /// Cost of slippage.
        pub slippage_gbp: f64,
        /// Cost of funding.
        pub funding_gbp: f64,
        /// Costs over gross profit.
        pub cost_share: Option<f64>,
        /// Annualised, net of costs.
        pub sharpe_ratio: f64,
        /// Largest fall from a peak, share of equity.
        pub max_drawdown: f64,
        /// Equity at the start.
        pub equity_start_gbp: f64,
        /// Equity at the end.
        pub equity_end_gbp: f64,
        /// Duration of the run, seconds.
        pub seconds: f64,
        /// Further metrics by name.
        pub more: serde_json::Value,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

run_rows!(ModelRow, PerformanceRow, DailyMetricsRow);
