//! What models that were handed over have done since.

use chrono::{DateTime, Utc};

use crate::brain::record::{row, run_rows};
use crate::shadow::{ExitReason, Side};

row! {
    /// A signal of a model that an earlier run left behind, approved or not, on a bar that this model's training had not reached. Without an
    /// outcome the trade has not ended; the run that sees its end writes the row again.
    pub struct ForwardRow {
        /// The run that scored it.
        pub run_id: String,
        /// The model.
        pub model_id: String,
        /// `BASE-QUOTE`.
        pub symbol: String,
        /// Open of the signal bar.
        pub signal_timestamp: DateTime<Utc>,
        /// Long or short.
        pub direction: Side,
        /// Predicted edge on this side, basis points.
        pub predicted_bps: f64,
        /// What the models of the run that scored it say of the same bar, out of fold, on the same side; None outside their
        /// test windows.
        pub challenger_bps: Option<f64>,
        /// Open of the exit bar.
        pub exit_timestamp: Option<DateTime<Utc>>,
        /// Why the trade ended. `end_of_data`: it was closed at the last price that is known of the coin.
        pub exit_reason: Option<ExitReason>,
        /// Result before costs, basis points.
        pub gross_bps: Option<f64>,
        /// Result after costs, basis points.
        pub net_bps: Option<f64>,
        /// What was realised of the predicted edge: the result before costs, less the funding that is known.
        pub realised_bps: Option<f64>,
        /// Digest of the settings that decide what the prediction means and how the trade is followed. None in rows of older
        /// versions, as are the five columns after it.
        pub basis: Option<String>,
        /// Length of a bar.
        pub timeframe: Option<String>,
        /// `spot` or `perp`.
        pub market_type: Option<String>,
        /// Who decided.
        pub mode: Option<String>,
        /// Distance of the stop, multiples of the ATR at the signal.
        pub stop_atr: Option<f64>,
        /// Distance of the take-profit, multiples of the ATR at the signal.
        pub take_atr: Option<f64>,
        /// Bars after which the trade is closed.
        pub max_hold: Option<i64>,
        /// Whether the model was approved when it was handed over.
        pub approved: bool,
        /// How many of the coins whose candles the model's features use were missing when it was scored.
        pub inputs_missing: Option<i64>,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

run_rows!(ForwardRow);
