//! Every setting of a run, typed; `config/settings.yaml` holds the same keys with unit, default and reason.

mod check;
mod device;
mod layers;
mod voters;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use check::{Fault, SettingsError};
pub use layers::{Purpose, Sources, load};

use crate::bars::Timeframe;
use crate::decide::DecideParams;
use crate::folds::FoldParams;
use crate::patterns::PatternParams;
use crate::risk::RiskParams;
use crate::shadow::{BarrierParams, CostParams, MarketType};
use crate::trainer::{ApprovalParams, ModelParams, TrainerParams};

/// The whole of a run's settings, validated.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Settings {
    pub market: Market,
    pub universe: Universe,
    pub labels: BarrierParams,
    pub folds: FoldParams,
    pub models: ModelParams,
    pub decide: DecideParams,
    pub costs: CostParams,
    pub risk: RiskParams,
    pub approve: ApprovalParams,
    pub patterns: PatternParams,
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

    /// What decides the results of the walk-forward.
    pub fn trainer(&self) -> TrainerParams {
        TrainerParams {
            market: self.market.kind,
            barriers: self.labels.clone(),
            folds: self.folds.clone(),
            models: self.models.clone(),
            decide: self.decide.clone(),
            costs: self.costs.clone(),
            risk: self.risk.clone(),
            approve: self.approve.clone(),
            seed: self.seed,
        }
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
