//! Merges the layers of settings (built-in defaults, files, environment, `--set`) and finds unknown keys and wrong
//! types.

use std::collections::BTreeSet;
use std::path::PathBuf;

use config::{Config, Environment, File, FileFormat, Value, ValueKind};
use serde_json::Value as Json;

use super::check::{self, SettingsError};
use super::fault::Fault;
use super::{Settings, redact_url};

const DEFAULTS: &str = include_str!("../../config/settings.yaml");
const ENVIRONMENT_PREFIX: &str = "HURACAN";

/// What the settings are used for, which decides which combinations are checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Walk-forward training: folds must fit the history, and the purge must cover the labels.
    #[default]
    Training,
    /// Tables and trades from given candles: folds are not checked.
    Tables,
}

/// The layers above the built-in defaults; later ones win.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Files of `--config`, in the given order.
    pub files: Vec<PathBuf>,
    /// Variables `HURACAN__SECTION__KEY`; empty to ignore the environment.
    pub environment: Vec<(String, String)>,
    /// `key.path=value` of `--set`, in the given order.
    pub overrides: Vec<String>,
    /// What the settings are used for.
    pub purpose: Purpose,
}

impl Sources {
    /// Adds the environment of this process.
    pub fn with_environment(mut self) -> Self {
        self.environment =
            std::env::vars().filter(|(name, _)| name.starts_with(&format!("{ENVIRONMENT_PREFIX}__"))).collect();
        self
    }
}

/// Reads and validates all settings.
///
/// # Errors
/// A single [`SettingsError`] that lists every unknown key, wrong type, value out of range and impossible
/// combination.
pub fn load(sources: &Sources) -> Result<Settings, SettingsError> {
    let mut faults = Vec::new();
    let schema = defaults();
    let merged = merge(sources, &mut faults);
    let mut explicit = Vec::new();
    collect_keys(&merged, "", &mut explicit);
    let mut tree = schema.clone();
    overlay(&mut tree, merged, "", &mut faults);
    check::choices(&schema, &mut tree, &mut faults);

    // A faulty leaf keeps its default, so that the rest can still be checked.
    match serde_json::from_value::<Settings>(tree) {
        Ok(settings) => {
            check::combinations(&settings, sources.purpose, &mut faults);
            let password = redact_url(&settings.brain.url) != settings.brain.url;
            let from_env = sources.environment.iter().any(|(name, _)| name.eq_ignore_ascii_case("HURACAN__BRAIN__URL"));
            if password && !from_env {
                faults.push(Fault::new(
                    "brain.url",
                    "holds a password, and settings files are synced to the remote",
                    "give the address in the environment variable HURACAN__BRAIN__URL, or only the password in PGPASSWORD",
                ));
            }
            if faults.is_empty() {
                Ok(Settings { explicit: explicit.into_iter().collect(), ..settings })
            } else {
                Err(SettingsError { faults })
            }
        }
        Err(error) => {
            faults.push(Fault::new("settings", error.to_string(), "compare with config/settings.yaml"));
            Err(SettingsError { faults })
        }
    }
}

/// The keys that sources give, whatever their values are.
pub fn given_keys(sources: &Sources) -> BTreeSet<String> {
    let mut keys = Vec::new();
    collect_keys(&merge(sources, &mut Vec::new()), "", &mut keys);
    keys.into_iter().collect()
}

/// Fails where settings contradict each other.
///
/// # Errors
/// A [`SettingsError`] that lists every impossible combination.
pub fn check_combinations(settings: &Settings, purpose: Purpose) -> Result<(), SettingsError> {
    let mut faults = Vec::new();
    check::combinations(settings, purpose, &mut faults);
    if faults.is_empty() { Ok(()) } else { Err(SettingsError { faults }) }
}

fn defaults() -> Json {
    let config = Config::builder()
        .add_source(File::from_str(DEFAULTS, FileFormat::Yaml))
        .build()
        .expect("the built-in settings are YAML: a test proves it");
    to_json(config.cache)
}

