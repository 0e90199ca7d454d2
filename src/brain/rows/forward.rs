//! What models that were handed over have done since.

use chrono::{DateTime, Utc};

use crate::brain::record::{row, run_rows};
use crate::shadow::{ExitReason, Side};

row! {
    /// A signal of a model that an earlier run handed over, on a bar that this model's training had not reached. Without an
    /// outcome the trade has not ended; the run that sees its end writes the row again.
    pub struct ForwardRow {
        /// The run that scored it.
        pub run_id: String,
        /// The model that was handed over.
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
        /// Why the trade ended.
        pub exit_reason: Option<ExitReason>,
        /// Result before costs, basis points.
        pub gross_bps: Option<f64>,
        /// Result after costs, basis points.
        pub net_bps: Option<f64>,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

run_rows!(ForwardRow);
