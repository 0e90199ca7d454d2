//! Refused trades, and periods in which breakers held.

use chrono::{DateTime, Utc};

use crate::brain::record::{row, run_rows};
use crate::shadow::Side;

row! {
    /// A trade that the account refused; `_gbp` columns are money in `account_currency`.
    pub struct RefusalRow {
        /// Key of the trade in `trade_memory`.
        pub trade_id: String,
        /// The run.
        pub run_id: String,
        /// `BASE-QUOTE`.
        pub symbol: String,
        /// Long or short.
        pub direction: Side,
        /// Open of the entry bar.
        pub entry_timestamp: DateTime<Utc>,
        /// Name of the rule, see `Refusal::name`.
        pub reason: String,
        /// Currency of the `_gbp` columns.
        pub account_currency: String,
        /// Notional that an account without open positions would have taken; None if sizing stopped before.
        pub wanted_gbp: Option<f64>,
        /// Notional that the caps left of it.
        pub room_gbp: Option<f64>,
        /// Equity of the account at that moment.
        pub equity_gbp: f64,
        /// Further details: the distance of the stop, a share of the entry price.
        pub detail: serde_json::Value,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

row! {
    /// A period in which a circuit breaker of the account held.
    pub struct BreakerRow {
        /// The run.
        pub run_id: String,
        /// Name of the breaker, see `Breaker::name`.
        pub breaker: String,
        /// Open of the bar in which it tripped.
        pub from_time: DateTime<Utc>,
        /// Open of the first bar at which it no longer held, or the end of the data.
        pub to_time: DateTime<Utc>,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

run_rows!(RefusalRow, BreakerRow);
