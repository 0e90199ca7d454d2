//! What was learned from the trades.

use chrono::{DateTime, Utc};

use crate::brain::record::{row, run_rows};
use crate::shadow::{ExitReason, Side};

row! {
    /// A pattern: conditions on features, and how trades under them ended.
    pub struct PatternRow {
        /// Key of the pattern; equal for equal conditions in every run.
        pub pattern_id: String,
        /// The run that found it.
        pub run_id: String,
        /// `BASE-QUOTE`, or `*` for all coins together.
        pub symbol: String,
        /// Side of its trades.
        pub direction: Option<Side>,
        /// The conditions, in words.
        pub pattern_description: String,
        /// Feature → `{is, from, to}`.
        pub conditions: serde_json::Value,
        /// Training bars at which it held.
        pub total_occurrences: i64,
        /// Trades among them that made money.
        pub wins: i64,
        /// Share of them that made money.
        pub win_rate: f64,
        /// Mean net return of them, basis points.
        pub avg_profit_bps: f64,
        /// Bars of the later, confirming windows at which it held.
        pub test_occurrences: i64,
        /// Win rate in those windows.
        pub test_win_rate: f64,
        /// Mean net return in those windows, basis points.
        pub test_avg_profit_bps: f64,
        /// Of the confirming test.
        pub p_value: Option<f64>,
        /// The p-value after control of the false discovery rate.
        pub q_value: Option<f64>,
        /// Whether later windows confirmed it.
        pub confirmed: bool,
        /// When it was found.
        pub discovered_at: DateTime<Utc>,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

row! {
    /// Why one trade won or lost.
    pub struct AnalysisRow {
        /// Key of the trade.
        pub trade_id: String,
        /// The run that wrote the row.
        pub run_id: String,
        /// `BASE-QUOTE`.
        pub symbol: String,
        /// Long or short.
        pub direction: Side,
        /// Regime at the signal, if it was known.
        pub market_regime: Option<String>,
        /// What closed the trade.
        pub exit_reason: ExitReason,
        /// Currency of the `_gbp` columns.
        pub account_currency: String,
        /// Profit after all costs.
        pub net_profit_gbp: f64,
        /// Return after all costs, basis points of the notional.
        pub net_bps: f64,
        /// Minutes from entry to exit.
        pub hold_minutes: f64,
        /// The main reason, in a few words.
        pub primary_reason: String,
        /// Further reasons, as JSON.
        pub contributing_factors: serde_json::Value,
        /// Largest move in the trade's favour while it was open, basis points.
        pub max_favourable_bps: Option<f64>,
        /// Largest move against the trade while it was open, basis points.
        pub max_adverse_bps: Option<f64>,
        /// Feature name → value at the signal.
        pub features_at_entry: serde_json::Value,
        /// When it was analysed.
        pub analysed_at: DateTime<Utc>,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

row! {
    /// Where the price went after a trade's exit; moves count in the trade's direction.
    pub struct PostExitRow {
        /// Key of the trade.
        pub trade_id: String,
        /// The run that wrote the row.
        pub run_id: String,
        /// `BASE-QUOTE`.
        pub symbol: String,
        /// Long or short.
        pub direction: Side,
        /// Open of the bar in which the trade was closed.
        pub exit_timestamp: DateTime<Utc>,
        /// Exit fill before costs, quote currency.
        pub exit_price: f64,
        /// What closed the trade.
        pub exit_reason: ExitReason,
        /// Bars after the exit.
        pub horizon_bars: i64,
        /// Close at the horizon, quote currency.
        pub price_after: f64,
        /// Move from the exit price to it, basis points.
        pub move_bps: f64,
        /// Best move up to the horizon, basis points.
        pub best_bps: f64,
        /// Worst move up to the horizon, basis points.
        pub worst_bps: f64,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

run_rows!(PatternRow, AnalysisRow, PostExitRow);
