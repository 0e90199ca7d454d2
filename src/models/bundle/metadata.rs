//! `metadata.json`: what is recorded about a model besides its trees.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::bars::{MarketTerms, Timeframe};
use crate::decide::Head;
use crate::trainer::{Family, Mix};

/// Everything recorded about a model: its origin, its training, its performance, and whether it may be traded.
/// docs/contract.md, section 6, describes the fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// UUID; see [`model_id`].
    pub model_id: String,
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// Version of the program.
    pub version: String,
    /// `YYYY-MM-DD`.
    pub training_date: String,
    /// Metrics of the out-of-fold trades.
    pub performance_metrics: Performance,
    /// Column of the view → share of the gain, as far as the trees are believed, greatest first.
    pub feature_importance: Map<String, Value>,
    /// Whether anything of the trees is believed. If not, the shares are those of all trees that were trained; none in models of
    /// older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_importance_believed: Option<bool>,
    /// How it was trained.
    pub training_parameters: TrainingParameters,
    /// Device that trained it.
    pub device: String,
    /// SHA-256 (hex) over the digests of all its models.
    pub digest: String,
    /// SHA-256 (hex) of each head's trees.
    pub head_digests: BTreeMap<Head, String>,
    /// Digests of the families other than boosted trees, by head or seed.
    #[serde(rename = "beside_digests", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other_family_digests: BTreeMap<Family, BTreeMap<String, String>>,
    /// Head → the families whose mean it is; empty if the model has only boosted trees.
    #[serde(default, skip_serializing_if = "Mix::is_empty")]
    pub mix: Mix,
    /// SHA-256 (hex) of the candles.
    pub data_digest: String,
    /// Which candles these were; None in models of older versions.
    #[serde(default)]
    pub inputs: Option<Inputs>,
    /// Commit of the program, `unknown` outside a repository.
    pub git_commit: String,
    /// SHA-256 (hex) of the settings that can change a model.
    pub settings_digest: String,
    /// One entry per walk-forward fold: its windows, rounds and losses.
    pub folds: Vec<Value>,
    /// How its predictions become trades: the `basis` of its forward record, decision mode and voters' settings, safety margin, costs, barriers, risk limits, verdict,
    /// and the calibration; null in models of older versions.
    #[serde(default)]
    pub policy: Value,
    /// Whether it passed every threshold of `approve` and `verdict`.
    pub approved: bool,
    /// Every threshold that was missed, in words.
    pub reasons: Vec<String>,
    /// Day of the run that withdrew it, because this run did not train its coin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<NaiveDate>,
    /// True if the candles come from the simulated market.
    pub simulated: bool,
}

/// The candles that a model was trained on: its own and those of other symbols that its features use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// `BASE-QUOTE`, ascending.
    pub symbols: Vec<String>,
    /// Length of a bar.
    pub timeframe: Timeframe,
    /// A longer gap dropped the history before it.
    pub max_gap_bars: u32,
    /// Open of the first bar.
    pub from: DateTime<Utc>,
    /// Close of the last bar.
    pub to: DateTime<Utc>,
    /// Terms of the exchange, of the symbols for which some are known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub terms: BTreeMap<String, MarketTerms>,
}

/// Metrics of the out-of-fold trades; null where undefined.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    /// Annualised, net of costs.
    pub sharpe_ratio: Option<f64>,
    /// Share of trades that made money.
    pub win_rate: Option<f64>,
    /// Largest fall from a peak, share of equity.
    pub max_drawdown: Option<f64>,
    /// Share of the starting equity.
    pub total_return: Option<f64>,
    /// Further metrics by name.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// How a model was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingParameters {
    /// Days of history of the run.
    pub lookback_days: u32,
    /// Share of a fold's train and test days that is neither validation nor test.
    pub train_test_split: f64,
    /// `LightGBM`, `Neural` or `Ensemble`.
    pub model_type: String,
    /// Hyperparameters and everything else that determined the training.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Metadata {
    /// The coins whose candles the model has learned from and that are not among `symbols`. The columns of the view that compare
    /// coins, such as the market's mean, mean something else without them.
    pub fn missing_inputs(&self, symbols: &[String]) -> Vec<String> {
        let inputs = self.inputs.iter().flat_map(|inputs| &inputs.symbols);
        inputs.filter(|symbol| !symbols.contains(symbol)).cloned().collect()
    }
}

/// A UUID that follows from symbol, run and digest, so that a resumed run stores nothing twice and two runs of one
/// day have different models.
pub fn model_id(symbol: &str, run_id: &str, digest: &str) -> String {
    let hash = Sha256::digest(format!("{symbol}\0{run_id}\0{digest}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}
