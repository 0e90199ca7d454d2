//! Validation of the settings: ranges and combinations. All faults are found before anything runs.

use std::fmt;

use serde_json::Value as Json;

use super::fault::Fault;
use super::voters;
use super::{ExchangeKind, Purpose, RemoteKind, Settings};
use crate::bars::{DAY_MS, Timeframe};
use crate::trainer::{ModelKind, NetworkParams, SearchParams, TreeGrowth};

/// All faults of the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError {
    /// In the order in which they were found.
    pub faults: Vec<Fault>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.faults.len();
        write!(f, "the settings have {count} fault{}:", if count == 1 { "" } else { "s" })?;
        for fault in &self.faults {
            write!(f, "\n  {}: {}; {}", fault.key, fault.problem, fault.remedy)?;
        }
        Ok(())
    }
}

/// Whether a setting must be a whole number.
pub(super) fn is_whole(key: &str) -> bool {
    WHOLE.contains(&key) || voters::WHOLE.contains(&key)
}

const WHOLE: &[&str] = &[
    "market.exchange.retries",
    "market.exchange.concurrency",
    "market.lookback_days",
    "market.max_gap_bars",
    "market.simulated.symbols",
    "universe.top_n",
    "labels.max_hold",
    "folds.train_days",
    "folds.purge_days",
    "folds.test_days",
    "folds.step_days",
    "models.rounds",
    "models.max_depth",
    "models.max_leaves",
    "models.max_bin",
    "models.early_stopping",
    "models.min_rounds",
    "models.search.configurations",
    "models.search.halving",
    "models.search.rungs",
    "models.search.grid.max_depth",
    "models.neural.window",
    "models.neural.width",
    "models.neural.blocks",
    "models.neural.epochs",
    "models.neural.batch",
    "models.neural.patience",
    "models.neural.seeds",
    "decide.threshold_bars",
    "decide.reliability_bars",
    "decide.record_bars",
    "decide.record_min",
    "risk.drawdown_days",
    "risk.streak_losses",
    "risk.streak_wins",
    "risk.volatility_days",
    "approve.min_trades",
    "verdict.forward_days",
    "patterns.bins",
    "patterns.depth",
    "patterns.min_rows",
    "patterns.beam",
    "patterns.most",
    "patterns.leads",
    "brain.connections",
    "brain.feature_days",
    "sync.concurrency",
    "sync.retries",
    "health.metrics_port",
    "sync.first_pause_ms",
    "sync.longest_pause_ms",
    "engine.threads",
    "engine.memory_mb",
    "seed",
];

const CHOICES: &[(&str, &[&str])] = &[
    ("market.exchange.kind", &["simulated", "files", "ccxt"]),
    ("market.exchange.name", &["binance", "coinbase", "kraken"]),
    ("market.type", &["spot", "perp"]),
    ("models.kind", &["gbdt", "forest", "neural", "ensemble"]),
    ("models.scope", &["coin", "pooled", "partial"]),
    ("models.growth", &["level", "leaf"]),
    ("models.edge_loss", &["squared", "huber", "quantile"]),
    ("decide.mode", &["consensus", "model", "both"]),
    ("costs.slippage", &["volatility", "turnover"]),
    ("costs.spot_shorts", &["none", "borrow"]),
    ("sync.remote.kind", &["folder", "s3", "dropbox"]),
    ("logs.level", &["error", "warn", "info", "debug", "trace"]),
];

/// Checks settings with a fixed list of values. A faulty one is reset to its default, so that the rest can be
/// checked.
pub(super) fn choices(schema: &Json, tree: &mut Json, faults: &mut Vec<Fault>) {
    for (key, allowed) in CHOICES {
        let given = leaf(tree, key).as_str().unwrap_or_default().to_owned();
        if !allowed.contains(&given.as_str()) {
            faults.push(Fault::new(*key, format!("is '{given}'"), format!("choose one of: {}", allowed.join(", "))));
            reset(schema, tree, key);
        }
    }
    let timeframe = leaf(tree, "market.timeframe").as_str().unwrap_or_default().to_owned();
    if let Err(error) = timeframe.parse::<Timeframe>() {
        faults.push(Fault::new("market.timeframe", format!("is '{timeframe}'"), error.to_string()));
        reset(schema, tree, "market.timeframe");
    }
}

