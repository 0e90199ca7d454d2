//! What models that were handed over have done on bars that arrived afterwards.

use serde::{Deserialize, Serialize};

/// The forward record: predictions of bars that had not arrived when their models were made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ForwardReport {
    /// Days that count.
    pub days: u32,
    /// Signals whose trade has not ended.
    pub open: u64,
    /// All coins together.
    pub all: ForwardSum,
    /// All coins together, of the models that were approved when they were handed over.
    pub approved: ForwardSum,
    /// Models that were not scored, because they were made under other settings.
    pub left_out: u64,
    /// Coins that scored models have learned from and that this run does not have.
    pub missing: Vec<String>,
    /// One row per coin with a signal whose trade has ended.
    pub coins: Vec<ForwardCoin>,
}

/// The forward record of one coin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ForwardCoin {
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// Whether the coin lost its approval by this record.
    pub lost: bool,
    /// Whether the model of this run is approved.
    pub approved: bool,
    /// Its trades.
    #[serde(flatten)]
    pub sum: ForwardSum,
}

/// Trades of models that earlier runs left behind, the champions, against what this or a later run's models say of the same bars out of fold, the
/// challengers. Means in basis points; `None` where undefined.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ForwardSum {
    /// Number of trades.
    pub trades: u64,
    /// Days with a trade.
    pub days: usize,
    /// Mean predicted edge.
    pub predicted_bps: Option<f64>,
    /// Mean result before costs.
    pub gross_bps: Option<f64>,
    /// Mean result after costs.
    pub net_bps: Option<f64>,
    /// Mean of what was realised of the predicted edge: the result before costs, less the funding that is known.
    pub realised_bps: Option<f64>,
    /// Standard error of the mean of realised less predicted, by blocks of days at least as long as a label.
    pub error_bps: Option<f64>,
    /// Mean of realised less predicted over that error.
    pub t: Option<f64>,
    /// Number of trades of whose bars a challenger says something.
    #[serde(default)]
    pub challenged: u64,
    /// Mean edge that the challengers predict, over these trades.
    pub challenger_bps: Option<f64>,
    /// Root of the champions' mean squared error, where a challenger says something too.
    pub champion_error: Option<f64>,
    /// Root of the challengers' mean squared error.
    pub challenger_error: Option<f64>,
}
