//! Learning snapshots: what changed with a training, as `logs/learning/learning_snapshot_{yyyymmdd_hhmmss}.json`.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use huracan_host::files::{WriteError, write_new};

/// Minimum relative change of an importance that is reported.
const MIN_RELATIVE_CHANGE: f64 = 0.2;
/// Minimum absolute change of an importance that is reported: shares below one per cent fluctuate.
const MIN_ABSOLUTE_CHANGE: f64 = 0.01;
/// Minimum improvement that is reported, as a share of the old value.
const MIN_IMPROVEMENT: f64 = 0.01;
/// Maximum number of changes reported per model.
const MAX_CHANGES: usize = 20;

/// What was learned about one symbol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was learned: the end of the symbol's training, or the start of the run for what its trades show.
    pub timestamp: DateTime<Utc>,
    /// `BASE-QUOTE`, or `*` for all coins together.
    pub symbol: String,
    /// What was learned.
    pub insights: Vec<Insight>,
    /// Number of insights of type `pattern_discovery`.
    pub patterns_learned: u64,
    /// Number of insights of type `model_improvement`.
    pub model_improvements: u64,
    /// Column of the view → share of the gain of all trees of the trained model, greatest first, before it is known how far they
    /// are believed; empty in a snapshot of what its trades show.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub features: serde_json::Map<String, serde_json::Value>,
    /// In a snapshot of what a model's trades show: whether anything of its trees is believed. If not, changes of importance are
    /// those of trees that decide nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features_believed: Option<bool>,
    /// Whether prices come from the simulated market.
    pub simulated: bool,
}

/// One thing that was learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Insight {
    /// A pattern was confirmed on the test windows.
    PatternDiscovery {
        /// The pattern and its results, as text.
        description: String,
        /// 1 − q-value, on the test windows.
        confidence: f64,
    },
    /// The importance of a feature changed.
    FeatureImportanceChange {
        /// Name of the feature.
        feature: String,
        /// Its share of the gain in the previous model.
        old_importance: f64,
        /// Its share of the gain in the new model.
        new_importance: f64,
        /// Relative change, such as `+50%`, or `new`.
        change: String,
    },
    /// A metric is better than that of the previous model.
    ModelImprovement {
        /// Name of the metric.
        metric: String,
        /// Value of the previous model.
        old_value: f64,
        /// Value of the new model.
        new_value: f64,
    },
}

impl Snapshot {
    /// Creates a snapshot, and counts patterns and improvements among the insights.
    pub fn new(timestamp: DateTime<Utc>, symbol: &str, insights: Vec<Insight>, simulated: bool) -> Self {
        let count = |is: fn(&Insight) -> bool| insights.iter().filter(|insight| is(insight)).count() as u64;
        Self {
            timestamp,
            symbol: symbol.to_owned(),
            patterns_learned: count(|insight| matches!(insight, Insight::PatternDiscovery { .. })),
            model_improvements: count(|insight| matches!(insight, Insight::ModelImprovement { .. })),
            insights,
            features: serde_json::Map::new(),
            features_believed: None,
            simulated,
        }
    }
}

/// One metric of a model, and which direction is better.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    metric: String,
    value: f64,
    high_is_better: bool,
}

impl Figure {
    /// A metric of which higher is better; NaN if undefined.
    pub fn high(metric: &str, value: f64) -> Self {
        Self { metric: metric.to_owned(), value, high_is_better: true }
    }

    /// A metric of which lower is better; NaN if undefined.
    pub fn low(metric: &str, value: f64) -> Self {
        Self { high_is_better: false, ..Self::high(metric, value) }
    }
}

/// The metrics that improved by at least 1 % of the previous model's value.
///
/// Each model is measured on its own test windows; those of the newer one end later.
pub fn improvements(old: &[Figure], new: &[Figure]) -> Vec<Insight> {
    new.iter()
        .filter_map(|new| {
            let old = old.iter().find(|old| old.metric == new.metric)?;
            let gain = if new.high_is_better { new.value - old.value } else { old.value - new.value };
            // False if either value is NaN.
            (gain > 0.0 && gain >= MIN_IMPROVEMENT * old.value.abs()).then(|| Insight::ModelImprovement {
                metric: new.metric.clone(),
                old_value: old.value,
                new_value: new.value,
            })
        })
        .collect()
}