fn pointer(key: &str) -> String {
    format!("/{}", key.replace('.', "/"))
}

fn leaf<'a>(tree: &'a Json, key: &str) -> &'a Json {
    tree.pointer(&pointer(key)).unwrap_or(&Json::Null)
}

fn reset(schema: &Json, tree: &mut Json, key: &str) {
    if let Some(slot) = tree.pointer_mut(&pointer(key)) {
        *slot = leaf(schema, key).clone();
    }
}

/// Checks ranges and impossible combinations.
pub(super) fn combinations(s: &Settings, purpose: Purpose, faults: &mut Vec<Fault>) {
    ranges(s, faults);
    voters::combinations(&s.decide.voters, faults);
    if purpose == Purpose::Training {
        fold_combinations(s, faults);
    }
    let mut fault = |key: &str, problem: String, remedy: String| faults.push(Fault::new(key, problem, remedy));

    let m = &s.models;
    if matches!(m.kind, ModelKind::Forest | ModelKind::Ensemble)
        && m.subsample >= 1.0
        && m.colsample >= 1.0
        && m.colsample_node >= 1.0
    {
        fault(
            "models.subsample",
            "is 1, as are colsample and colsample_node: all trees of the forest would be equal".into(),
            "lower one of them, to sample rows or features".into(),
        );
    }
    let window = m.neural.window;
    if !(window.is_power_of_two() && window <= 128) {
        fault("models.neural.window", format!("is {window}"), "give 1, 2, 4, 8, 16, 32, 64 or 128".into());
    }
    risk_combinations(s, &mut fault);
    if s.market.exchange.kind == ExchangeKind::Files && s.market.exchange.path.as_os_str().is_empty() {
        fault("market.exchange.path", "is empty".into(), "name the folder of candle files".into());
    }
    if s.market.exchange.kind == ExchangeKind::Ccxt && !cfg!(feature = "ccxt") {
        fault(
            "market.exchange.kind",
            "is ccxt, but this build has no live exchanges".into(),
            "build with `--features ccxt` (or `--features full`)".into(),
        );
    }
    if s.sync.remote.kind == RemoteKind::S3 && !cfg!(feature = "s3") {
        fault(
            "sync.remote.kind",
            "is s3, but this build has no S3".into(),
            "build with `--features s3` (or `--features full`)".into(),
        );
    }
    if !s.brain.url.starts_with("sqlite://")
        && !s.brain.url.starts_with("postgres://")
        && !s.brain.url.starts_with("postgresql://")
    {
        fault("brain.url", format!("is '{}'", s.brain_url_redacted()), "start it with sqlite:// or postgres://".into());
    }
    if let Err(problem) = s.engine.device.parse::<crate::engine::DeviceChoice>() {
        fault("engine.device", format!("is '{}'", s.engine.device), problem.to_string());
    }
    let clock =
        s.schedule.at_utc.split_once(':').and_then(|(h, m)| Some((h.parse::<u8>().ok()?, m.parse::<u8>().ok()?)));
    if !matches!(clock, Some((0..=23, 0..=59))) {
        fault("schedule.at_utc", format!("is '{}'", s.schedule.at_utc), "give a time of day as \"HH:MM\"".into());
    }
    if s.sync.longest_pause_ms < s.sync.first_pause_ms {
        fault(
            "sync.longest_pause_ms",
            format!("is {}, which is shorter than the first pause", s.sync.longest_pause_ms),
            format!("set it to at least sync.first_pause_ms, which is {}", s.sync.first_pause_ms),
        );
    }
    if s.sync.every.new_within_s < s.sync.every.new_candles_s {
        fault(
            "sync.every.new_within_s",
            format!("is {}: files that change between two uploads would be missed", s.sync.every.new_within_s),
            format!("set it to at least sync.every.new_candles_s, which is {}", s.sync.every.new_candles_s),
        );
    }
    if s.sync.root.is_empty() || s.sync.root.contains("..") || s.sync.root.starts_with('/') {
        fault("sync.root", format!("is '{}'", s.sync.root), "give a plain folder name".into());
    }
}