fn merge(sources: &Sources, faults: &mut Vec<Fault>) -> Value {
    let mut builder = Config::builder();
    for path in &sources.files {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let file = File::from_str(&text, FileFormat::Yaml);
                match Config::builder().add_source(file).build() {
                    Ok(layer) => builder = builder.add_source(layer),
                    Err(error) => faults.push(Fault::new(
                        "--config",
                        format!("{} cannot be read as YAML: {error}", path.display()),
                        "fix the YAML of the file",
                    )),
                }
            }
            Err(error) => faults.push(Fault::new(
                "--config",
                format!("{} cannot be opened: {error}", path.display()),
                "give the path of a readable file",
            )),
        }
    }
    builder = builder.add_source(
        Environment::with_prefix(ENVIRONMENT_PREFIX)
            .prefix_separator("__")
            .separator("__")
            .source(Some(sources.environment.iter().cloned().collect())),
    );
    for assignment in &sources.overrides {
        let Some((key, value)) = assignment.split_once('=') else {
            faults.push(Fault::new("--set", format!("'{assignment}' has no '='"), "write --set key.path=value"));
            continue;
        };
        builder = match builder.clone().set_override(key.trim(), value.trim()) {
            Ok(next) => next,
            Err(error) => {
                faults.push(Fault::new(key, error.to_string(), "write --set key.path=value"));
                builder
            }
        };
    }
    match builder.build() {
        Ok(config) => config.cache,
        Err(error) => {
            faults.push(Fault::new("settings", error.to_string(), "fix the layer that the error names"));
            Value::from(config::Map::<String, Value>::new())
        }
    }
}

fn to_json(value: Value) -> Json {
    match value.kind {
        ValueKind::Nil => Json::Null,
        ValueKind::Boolean(b) => b.into(),
        ValueKind::I64(i) => i.into(),
        ValueKind::I128(i) => i64::try_from(i).map_or_else(|_| Json::String(i.to_string()), Json::from),
        ValueKind::U64(u) => u.into(),
        ValueKind::U128(u) => u64::try_from(u).map_or_else(|_| Json::String(u.to_string()), Json::from),
        ValueKind::Float(f) => f.into(),
        ValueKind::String(s) => s.into(),
        ValueKind::Table(map) => {
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.into_iter().map(|(k, v)| (k, to_json(v))).collect()
        }
        ValueKind::Array(list) => list.into_iter().map(to_json).collect(),
    }
}

/// Collects the key of every leaf that a layer sets.
fn collect_keys(layer: &Value, path: &str, out: &mut Vec<String>) {
    match &layer.kind {
        ValueKind::Table(entries) => {
            for (key, value) in entries {
                let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect_keys(value, &full, out);
            }
        }
        _ => out.push(path.to_owned()),
    }
}

/// Merges `layer` into `tree`. The tree holds the defaults, which define the existing keys and their types.
fn overlay(tree: &mut Json, layer: Value, path: &str, faults: &mut Vec<Fault>) {
    let Some(known) = tree.as_object_mut() else { return };
    let ValueKind::Table(entries) = layer.kind else {
        faults.push(Fault::new(path, "is a section, but a single value was given", "give the keys below it"));
        return;
    };
    let mut entries: Vec<_> = entries.into_iter().collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for (key, value) in entries {
        let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match known.get_mut(&key) {
            None => {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                let nearest = crate::text::nearest_word(&key, &names);
                let remedy = match nearest {
                    Some(name) if path.is_empty() => format!("did you mean '{name}'?"),
                    Some(name) => format!("did you mean '{path}.{name}'?"),
                    None => format!("the settings here are: {}", names.join(", ")),
                };
                faults.push(Fault::new(full, "is not a setting", remedy));
            }
            Some(slot) if slot.is_object() => overlay(slot, value, &full, faults),
            Some(slot) => match coerce(slot, value, &full) {
                Ok(json) => *slot = json,
                Err(fault) => faults.push(fault),
            },
        }
    }
}

