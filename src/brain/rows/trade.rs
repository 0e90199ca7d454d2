//! Trades: those that the account was offered, and the coins' own.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::brain::record::{row, run_rows};
use crate::shadow::{ExitReason, Side};

row! {
    /// One simulated trade with every cost; `_gbp` columns are money in `account_currency`.
    pub struct TradeRow {
        /// See [`TradeRow::id`]; equal for the trade of one signal in `trade_memory` and `shadow_trades`.
        pub trade_id: String,
        /// The run that made it.
        pub run_id: String,
        /// `BASE-QUOTE`.
        pub symbol: String,
        /// Index of the walk-forward fold whose model gave the signal.
        pub fold: i64,
        /// Long or short.
        pub direction: Side,
        /// Open of the bar at whose close the signal came.
        pub signal_timestamp: DateTime<Utc>,
        /// Open of the entry bar.
        pub entry_timestamp: DateTime<Utc>,
        /// Entry fill before costs, quote currency.
        pub entry_price: f64,
        /// Open of the bar in which the trade was closed.
        pub exit_timestamp: DateTime<Utc>,
        /// Exit fill before costs, quote currency.
        pub exit_price: f64,
        /// Price of the stop, quote currency.
        pub stop_price: f64,
        /// Price of the take-profit, quote currency.
        pub take_price: f64,
        /// Notional that the account took, account currency; 0 if it refused the trade. In `shadow_trades` the account
        /// is the model's own.
        pub position_size: f64,
        /// Currency of the `_gbp` columns.
        pub account_currency: String,
        /// Return before costs, basis points of the notional.
        pub gross_profit_bps: f64,
        /// Exchange fees of both fills.
        pub fee_bps: f64,
        /// Cost of the spread of both fills.
        pub spread_bps: f64,
        /// Slippage of both fills.
        pub slippage_bps: f64,
        /// Funding over the holding time.
        pub funding_bps: f64,
        /// Return after all costs: gross − fee − spread − slippage − funding.
        pub net_bps: f64,
        /// Profit before costs.
        pub gross_profit_gbp: f64,
        /// Exchange fees.
        pub fees_gbp: f64,
        /// Cost of the spread.
        pub spread_gbp: f64,
        /// Cost of slippage.
        pub slippage_gbp: f64,
        /// Cost of funding.
        pub funding_gbp: f64,
        /// Profit after all costs.
        pub net_profit_gbp: f64,
        /// Bars from entry to exit.
        pub hold_bars: i64,
        /// Minutes from entry to exit.
        pub hold_minutes: f64,
        /// What closed the trade.
        pub exit_reason: ExitReason,
        /// Regime at the signal; None if there was too little history.
        pub market_regime: Option<String>,
        /// Regime at the exit, if it was known.
        pub market_regime_exit: Option<String>,
        /// Volatility of the last 20 bars at the signal, basis points per bar.
        pub volatility_bps: Option<f64>,
        /// Whether `net_bps` is above 0.
        pub is_winner: bool,
        /// Key of the model that gave the signal.
        pub model_id: Option<String>,
        /// Version of the program that trained the model.
        pub model_version: String,
        /// The model's probability that a trade on this side wins.
        pub prediction: Option<f64>,
        /// Expected return of the trade on its side before costs, basis points.
        pub expected_edge_bps: Option<f64>,
        /// Consensus score of the voters at the signal.
        pub consensus_score: Option<f64>,
        /// What the score had to exceed.
        pub consensus_threshold: Option<f64>,
        /// Confidence of the consensus, per cent.
        pub confidence: Option<f64>,
        /// Voter → vote at the signal.
        pub votes: serde_json::Value,
        /// Feature name → value at the signal.
        pub features_at_entry: serde_json::Value,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

run_rows!(TradeRow);

impl TradeRow {
    /// The trade's key: 32 hexadecimal digits of a hash over what distinguishes it within its run.
    pub fn id(run_id: &str, symbol: &str, signal: DateTime<Utc>, side: Side, fold: i64) -> String {
        let text = format!("{run_id}\n{symbol}\n{}\n{side}\n{fold}", signal.timestamp_millis());
        crate::text::hex(&Sha256::digest(text.as_bytes())[..16])
    }
}