fn fold_combinations(s: &Settings, faults: &mut Vec<Fault>) {
    let mut fault = |key: &str, problem: String, remedy: String| faults.push(Fault::new(key, problem, remedy));
    let horizon_ms = s.labels.horizon_bars() as i64 * s.market.timeframe.ms();
    let purge_ms = i64::from(s.folds.purge_days) * DAY_MS;
    if purge_ms < horizon_ms {
        let needed = (horizon_ms + DAY_MS - 1) / DAY_MS;
        fault(
            "folds.purge_days",
            format!(
                "is {}, but a label can reach {} bars of {} ahead",
                s.folds.purge_days,
                s.labels.horizon_bars(),
                s.market.timeframe
            ),
            format!("set it to at least {needed}, or shorten labels.max_hold"),
        );
    }
    let window = s.folds.train_days + s.folds.purge_days + s.folds.step_days;
    if window > s.market.lookback_days {
        fault(
            "market.lookback_days",
            format!(
                "is {}, but a fold at a fixed date needs up to {window} days (train + purge + step)",
                s.market.lookback_days
            ),
            format!("set it to at least {window}, or shorten the fold"),
        );
    }
    if s.folds.step_days < s.folds.test_days {
        fault(
            "folds.step_days",
            format!("is {}, so test windows of {} days overlap", s.folds.step_days, s.folds.test_days),
            format!("set it to at least {}, so that no bar is traded twice", s.folds.test_days),
        );
    }
    let validation_days = s.folds.validation_share * f64::from(s.folds.train_days + s.folds.test_days);
    if validation_days + f64::from(s.folds.purge_days) >= f64::from(s.folds.train_days) {
        fault(
            "folds.validation_share",
            format!(
                "leaves no training days: validation takes {validation_days:.1} and the purge {} of {} days",
                s.folds.purge_days, s.folds.train_days
            ),
            "lower it, or lengthen folds.train_days".into(),
        );
    }
}

fn search_ranges(s: &SearchParams, within: &mut Within<'_>) {
    within("models.search.configurations", s.configurations as f64, 0.0, 10_000.0);
    within("models.search.halving", s.halving as f64, 2.0, 100.0);
    within("models.search.rungs", f64::from(s.rungs), 1.0, 10.0);
    let mut all = |key: &str, values: &[f64], low: f64, high: f64| {
        values.iter().for_each(|&value| within(&format!("models.search.grid.{key}"), value, low, high));
    };
    let grid = &s.grid;
    let depths: Vec<f64> = grid.max_depth.iter().map(|&depth| f64::from(depth)).collect();
    all("learning_rate", &grid.learning_rate, 1e-6, 1.0);
    all("max_depth", &depths, 1.0, 20.0);
    all("l2", &grid.l2, 0.0, 1e6);
    all("min_child_hessian", &grid.min_child_hessian, 0.0, 0.5);
    all("subsample", &grid.subsample, 0.01, 1.0);
    all("colsample", &grid.colsample, 0.01, 1.0);
}

