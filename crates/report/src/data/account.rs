//! Results of the accounts: the one as it would have gone, and that of all models.

use serde::{Deserialize, Serialize};

use super::SharpeEvidence;

/// Results of an account; `None` where undefined. Means are over the trades that it took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountResult {
    /// Number of trades taken.
    pub trades: u64,
    /// Number of trades that the risk rules refused.
    pub refused: u64,
    /// Share of winning trades.
    pub win_rate: Option<f64>,
    /// Annualised Sharpe ratio.
    pub sharpe: Option<f64>,
    /// Largest fall from a peak, as a share of the peak.
    pub max_drawdown: Option<f64>,
    /// Final equity / starting equity − 1.
    pub total_return: Option<f64>,
    /// Mean predicted edge on the side of the trade, basis points; `None` where the models do not decide.
    pub predicted_bps: Option<f64>,
    /// Mean result before costs, basis points.
    pub gross_bps: Option<f64>,
    /// Mean of what was realised of the predicted edge: the result before costs, less the funding that is known; basis points.
    pub realised_bps: Option<f64>,
    /// Mean costs, basis points.
    pub cost_bps: Option<f64>,
    /// Mean result after costs, basis points.
    pub net_bps: Option<f64>,
    /// Standard error of the mean of `realised_bps` by days, basis points; `None` with trades on fewer than ten days.
    pub error_bps: Option<f64>,
    /// Standard error of the mean result after costs, likewise.
    #[serde(default)]
    pub net_error_bps: Option<f64>,
    /// Significance of the Sharpe ratio; the observations are the account's days.
    #[serde(rename = "luck")]
    pub evidence: SharpeEvidence,
}

/// What was approved when a fold's test window began, from what was known by then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRow {
    /// Number of the fold.
    pub fold: usize,
    /// Start of its test window, ms UTC.
    pub from_ms: i64,
    /// Number of models that were judged.
    pub judged: usize,
    /// Coins whose models were approved.
    pub approved: Vec<String>,
}