/// The features whose importance (share of the total gain) changed most since the previous model, largest change first.
///
/// A change is reported if it is at least 20 % of the old share and at least 0.01.
pub fn importance_changes(old: &[(String, f64)], new: &[(String, f64)]) -> Vec<Insight> {
    let share = |of: &[(String, f64)], name: &str| of.iter().find(|(feature, _)| feature == name).map_or(0.0, |f| f.1);
    let gone = old.iter().filter(|(name, _)| !new.iter().any(|(feature, _)| feature == name));
    let mut changes: Vec<_> = new
        .iter()
        .chain(gone)
        .map(|(name, _)| (name, share(old, name), share(new, name)))
        .filter(|(_, old, new)| (new - old).abs() >= MIN_ABSOLUTE_CHANGE.max(MIN_RELATIVE_CHANGE * old))
        .collect();
    // The sort is stable, so ties stay in the order of the catalogue.
    changes.sort_by(|a, b| (b.2 - b.1).abs().total_cmp(&(a.2 - a.1).abs()));
    changes.truncate(MAX_CHANGES);
    changes
        .into_iter()
        .map(|(feature, old, new)| Insight::FeatureImportanceChange {
            feature: feature.clone(),
            old_importance: old,
            new_importance: new,
            change: if old > 0.0 { format!("{:+.0}%", 100.0 * (new - old) / old) } else { "new".into() },
        })
        .collect()
}

/// The snapshots below `workdir` of `since` and later, in the order of their names. What cannot be read is left out.
pub fn snapshots_since(workdir: &Path, since: DateTime<Utc>) -> Vec<Snapshot> {
    let first = format!("learning_snapshot_{}", since.format("%Y%m%d_%H%M%S"));
    let entries = std::fs::read_dir(workdir.join("logs/learning")).into_iter().flatten().flatten();
    let is_recent =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().as_ref() >= first.as_str());
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_recent).collect();
    paths.sort();
    let read = |path: &PathBuf| serde_json::from_slice::<Snapshot>(&std::fs::read(path).ok()?).ok();
    // Names know the second only.
    paths.iter().filter_map(read).filter(|snapshot| snapshot.timestamp >= since).collect()
}

