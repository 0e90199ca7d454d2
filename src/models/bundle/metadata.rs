//! `metadata.json`: what is known of a model besides its trees.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::bars::Timeframe;
use crate::decide::Head;
use crate::trainer::{Family, Mix};

/// Everything recorded of a model: where it came from, how it was trained, how it did, and whether it may be traded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// UUID; see [`model_id`].
    pub model_id: String,
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// Of the way models are made, not of this model.
    pub version: String,
    /// `YYYY-MM-DD`.
    pub training_date: String,
    /// Of the out-of-fold trades.
    pub performance_metrics: Performance,
    /// Share of each feature in the gain, the greatest first.
    pub feature_importance: Map<String, Value>,
    pub training_parameters: TrainingParameters,
    /// Device that trained it.
    pub device: String,
    /// SHA-256 (hex) of all its models.
    pub digest: String,
    /// SHA-256 (hex) of each head's trees.
    pub head_digests: BTreeMap<Head, String>,
    /// Of the families that speak beside them, by head or seed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub beside_digests: BTreeMap<Family, BTreeMap<String, String>>,
    /// Whose mean each head is; empty where the trees speak alone.
    #[serde(default, skip_serializing_if = "Mix::is_empty")]
    pub mix: Mix,
    /// SHA-256 (hex) of the candles.
    pub data_digest: String,
    /// Which candles these were; none in models of older versions.
    #[serde(default)]
    pub inputs: Option<Inputs>,
    /// Commit of the program, `unknown` outside a repository.
    pub git_commit: String,
    /// SHA-256 (hex) of the settings that can change a model.
    pub settings_digest: String,
    /// Each walk-forward fold: its windows, rounds and outcome.
    pub folds: Vec<Value>,
    pub approved: bool,
    /// Every threshold that was missed.
    pub reasons: Vec<String>,
    /// True where the candles come from the simulated market.
    pub simulated: bool,
}

/// The candles that a model learned from, its own and those of other symbols that its features look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// `BASE-QUOTE`, ascending.
    pub symbols: Vec<String>,
    pub timeframe: Timeframe,
    /// Longer gaps dropped the history before them.
    pub max_gap_bars: u32,
    /// Open of the first bar.
    pub from: DateTime<Utc>,
    /// Close of the last bar.
    pub to: DateTime<Utc>,
}

/// Metrics of the out-of-fold trades; null where one is undefined.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    pub sharpe_ratio: Option<f64>,
    pub win_rate: Option<f64>,
    pub max_drawdown: Option<f64>,
    pub total_return: Option<f64>,
    /// Further metrics by name.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// How a model was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingParameters {
    pub lookback_days: u32,
    /// Share of the days of a fold that the trees learn from.
    pub train_test_split: f64,
    pub model_type: String,
    /// Hyperparameters and whatever else decided the training.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A UUID that follows from what the model is and which run made it: a run that is resumed stores nothing twice, and
/// two runs of one day each have models of their own.
pub fn model_id(symbol: &str, run_id: &str, digest: &str) -> String {
    let hash = Sha256::digest(format!("{symbol}\0{run_id}\0{digest}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}