fn risk_combinations(s: &Settings, fault: &mut impl FnMut(&str, String, String)) {
    let r = &s.risk;
    if r.per_trade > r.daily_stop {
        fault(
            "risk.per_trade",
            format!("is {}, which is more than a whole day may lose: risk.daily_stop is {}", r.per_trade, r.daily_stop),
            "lower it, or raise risk.daily_stop".into(),
        );
    }
    if r.per_trade > r.drawdown_stop {
        fault(
            "risk.per_trade",
            format!("is {}, so one stop ends the day: risk.drawdown_stop is {}", r.per_trade, r.drawdown_stop),
            "lower it, or raise risk.drawdown_stop".into(),
        );
    }
    if r.per_trade > r.drawdown_limit {
        fault(
            "risk.per_trade",
            format!(
                "is {}, so one stop ends trading for days: risk.drawdown_limit is {}",
                r.per_trade, r.drawdown_limit
            ),
            "lower it, or raise risk.drawdown_limit".into(),
        );
    }
    if r.max_coin_share > r.max_leverage {
        fault(
            "risk.max_coin_share",
            format!(
                "is {}, which is more than all coins together may have: risk.max_leverage is {}",
                r.max_coin_share, r.max_leverage
            ),
            "lower it, or raise risk.max_leverage".into(),
        );
    }
}

fn network_ranges(n: &NetworkParams, within: &mut Within<'_>) {
    let share = 1.0 - f64::EPSILON;
    within("models.neural.width", f64::from(n.width), 1.0, 4096.0);
    within("models.neural.blocks", f64::from(n.blocks), 0.0, 64.0);
    within("models.neural.epochs", f64::from(n.epochs), 1.0, 100_000.0);
    within("models.neural.batch", f64::from(n.batch), 1.0, 65_536.0);
    within("models.neural.learning_rate", n.learning_rate, 1e-9, 1.0);
    within("models.neural.weight_decay", n.weight_decay, 0.0, share);
    within("models.neural.dropout", n.dropout, 0.0, 0.99);
    within("models.neural.label_smoothing", n.label_smoothing, 0.0, 0.99);
    within("models.neural.clip_norm", n.clip_norm, 0.0, 1e9);
    within("models.neural.seeds", f64::from(n.seeds), 1.0, 1000.0);
}

/// Checks that every number is within its range.
fn ranges(s: &Settings, faults: &mut Vec<Fault>) {
    let mut within = |key: &str, value: f64, low: f64, high: f64| {
        if !(low..=high).contains(&value) {
            faults.push(Fault::new(key, format!("is {value}"), format!("give a value from {low} to {high}")));
        }
    };
    market_ranges(s, &mut within);
    training_ranges(s, &mut within);
    account_ranges(s, &mut within);
    service_ranges(s, &mut within);
}

type Within<'a> = dyn FnMut(&str, f64, f64, f64) + 'a;

fn market_ranges(s: &Settings, within: &mut Within<'_>) {
    within("market.exchange.timeout_s", s.market.exchange.timeout_s, 0.1, 3600.0);
    within("market.exchange.retries", f64::from(s.market.exchange.retries), 0.0, 100.0);
    within("market.exchange.concurrency", s.market.exchange.concurrency as f64, 1.0, 256.0);
    within("market.lookback_days", f64::from(s.market.lookback_days), 1.0, 20_000.0);
    within("market.cache_hours", s.market.cache_hours, 0.0, 1e6);
    within("market.simulated.symbols", s.market.simulated.symbols as f64, 1.0, 5000.0);
    within("market.simulated.edge", s.market.simulated.edge, 0.0, 10.0);
    within("universe.top_n", s.universe.top_n as f64, 1.0, 100_000.0);
    within("universe.min_daily_volume_usd", s.universe.min_daily_volume_usd, 0.0, 1e15);
    within("universe.min_age_days", s.universe.min_age_days, 0.0, 1e5);
}

