//! Shadow trades.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::brain::record::{row, run_rows};
use crate::shadow::{ExitReason, Side};

row! {
    /// One shadow trade with every cost; `_gbp` columns are money in `account_currency`.
    pub struct TradeRow {
        /// `TradeRow::id`: equal for equal trades of one run.
        pub trade_id: String,
        pub run_id: String,
        pub symbol: String,
        /// Walk-forward window whose model gave the signal.
        pub fold: i64,
        pub direction: Side,
        /// Bar at whose close the signal came.
        pub signal_timestamp: DateTime<Utc>,
        pub entry_timestamp: DateTime<Utc>,
        pub entry_price: f64,
        pub exit_timestamp: DateTime<Utc>,
        pub exit_price: f64,
        pub stop_price: f64,
        pub take_price: f64,
        /// Notional, quote currency.
        pub position_size: f64,
        pub account_currency: String,
        pub gross_profit_bps: f64,
        pub fee_bps: f64,
        pub spread_bps: f64,
        pub slippage_bps: f64,
        pub funding_bps: f64,
        /// gross − fee − spread − slippage − funding.
        pub net_bps: f64,
        pub gross_profit_gbp: f64,
        pub fees_gbp: f64,
        pub spread_gbp: f64,
        pub slippage_gbp: f64,
        pub funding_gbp: f64,
        pub net_profit_gbp: f64,
        pub hold_bars: i64,
        pub hold_minutes: f64,
        pub exit_reason: ExitReason,
        /// Regime at entry; none before it is known.
        pub market_regime: Option<String>,
        pub market_regime_exit: Option<String>,
        /// Of the last 20 bars at entry, in basis points a bar.
        pub volatility_bps: Option<f64>,
        pub is_winner: bool,
        pub model_id: Option<String>,
        pub model_version: String,
        /// What the model gave: probability of a win on this side.
        pub prediction: Option<f64>,
        pub expected_edge_bps: Option<f64>,
        /// Consensus score of the voting engines at the signal, and what it had to exceed.
        pub consensus_score: Option<f64>,
        pub consensus_threshold: Option<f64>,
        /// Per cent.
        pub confidence: Option<f64>,
        /// Engine → vote at the signal.
        pub votes: serde_json::Value,
        /// Feature name → value at the signal.
        pub features_at_entry: serde_json::Value,
        pub simulated: bool,
    }
}

run_rows!(TradeRow);

impl TradeRow {
    /// The trade's name: 32 hexadecimal digits drawn from what makes it one of its run.
    pub fn id(run_id: &str, symbol: &str, signal: DateTime<Utc>, side: Side, fold: i64) -> String {
        let text = format!("{run_id}\n{symbol}\n{}\n{side}\n{fold}", signal.timestamp_millis());
        crate::text::hex(&Sha256::digest(text.as_bytes())[..16])
    }
}