/// Converts `value` to the type of the default in `slot`.
fn coerce(slot: &Json, value: Value, key: &str) -> Result<Json, Fault> {
    let given = to_json(value);
    let text = match &given {
        Json::String(s) => s.clone(),
        other => other.to_string(),
    };
    let wrong = |expected: &str| Fault::new(key, format!("is {text:?}"), format!("give {expected}"));
    match slot {
        Json::Bool(_) => match text.as_str() {
            "true" | "yes" | "on" => Ok(true.into()),
            "false" | "no" | "off" => Ok(false.into()),
            _ => Err(wrong("true or false")),
        },
        // check::is_whole decides whether a number must be whole.
        Json::Number(_) if key == "brain.feature_days" && text == "all" => Ok("all".into()),
        Json::Number(_) => {
            if given.is_object() || given.is_array() {
                return Err(wrong("a number"));
            }
            if check::is_whole(key) {
                let whole = text.parse::<u64>().map_err(|_| wrong("a whole number, 0 or more"))?;
                if key != "seed" && whole > u64::from(u32::MAX) {
                    return Err(wrong("a whole number below 4294967296"));
                }
                return Ok(whole.into());
            }
            match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(number.into()),
                _ => Err(wrong("a finite number")),
            }
        }
        Json::String(_) if given.is_object() || given.is_array() => Err(wrong("one value")),
        Json::String(_) => Ok(text.into()),
        Json::Array(known) if known.first().is_some_and(Json::is_number) => {
            let parts: Vec<String> = match &given {
                Json::Array(list) => {
                    list.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect()
                }
                Json::Number(one) => vec![one.to_string()],
                Json::String(list) => list.split(',').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect(),
                _ => return Err(wrong("a list of numbers")),
            };
            let number = |text: &String| -> Option<Json> {
                if check::is_whole(key) {
                    return text.parse::<u32>().ok().map(Json::from);
                }
                text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Json::from)
            };
            let expected = if check::is_whole(key) { "a list of whole numbers" } else { "a list of numbers" };
            parts.iter().map(|part| number(part).ok_or_else(|| wrong(expected))).collect()
        }
        Json::Array(_) => match given {
            Json::Array(list) if list.iter().all(Json::is_string) => Ok(Json::Array(list)),
            Json::String(list) => Ok(list.split(',').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()),
            _ => Err(wrong("a list of names")),
        },
        Json::Null | Json::Object(_) => Err(wrong("a value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::DecideParams;
    use crate::folds::FoldParams;
    use crate::patterns::PatternParams;
    use crate::risk::RiskParams;
    use crate::shadow::{BarrierParams, CostParams};
    use crate::trainer::{ApprovalParams, ModelParams};

    fn sets(overrides: &[&str]) -> Result<Settings, SettingsError> {
        load(&Sources { overrides: overrides.iter().map(|s| (*s).to_owned()).collect(), ..Sources::default() })
    }

    #[test]
    fn built_in_defaults_and_the_overlays_are_valid() {
        let defaults = load(&Sources::default()).unwrap();
        assert_eq!(defaults.market.lookback_days, 240);
        assert_eq!(defaults.universe.top_n, 20);
        let daily = concat!(env!("CARGO_MANIFEST_DIR"), "/config/daily.yaml");
        let daily = load(&Sources { files: vec![daily.into()], ..Sources::default() }).unwrap();
        assert_eq!(daily.market.timeframe.to_string(), "1d");
        assert_eq!(daily.market.lookback_days, 150);
        let pod = concat!(env!("CARGO_MANIFEST_DIR"), "/config/runpod.yaml");
        let pod = load(&Sources { files: vec![pod.into()], ..Sources::default() }).unwrap();
        assert_eq!((pod.engine.device.as_str(), pod.engine.fallback), ("cuda", true));
        assert_eq!(
            (&pod.brain, &pod.sync),
            (&defaults.brain, &defaults.sync),
            "brain and sync are configured by the environment"
        );
    }

    #[test]
    fn built_in_settings_equal_the_defaults_of_the_compute_crates() {
        let settings = load(&Sources::default()).unwrap();
        assert_eq!(settings.labels, BarrierParams::default());
        assert_eq!(settings.folds, FoldParams::default());
        assert_eq!(settings.models, ModelParams::default());
        assert_eq!(settings.decide, DecideParams::default());
        assert_eq!(settings.costs, CostParams::default());
        assert_eq!(settings.risk, RiskParams::default());
        assert_eq!(settings.approve, ApprovalParams::default());
        assert_eq!(settings.patterns, PatternParams::default());
    }

    #[test]
    fn lists_of_numbers_are_read_from_every_layer() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "models:\n  search:\n    grid:\n      l2: [2, 0.5]\n      max_depth: [3]\n")
            .unwrap();
        let settings = load(&Sources {
            files: vec![file.path().into()],
            overrides: vec!["models.search.grid.subsample=0.5, 1".into(), "models.search.grid.colsample=0.7".into()],
            ..Sources::default()
        })
        .unwrap();
        let grid = settings.models.search.grid;
        assert_eq!((grid.l2, grid.max_depth), (vec![2.0, 0.5], vec![3]));
        assert_eq!((grid.subsample, grid.colsample), (vec![0.5, 1.0], vec![0.7]));
        let text =
            sets(&["models.search.grid.max_depth=2.5", "models.search.grid.l2=much", "models.search.grid.colsample=3"]);
        let text = text.unwrap_err().to_string();
        for key in ["grid.max_depth", "grid.l2", "grid.colsample"] {
            assert!(text.contains(key), "{key} is missing in:\n{text}");
        }
    }

    #[test]
    fn later_layers_win() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "universe:\n  top_n: 5\nseed: 3\nmarket:\n  timeframe: 2h\n").unwrap();
        let settings = load(&Sources {
            files: vec![file.path().into()],
            environment: vec![("HURACAN__SEED".into(), "4".into()), ("HURACAN__UNIVERSE__TOP_N".into(), "6".into())],
            overrides: vec!["universe.top_n=7".into(), "brain.feature_days=all".into()],
            ..Sources::default()
        })
        .unwrap();
        assert_eq!((settings.universe.top_n, settings.seed), (7, 4));
        assert_eq!(settings.market.timeframe.to_string(), "2h");
        assert_eq!(settings.brain.feature_days, super::super::FeatureDays::All(super::super::AllDays::All));
    }

    #[test]
    fn one_error_lists_every_fault_with_its_key_and_remedy() {
        let error = sets(&[
            "market.timefrme=1h",
            "universe.top_n=many",
            "models.kind=lstm",
            "folds.purge_days=0",
            "market.lookback_days=100",
            "engine.fallback=perhaps",
            "costs.fee_bps=NaN",
            "nonsense",
        ])
        .unwrap_err();
        let text = error.to_string();
        for part in [
            "market.timefrme",
            "did you mean 'market.timeframe'",
            "universe.top_n",
            "models.kind",
            "folds.purge_days",
            "market.lookback_days",
            "engine.fallback",
            "costs.fee_bps",
            "nonsense",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }

    #[test]
    fn faults_of_voters_are_found_with_all_others() {
        let error = sets(&[
            "decide.engines.off=rsi, emacross",
            "decide.engines.ema_cross.fast_bars=20",
            "decide.engines.sma_cross.slow_bars=50.5",
            "decide.engines.rsi.low=80",
            "decide.engines.adx.weak=60",
            "decide.engines.bitcoin_lead.bars=50",
            "decide.engines.vwap.bars=0",
            "decide.engines.cci.full=0",
            "decide.engines.williams_r.high=20",
        ]);
        let error = error.unwrap_err();
        let text = error.to_string();
        for part in [
            "off: names an unknown voter: 'emacross'; did you mean 'ema_cross'?",
            "ema_cross.fast_bars: is 20; set it below slow_bars, which is 20",
            "sma_cross.slow_bars",
            "rsi.low: is 80",
            "adx.weak: is 60",
            "bitcoin_lead.bars: is 50",
            "vwap.bars: is 0; give a value from 1 to 5000",
            "cci.full",
            "williams_r.high",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert_eq!(error.faults.len(), 9, "{text}");
        assert_eq!(sets(&["decide.engines.off=rsi, adx"]).unwrap().decide.voters.off, ["rsi", "adx"]);
    }

    #[test]
    fn contradictory_risk_limits_are_faults() {
        let risk = |overrides: &[&str]| sets(overrides).map(|_| String::new()).unwrap_or_else(|e| e.to_string());
        let text = risk(&["risk.per_trade=0.03", "risk.max_coin_share=3", "risk.streak_factor=0"]);
        for part in ["more than a whole day may lose", "more than all coins together", "risk.streak_factor: is 0"] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert!(risk(&["risk.per_trade=0.02", "risk.drawdown_stop=0.01"]).contains("one stop ends the day"));
        assert!(risk(&["risk.per_trade=0.02", "risk.drawdown_limit=0.01"]).contains("one stop ends trading for days"));
        let text = risk(&["risk.drawdown_days=0", "risk.drawdown_limit=2", "risk.max_beta_exposure=0"]);
        for part in ["risk.drawdown_days: is 0", "risk.drawdown_limit: is 2", "risk.max_beta_exposure: is 0"] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert_eq!(risk(&["risk.per_trade=0.025", "risk.max_coin_share=2"]), "");
    }

    #[test]
    fn a_password_in_a_file_is_rejected_and_one_from_the_environment_is_hidden() {
        assert!(sets(&["brain.url=postgres://u:secret@h/db"]).unwrap_err().to_string().contains("HURACAN__BRAIN__URL"));
        let settings = load(&Sources {
            environment: vec![("HURACAN__BRAIN__URL".into(), "postgres://u:secret@h/db".into())],
            ..Sources::default()
        })
        .unwrap();
        assert_eq!(settings.brain_url_redacted(), "postgres://u:***@h/db");
    }
}