fn training_ranges(s: &Settings, within: &mut Within<'_>) {
    within("labels.stop_atr", s.labels.stop_atr, 0.01, 1e3);
    within("labels.take_atr", s.labels.take_atr, 0.01, 1e3);
    within("labels.max_hold", f64::from(s.labels.max_hold), 1.0, 100_000.0);
    within("folds.train_days", f64::from(s.folds.train_days), 1.0, 20_000.0);
    within("folds.test_days", f64::from(s.folds.test_days), 1.0, 20_000.0);
    within("folds.step_days", f64::from(s.folds.step_days), 1.0, 20_000.0);
    within("folds.validation_share", s.folds.validation_share, 0.01, 0.5);
    within("models.rounds", f64::from(s.models.rounds), 1.0, 100_000.0);
    within("models.min_rounds", f64::from(s.models.min_rounds), 0.0, 100_000.0);
    within("models.learning_rate", s.models.learning_rate, 1e-6, 1.0);
    let least_depth = if s.models.growth == TreeGrowth::Leaf { 0.0 } else { 1.0 };
    within("models.max_depth", f64::from(s.models.max_depth), least_depth, 20.0);
    within("models.max_leaves", f64::from(s.models.max_leaves), 2.0, 65_536.0);
    within("models.max_bin", f64::from(s.models.max_bin), 2.0, 255.0);
    within("models.half_life_days", s.models.half_life_days, 0.0, 1e5);
    within("models.l2_share", s.models.l2_share, 0.0, 1e6);
    within("models.min_child_share", s.models.min_child_share, 0.0, 0.5);
    within("models.min_split_gain", s.models.min_split_gain, 0.0, 1.0);
    within("models.subsample", s.models.subsample, 0.01, 1.0);
    within("models.colsample", s.models.colsample, 0.01, 1.0);
    within("models.colsample_node", s.models.colsample_node, 0.01, 1.0);
    within("models.edge_huber_atr", s.models.edge_huber_atr, 1e-6, 1e6);
    within("models.edge_quantile", s.models.edge_quantile, 0.001, 0.999);
    search_ranges(&s.models.search, within);
    network_ranges(&s.models.neural, within);
    within("decide.threshold", s.decide.threshold, 0.0, 100.0);
    within("decide.threshold_bars", f64::from(s.decide.threshold_bars), 2.0, 2000.0);
    within("decide.reliability_bars", f64::from(s.decide.reliability_bars), 1.0, 1e6);
    within("decide.record_bars", f64::from(s.decide.record_bars), 1.0, 1e6);
    within("decide.record_min", f64::from(s.decide.record_min), 1.0, 1e6);
    voters::ranges(&s.decide.voters, within);
}

