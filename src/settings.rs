//! The settings of a run, typed. `config/settings.yaml` lists the same keys with unit, default and reason.

mod check;
mod device;
mod fault;
mod instructions;
mod layers;
mod voters;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use check::SettingsError;
pub use fault::Fault;
pub use instructions::instructions_from_environment;
pub use layers::{Purpose, Sources, check_combinations, given_keys, load};

use crate::bars::Timeframe;
use crate::decide::DecideParams;
use crate::folds::FoldParams;
use crate::patterns::PatternParams;
use crate::risk::RiskParams;
use crate::shadow::{BarrierParams, CostParams, MarketType};
use crate::trainer::{ApprovalParams, ModelParams, TrainerParams, VerdictParams};

/// All settings of a run, validated.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Settings {
    /// Which market, and where its candles come from.
    pub market: Market,
    /// Which coins a run uses.
    pub universe: Universe,
    /// Barriers of labels and trades.
    pub labels: BarrierParams,
    /// Walk-forward folds.
    pub folds: FoldParams,
    /// Models and their hyperparameters.
    pub models: ModelParams,
    /// How trades are decided.
    pub decide: DecideParams,
    /// Costs of a trade.
    pub costs: CostParams,
    /// Limits of the account.
    pub risk: RiskParams,
    /// Thresholds that a model must pass.
    pub approve: ApprovalParams,
    /// How much luck there may be among the approved models.
    pub verdict: VerdictParams,
    /// Search for patterns.
    pub patterns: PatternParams,
    /// The database.
    pub brain: Brain,
    /// Uploads to the remote.
    pub sync: Sync,
    /// Notifications.
    pub notify: Notify,
    /// Health checks.
    pub health: Health,
    /// When runs start.
    pub schedule: Schedule,
    /// Where to compute.
    pub engine: Engine,
    /// Logging.
    pub logs: Logs,
    /// Seed of every random draw; equal seeds give equal bits.
    pub seed: u64,
    /// Keys that a file, the environment or `--set` has given.
    #[serde(skip)]
    pub explicit: BTreeSet<String>,
}

/// Settings `market`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Market {
    /// Source of candles.
    pub exchange: Exchange,
    /// Spot or perpetual (`market.type`); funding is charged only for perpetuals.
    #[serde(rename = "type")]
    pub kind: MarketType,
    /// Quote currency of the traded pairs.
    pub quote: String,
    /// Length of a bar.
    pub timeframe: Timeframe,
    /// Days of history that a run uses.
    pub lookback_days: u32,
    /// Most missing bars in a row that are filled; a longer gap drops the history before it.
    pub max_gap_bars: u32,
    /// Hours for which stored candles count as fresh.
    pub cache_hours: f64,
    /// The built-in simulated market.
    pub simulated: Simulated,
}

/// Settings `market.exchange`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Exchange {
    /// Kind of source.
    pub kind: ExchangeKind,
    /// Folder of candle files, for `files`.
    pub path: PathBuf,
    /// Name of the live exchange, for `ccxt`.
    pub name: String,
    /// Seconds until a request without a response counts as failed.
    pub timeout_s: f64,
    /// Retries of a failed request.
    pub retries: u32,
    /// Symbols downloaded at a time.
    pub concurrency: usize,
}

/// Kinds of candle sources.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ExchangeKind {
    /// The built-in simulated market.
    Simulated,
    /// A folder of candle files.
    Files,
    /// A live exchange, through the ccxt library.
    Ccxt,
}

/// Settings `market.simulated`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Simulated {
    /// Number of coins listed.
    pub symbols: usize,
    /// Strength of a planted, learnable pattern: 0 none, 1 obvious.
    pub edge: f64,
}

/// Settings `universe`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Universe {
    /// Number of coins used: the best ranked ones.
    pub top_n: usize,
    /// Least volume, dollars per day.
    pub min_daily_volume_usd: f64,
    /// Least age, days since the first bar.
    pub min_age_days: f64,
    /// If not empty, only these symbols (`BASE-QUOTE`).
    pub include: Vec<String>,
    /// Never these symbols.
    pub exclude: Vec<String>,
}