/// Writes the snapshot below `workdir`. If there is another one of the same second, the symbol is appended to the file name,
/// and then the milliseconds. Writing the same snapshot again replaces the file.
///
/// # Errors
/// [`WriteError`] if the file cannot be written.
pub fn write_snapshot(workdir: &Path, snapshot: &Snapshot) -> Result<PathBuf, WriteError> {
    let mut json = serde_json::to_vec_pretty(snapshot).expect("plain data with text keys is always JSON");
    json.push(b'\n');
    let stem = format!("logs/learning/learning_snapshot_{}", snapshot.timestamp.format("%Y%m%d_%H%M%S"));
    // `*` (all coins together) is not allowed in the file names of a remote.
    let symbol = if snapshot.symbol == "*" { "all".to_owned() } else { snapshot.symbol.replace(['/', '\\', '.'], "-") };
    let milliseconds = snapshot.timestamp.timestamp_subsec_millis();
    let is_same = |path: &Path| {
        let found = std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Snapshot>(&bytes).ok());
        found.is_some_and(|found| (&found.symbol, found.timestamp) == (&snapshot.symbol, snapshot.timestamp))
    };
    for name in [format!("{stem}.json"), format!("{stem}_{symbol}.json")] {
        let path = workdir.join(name);
        if write_new(&path, &json)? {
            return Ok(path);
        }
        if is_same(&path) {
            huracan_host::files::write_atomic(&path, &json)?;
            return Ok(path);
        }
    }
    let path = workdir.join(format!("{stem}_{symbol}_{milliseconds:03}.json"));
    huracan_host::files::write_atomic(&path, &json)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(pairs: &[(&str, f64)]) -> Vec<(String, f64)> {
        pairs.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect()
    }

    #[test]
    fn large_changes_are_reported_in_the_given_form() {
        let old = shares(&[("rsi_14", 0.5), ("macd", 0.08), ("atr_14", 0.3), ("tiny", 0.001), ("gone", 0.119)]);
        let new = shares(&[("rsi_14", 0.52), ("macd", 0.12), ("atr_14", 0.2), ("tiny", 0.004), ("adx_14", 0.156)]);
        let changes = serde_json::to_value(importance_changes(&old, &new)).unwrap();
        let names: Vec<_> =
            changes.as_array().unwrap().iter().map(|insight| insight["feature"].as_str().unwrap()).collect();
        assert_eq!(names, ["adx_14", "gone", "atr_14", "macd"]);
        assert_eq!(
            changes[3],
            serde_json::json!({"type": "feature_importance_change", "feature": "macd", "old_importance": 0.08,
                "new_importance": 0.12, "change": "+50%"})
        );
        assert_eq!((&changes[0]["change"], &changes[1]["change"]), (&"new".into(), &"-100%".into()));
    }

    #[test]
    fn an_improvement_is_a_higher_ratio_or_a_lower_loss_and_both_values_must_be_defined() {
        let figures = |sharpe, drawdown, win_rate| {
            [
                Figure::high("sharpe_ratio", sharpe),
                Figure::low("max_drawdown", drawdown),
                Figure::high("win_rate", win_rate),
            ]
        };
        let found = improvements(&figures(-0.5, 0.2, 0.5), &figures(0.25, 0.15, 0.504));
        let improvement = |metric: &str, old_value, new_value| Insight::ModelImprovement {
            metric: metric.into(),
            old_value,
            new_value,
        };
        assert_eq!(found, [improvement("sharpe_ratio", -0.5, 0.25), improvement("max_drawdown", 0.2, 0.15)]);
        assert_eq!(improvements(&figures(0.25, 0.15, f64::NAN), &figures(0.25, 0.2, 0.6)), []);
        assert_eq!(improvements(&[], &figures(1.0, 0.1, 0.5)), []);
        let time = "2025-11-08T02:00:00Z".parse().unwrap();
        let pattern = Insight::PatternDiscovery { description: "High RSI".into(), confidence: 0.85 };
        let snapshot = Snapshot::new(time, "BTC-USDT", [found, vec![pattern]].concat(), true);
        assert_eq!((snapshot.patterns_learned, snapshot.model_improvements), (1, 2));
    }

    #[test]
    fn two_symbols_with_one_timestamp_do_not_overwrite_each_other_and_a_repeat_adds_no_file() {
        let workdir = tempfile::tempdir().unwrap();
        let snapshot = |symbol: &str| Snapshot {
            timestamp: "2025-11-08T02:00:00Z".parse().unwrap(),
            symbol: symbol.into(),
            insights: vec![Insight::PatternDiscovery { description: "High RSI".into(), confidence: 0.85 }],
            patterns_learned: 5,
            model_improvements: 2,
            features: serde_json::Map::new(),
            features_believed: None,
            simulated: false,
        };
        let paths: Vec<_> = ["BTC-USDT", "ETH-USDT", "BTC-USDT", "ETH-USDT"]
            .iter()
            .map(|symbol| write_snapshot(workdir.path(), &snapshot(symbol)).unwrap())
            .collect();
        assert!(paths[0].ends_with("logs/learning/learning_snapshot_20251108_020000.json"));
        assert_eq!((&paths[0], &paths[1]), (&paths[2], &paths[3]));
        assert_eq!(std::fs::read_dir(workdir.path().join("logs/learning")).unwrap().count(), 2);
        let value: serde_json::Value = serde_json::from_slice(&std::fs::read(&paths[0]).unwrap()).unwrap();
        assert_eq!(value["timestamp"], "2025-11-08T02:00:00Z");
        assert_eq!(value["insights"][0]["type"], "pattern_discovery");
        // The snapshot of all coins together also has a file name that a remote accepts.
        let all = write_snapshot(workdir.path(), &snapshot("*")).unwrap();
        assert!(huracan_host::files::is_plain_name(all.file_name().unwrap().to_str().unwrap()), "{}", all.display());
    }

    #[test]
    fn snapshots_of_this_run_are_found_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |seconds: i64| DateTime::from_timestamp(1_722_470_400 + seconds, 0).unwrap();
        let write = |seconds: i64, symbol: &str| {
            write_snapshot(folder.path(), &Snapshot::new(at(seconds), symbol, Vec::new(), true)).unwrap()
        };
        write(0, "A-USDT");
        let (first, second) = (write(60, "A-USDT"), write(60, "B-USDT"));
        let found = snapshots_since(folder.path(), at(30));
        let symbols: Vec<&str> = found.iter().map(|snapshot| snapshot.symbol.as_str()).collect();
        assert_eq!((symbols, found[1].timestamp), (vec!["A-USDT", "B-USDT"], at(60)));
        // With the time of before, the same files are written again.
        assert_eq!((write(60, "B-USDT"), write(60, "A-USDT")), (second, first));
        assert_eq!(snapshots_since(folder.path(), at(30)).len(), 2);
        // Names know the second only: another run of the same second has other snapshots.
        let since = at(60) + chrono::TimeDelta::milliseconds(500);
        assert_eq!(snapshots_since(folder.path(), since).len(), 0);
        for _ in 0..2 {
            write_snapshot(folder.path(), &Snapshot::new(since, "A-USDT", Vec::new(), true)).unwrap();
            write_snapshot(folder.path(), &Snapshot::new(since, "B-USDT", Vec::new(), true)).unwrap();
        }
        assert_eq!(snapshots_since(folder.path(), since).len(), 2);
        assert_eq!(snapshots_since(folder.path(), at(60)).len(), 4);
    }
}