fn account_ranges(s: &Settings, within: &mut Within<'_>) {
    within("costs.fee_bps", s.costs.fee_bps, 0.0, 1e4);
    within("costs.spread_bps", s.costs.spread_bps, 0.0, 1e4);
    within("costs.slippage_atr", s.costs.slippage_atr, 0.0, 1e3);
    within("costs.slippage_k", s.costs.slippage_k, 0.0, 1e6);
    within("costs.slippage_cap_bps", s.costs.slippage_cap_bps, 0.0, 1e4);
    within("costs.stop_slippage_bps", s.costs.stop_slippage_bps, 0.0, 1e3);
    within("costs.borrow_bps_per_day", s.costs.borrow_bps_per_day, 0.0, 1e4);
    within("costs.funding_bps_per_8h", s.costs.funding_bps_per_8h, 0.0, 1e4);
    within("costs.safety_margin_bps", s.costs.safety_margin_bps, 0.0, 1e4);
    within("costs.notional", s.costs.notional, f64::MIN_POSITIVE, 1e12);
    within("risk.per_trade", s.risk.per_trade, 1e-6, 0.1);
    within("risk.daily_stop", s.risk.daily_stop, 1e-6, 1.0);
    within("risk.drawdown_stop", s.risk.drawdown_stop, 1e-6, 1.0);
    within("risk.drawdown_days", f64::from(s.risk.drawdown_days), 1.0, 20_000.0);
    within("risk.drawdown_limit", s.risk.drawdown_limit, 1e-6, 1.0);
    within("risk.streak_losses", f64::from(s.risk.streak_losses), 1.0, 1e6);
    within("risk.streak_factor", s.risk.streak_factor, 0.01, 1.0);
    within("risk.streak_wins", f64::from(s.risk.streak_wins), 1.0, 1e6);
    within("risk.volatility_percentile", s.risk.volatility_percentile, 0.5, 1.0);
    within("risk.volatility_days", f64::from(s.risk.volatility_days), 2.0, 20_000.0);
    within("risk.defence_factor", s.risk.defence_factor, 0.0, 1.0);
    within("risk.max_leverage", s.risk.max_leverage, 0.01, 100.0);
    within("risk.max_coin_share", s.risk.max_coin_share, 1e-3, 100.0);
    within("risk.max_beta_exposure", s.risk.max_beta_exposure, 1e-3, 100.0);
    within("risk.quote_per_account", s.risk.quote_per_account, 1e-9, 1e9);
    within("risk.equity", s.risk.equity, 0.01, 1e15);
    within("approve.min_sharpe", s.approve.min_sharpe, -100.0, 100.0);
    within("approve.min_win_rate", s.approve.min_win_rate, 0.0, 1.0);
    within("approve.min_deflated_sharpe", s.approve.min_deflated_sharpe, 0.0, 1.0);
    within("approve.max_drawdown", s.approve.max_drawdown, 0.0, 1.0);
    within("verdict.fdr", s.verdict.fdr, 1e-6, 1.0);
    within("verdict.forward_days", f64::from(s.verdict.forward_days), 20.0, 20_000.0);
    within("verdict.forward_min_t", s.verdict.forward_min_t, -1e3, 0.0);
    within("patterns.bins", s.patterns.bins as f64, 2.0, 20.0);
    within("patterns.depth", s.patterns.depth as f64, 1.0, 3.0);
    within("patterns.min_rows", f64::from(s.patterns.min_rows), 10.0, 1e9);
    within("patterns.beam", s.patterns.beam as f64, 0.0, 100_000.0);
    within("patterns.discovery_level", s.patterns.discovery_level, 1e-6, 0.5);
    within("patterns.confirm_level", s.patterns.confirm_level, 1e-6, 0.5);
    within("patterns.most", s.patterns.most as f64, 1.0, 1000.0);
    within("patterns.leads", s.patterns.leads as f64, 0.0, 1000.0);
}

fn service_ranges(s: &Settings, within: &mut Within<'_>) {
    within("brain.connections", f64::from(s.brain.connections), 1.0, 100.0);
    within("sync.concurrency", s.sync.concurrency as f64, 1.0, 256.0);
    within("health.interval_s", s.health.interval_s, 1.0, 86_400.0);
    within("health.timeout_s", s.health.timeout_s, 0.1, 600.0);
    within("health.metrics_port", f64::from(s.health.metrics_port), 0.0, 65_535.0);
    within("sync.retries", s.sync.retries as f64, 0.0, 100.0);
    within("sync.first_pause_ms", s.sync.first_pause_ms as f64, 1.0, 60_000.0);
    within("sync.longest_pause_ms", s.sync.longest_pause_ms as f64, 1.0, 3_600_000.0);
    within("sync.timeout_s", s.sync.timeout_s, 0.01, 3600.0);
    let every = &s.sync.every;
    for (key, seconds) in [
        ("sync.every.learning_s", every.learning_s),
        ("sync.every.logs_s", every.logs_s),
        ("sync.every.models_s", every.models_s),
        ("sync.every.candles_s", every.candles_s),
        ("sync.every.new_candles_s", every.new_candles_s),
        ("sync.every.new_within_s", every.new_within_s),
    ] {
        within(key, seconds, 0.05, 604_800.0);
    }
    within("engine.threads", s.engine.threads as f64, 0.0, 4096.0);
    within("engine.memory_mb", s.engine.memory_mb as f64, 0.0, 16_777_216.0);
    within("seed", if s.seed > i64::MAX as u64 { f64::INFINITY } else { 0.0 }, 0.0, i64::MAX as f64);
}
