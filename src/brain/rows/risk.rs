//! What risk refused, and when its breakers held.

use chrono::{DateTime, Utc};

use crate::brain::record::{row, run_rows};
use crate::shadow::Side;

row! {
    /// A shadow trade that the portfolio did not take; `_gbp` columns are money in `account_currency`.
    pub struct RefusalRow {
        /// That of the trade in `shadow_trades`.
        pub trade_id: String,
        pub run_id: String,
        pub symbol: String,
        pub direction: Side,
        pub entry_timestamp: DateTime<Utc>,
        /// `Refusal::name`.
        pub reason: String,
        pub account_currency: String,
        /// Size that an account without open positions would have taken; none where it did not come to a size.
        pub wanted_gbp: Option<f64>,
        /// What the caps left of it.
        pub room_gbp: Option<f64>,
        pub equity_gbp: f64,
        /// What else there is to say: the stop's distance, a share of the entry's price.
        pub detail: serde_json::Value,
        pub simulated: bool,
    }
}

row! {
    /// A circuit breaker of the portfolio and the time for which it held.
    pub struct BreakerRow {
        pub run_id: String,
        /// `Breaker::name`.
        pub breaker: String,
        /// Open of the bar in which it tripped.
        pub from_time: DateTime<Utc>,
        /// Open of the first bar with which it no longer held; the end of the data where it held to the last.
        pub to_time: DateTime<Utc>,
        pub simulated: bool,
    }
}

run_rows!(RefusalRow, BreakerRow);