/// Settings `brain`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Brain {
    /// `sqlite://FILE` or `postgres://USER@HOST/DATABASE`; may hold a password.
    pub url: String,
    /// Most open connections, PostgreSQL only.
    pub connections: u32,
    /// How many days of features are stored.
    pub feature_days: FeatureDays,
}

/// How many days of features the brain stores.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
#[serde(untagged)]
pub enum FeatureDays {
    /// The newest days, this many.
    Newest(u32),
    /// Every day.
    All(AllDays),
}

/// The value `all` of `brain.feature_days`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum AllDays {
    /// `all`.
    All,
}

/// Settings `sync`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Sync {
    /// Where files are uploaded to.
    pub remote: Remote,
    /// Top folder on the remote.
    pub root: String,
    /// Files and requests at a time.
    pub concurrency: usize,
    /// Retries of a failed request.
    pub retries: usize,
    /// Pause before the first retry, milliseconds; doubled each time.
    pub first_pause_ms: u64,
    /// Longest pause between retries, milliseconds.
    pub longest_pause_ms: u64,
    /// Seconds until a request without a response counts as failed.
    pub timeout_s: f64,
    /// Whether the databases are copied to the remote, and restored where they are missing.
    pub databases: bool,
    /// Intervals of the background uploads.
    pub every: SyncEvery,
}

/// Settings `sync.every`: seconds between background uploads.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct SyncEvery {
    /// Learning snapshots.
    pub learning_s: f64,
    /// Logs, monitoring, reports and config.
    pub logs_s: f64,
    /// Models and exports.
    pub models_s: f64,
    /// All candle files.
    pub candles_s: f64,
    /// Candle files that changed recently.
    pub new_candles_s: f64,
    /// Seconds within which a candle file counts as changed recently.
    pub new_within_s: f64,
}

/// Settings `sync.remote`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Remote {
    /// Kind of remote.
    pub kind: RemoteKind,
    /// Folder below the working folder, or the S3 bucket.
    pub path: String,
    /// Address of another S3 or Dropbox server; empty for Amazon's or Dropbox's own.
    pub endpoint: String,
    /// S3 region.
    pub region: String,
}

/// Kinds of remotes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RemoteKind {
    /// A local folder.
    Folder,
    /// S3 or a compatible service.
    S3,
    /// Dropbox.
    Dropbox,
}

/// Settings `notify`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Notify {
    /// Telegram messages.
    pub telegram: Telegram,
}

/// Settings `notify.telegram`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Telegram {
    /// Chat that receives milestones; empty for none.
    pub chat_id: String,
}

/// Settings `health`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Health {
    /// Seconds between rounds of checks.
    pub interval_s: f64,
    /// Seconds until a component that does not respond counts as failed.
    pub timeout_s: f64,
    /// Port of the Prometheus text on 127.0.0.1; 0 turns it off.
    pub metrics_port: u32,
}

/// Settings `schedule`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Schedule {
    /// Start of the daily run, `HH:MM` UTC.
    pub at_utc: String,
}

/// Settings `engine`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Engine {
    /// `auto`, `cpu`, `cuda`, `cuda:N` or `emulated`.
    pub device: String,
    /// CPU threads; 0 uses every core.
    pub threads: usize,
    /// Whether the CPU continues if the GPU is lost.
    pub fallback: bool,
    /// MiB; 0 is three quarters of the free memory. The features, view and votes of a panel that does not fit are in files.
    pub memory_mb: u64,
}

/// Settings `logs`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Logs {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
}

impl Settings {
    /// The built-in defaults of `config/settings.yaml`, for tests and examples.
    pub fn defaults() -> Self {
        load(&Sources::default()).expect("the built-in settings are valid: a test proves it")
    }

    /// The settings that determine the results of the walk-forward training.
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
            verdict: self.verdict.clone(),
            nights: 1.0,
            seed: self.seed,
        }
    }

    /// SHA-256 (hex) of the settings that can change a model. Sections that only affect storage, the device or
    /// logging are left out.
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

    /// The brain's address with its password hidden: the only form that may be logged or stored.
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
