//! Every setting of a run, typed; `config/settings.yaml` holds the same keys with unit, default and reason.

mod check;
pub mod engines;
mod layers;
mod patterns;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use check::{Fault, SettingsError};
pub use engines::Engines;
pub use layers::{Purpose, Sources, load};
pub use patterns::Patterns;

use crate::market::Timeframe;

/// The whole of a run's settings, validated.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Settings {
    pub market: Market,
    pub universe: Universe,
    pub labels: Labels,
    pub folds: Folds,
    pub models: Models,
    pub decide: Decide,
    pub costs: Costs,
    pub risk: Risk,
    pub approve: Approve,
    pub patterns: Patterns,
    pub brain: Brain,
    pub sync: Sync,
    pub notify: Notify,
    pub health: Health,
    pub schedule: Schedule,
    pub engine: Engine,
    pub logs: Logs,
    pub seed: u64,
    /// The keys that a file, the environment or `--set` has given.
    #[serde(skip)]
    pub explicit: BTreeSet<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Market {
    pub exchange: Exchange,
    #[serde(rename = "type")]
    pub kind: MarketType,
    pub quote: String,
    pub timeframe: Timeframe,
    pub lookback_days: u32,
    pub max_gap_bars: u32,
    pub cache_hours: f64,
    pub simulated: Simulated,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Exchange {
    pub kind: ExchangeKind,
    pub path: PathBuf,
    pub name: String,
    pub timeout_s: f64,
    pub retries: u32,
    pub concurrency: usize,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ExchangeKind {
    Simulated,
    Files,
    Ccxt,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum MarketType {
    Spot,
    Perp,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Simulated {
    pub symbols: usize,
    pub edge: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Universe {
    pub top_n: usize,
    pub min_daily_volume_usd: f64,
    pub min_age_days: f64,
    pub include: Vec<String>,
    pub exclude: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Labels {
    pub stop_atr: f64,
    pub take_atr: f64,
    pub max_hold: u32,
}

impl Labels {
    /// Bars after the signal that a label can look at: one to the entry, then the longest hold.
    pub fn horizon_bars(&self) -> usize {
        self.max_hold as usize + 1
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Folds {
    pub train_days: u32,
    pub purge_days: u32,
    pub test_days: u32,
    pub step_days: u32,
    pub validation_share: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Models {
    pub kind: ModelKind,
    pub rounds: u32,
    pub learning_rate: f64,
    pub growth: TreeGrowth,
    pub max_depth: u32,
    pub max_leaves: u32,
    pub max_bin: u32,
    pub l2: f64,
    pub min_child_hessian: f64,
    pub min_split_gain: f64,
    pub subsample: f64,
    pub colsample: f64,
    pub colsample_node: f64,
    pub early_stopping: u32,
    pub min_rounds: u32,
    pub edge_loss: EdgeLoss,
    pub edge_huber_bps: f64,
    pub edge_quantile: f64,
    pub search: ModelSearch,
    pub neural: NeuralModels,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    Gbdt,
    Forest,
    Neural,
    Ensemble,
}

/// Networks.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct NeuralModels {
    pub window: u32,
    pub width: u32,
    pub blocks: u32,
    pub epochs: u32,
    pub batch: u32,
    pub learning_rate: f64,
    pub weight_decay: f64,
    pub dropout: f64,
    pub label_smoothing: f64,
    pub clip_norm: f64,
    pub patience: u32,
    pub seeds: u32,
}

/// Which leaf of a growing tree is split next.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum TreeGrowth {
    Level,
    Leaf,
}

/// What the head `edge_bps` learns by.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum EdgeLoss {
    Squared,
    Huber,
    Quantile,
}

/// Hyperparameters by successive halving.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct ModelSearch {
    pub configurations: usize,
    pub halving: usize,
    pub rungs: u32,
    pub pool: bool,
    pub grid: SearchGrid,
}

/// Values that a configuration draws from.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct SearchGrid {
    pub learning_rate: Vec<f64>,
    pub max_depth: Vec<u32>,
    pub l2: Vec<f64>,
    pub min_child_hessian: Vec<f64>,
    pub subsample: Vec<f64>,
    pub colsample: Vec<f64>,
}

impl ModelSearch {
    /// Whether there is anything to choose from.
    pub fn wanted(&self) -> bool {
        self.configurations > 1
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Decide {
    pub mode: DecideMode,
    pub threshold: f64,
    pub threshold_bars: u32,
    pub reliability_bars: u32,
    pub record_bars: u32,
    pub record_min: u32,
    pub engines: Engines,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum DecideMode {
    Consensus,
    Model,
    Both,
}

impl DecideMode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Model => "model",
            Self::Both => "both",
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Costs {
    pub fee_bps: f64,
    pub spread_bps: f64,
    pub slippage_k: f64,
    pub slippage_cap_bps: f64,
    pub funding_bps_per_8h: f64,
    pub safety_margin_bps: f64,
    pub notional: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Risk {
    pub per_trade: f64,
    pub daily_stop: f64,
    pub drawdown_stop: f64,
    pub max_leverage: f64,
    pub max_coin_share: f64,
    pub streak_losses: u32,
    pub streak_factor: f64,
    pub streak_wins: u32,
    pub volatility_percentile: f64,
    pub volatility_days: u32,
    pub defence_factor: f64,
    pub account_currency: String,
    pub quote_per_account: f64,
    pub equity: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Approve {
    pub min_sharpe: f64,
    pub min_win_rate: f64,
    pub max_drawdown: f64,
    pub min_trades: u32,
    pub min_deflated_sharpe: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Brain {
    pub url: String,
    pub connections: u32,
    pub feature_days: FeatureDays,
}

/// How much of the newest features the brain keeps.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
#[serde(untagged)]
pub enum FeatureDays {
    Newest(u32),
    All(AllDays),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum AllDays {
    All,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Sync {
    pub remote: Remote,
    pub root: String,
    pub concurrency: usize,
    pub retries: usize,
    pub first_pause_ms: u64,
    pub longest_pause_ms: u64,
    pub timeout_s: f64,
    pub databases: bool,
    pub every: SyncEvery,
}

/// Seconds between two looks of the background uploads.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct SyncEvery {
    pub learning_s: f64,
    pub logs_s: f64,
    pub models_s: f64,
    pub candles_s: f64,
    pub new_candles_s: f64,
    /// Age, not a distance: files changed within it count as new candles.
    pub new_within_s: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Remote {
    pub kind: RemoteKind,
    pub path: String,
    pub endpoint: String,
    pub region: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RemoteKind {
    Folder,
    S3,
    Dropbox,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Notify {
    pub telegram: Telegram,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Telegram {
    pub chat_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Health {
    pub interval_s: f64,
    pub timeout_s: f64,
    pub metrics_port: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Schedule {
    pub at_utc: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Engine {
    pub device: String,
    pub threads: usize,
    pub fallback: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Logs {
    pub level: String,
}

impl Settings {
    /// The built-in defaults of `config/settings.yaml`, for tests and examples.
    pub fn defaults() -> Self {
        load(&Sources::default()).expect("the built-in settings are valid: a test proves it")
    }

    /// SHA-256 (hex) of the settings that can change a model: where a run stores its results, on which
    /// device and how loudly it computes are left out.
    pub fn digest(&self) -> String {
        let mut value = serde_json::to_value(self).expect("settings are plain data");
        if let Some(map) = value.as_object_mut() {
            for key in ["patterns", "brain", "sync", "notify", "health", "schedule", "engine", "logs"] {
                map.remove(key);
            }
        }
        let digest = Sha256::digest(value.to_string().as_bytes());
        crate::text::hex(&digest)
    }

    /// The brain's address with any password hidden: the only form that may be logged or stored.
    pub fn brain_url_redacted(&self) -> String {
        redact_url(&self.brain.url)
    }
}

/// Replaces the password of a URL by `***`.
pub fn redact_url(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 < at => {
            let user = url[scheme + 3..at].split(':').next().unwrap_or("");
            let secret = if url[scheme + 3..at].contains(':') { ":***" } else { "" };
            format!("{}{user}{secret}{}", &url[..scheme + 3], &url[at..])
        }
        _ => url.to_owned(),
    }
}
