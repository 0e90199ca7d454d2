//! Learning snapshots: what a training taught, as `logs/learning/learning_snapshot_{yyyymmdd_hhmmss}.json`.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use huracan_host::files::{WriteError, write_new};

/// Smallest relative change of an importance that is worth telling.
const RELATIVE: f64 = 0.2;
/// Smallest absolute one: shares below a per cent come and go.
const ABSOLUTE: f64 = 0.01;
/// Smallest improvement worth telling, as a share of the old value.
const IMPROVEMENT: f64 = 0.01;
/// Changes told of one model at most.
const MOST: usize = 20;

/// What was learned about one symbol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub timestamp: DateTime<Utc>,
    pub symbol: String,
    pub insights: Vec<Insight>,
    pub patterns_learned: u64,
    pub model_improvements: u64,
    pub simulated: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Insight {
    PatternDiscovery {
        description: String,
        confidence: f64,
    },
    FeatureImportanceChange {
        feature: String,
        old_importance: f64,
        new_importance: f64,
        /// `+50%`, or `new`.
        change: String,
    },
    ModelImprovement {
        metric: String,
        old_value: f64,
        new_value: f64,
    },
}

impl Snapshot {
    /// Counts patterns and improvements among the insights.
    pub fn new(timestamp: DateTime<Utc>, symbol: &str, insights: Vec<Insight>, simulated: bool) -> Self {
        let count = |is: fn(&Insight) -> bool| insights.iter().filter(|insight| is(insight)).count() as u64;
        Self {
            timestamp,
            symbol: symbol.to_owned(),
            patterns_learned: count(|insight| matches!(insight, Insight::PatternDiscovery { .. })),
            model_improvements: count(|insight| matches!(insight, Insight::ModelImprovement { .. })),
            insights,
            simulated,
        }
    }
}

/// A model's figure of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    metric: String,
    value: f64,
    high_is_better: bool,
}

impl Figure {
    /// One of which more is better; NaN where it is not defined.
    pub fn high(metric: &str, value: f64) -> Self {
        Self { metric: metric.to_owned(), value, high_is_better: true }
    }

    /// One of which less is better.
    pub fn low(metric: &str, value: f64) -> Self {
        Self { high_is_better: false, ..Self::high(metric, value) }
    }
}

/// The figures that are better than those of the previous model, by at least one per cent of what they were.
///
/// Each model is measured on its own test windows: the newer one's end later.
pub fn improvements(old: &[Figure], new: &[Figure]) -> Vec<Insight> {
    new.iter()
        .filter_map(|new| {
            let old = old.iter().find(|old| old.metric == new.metric)?;
            let gain = if new.high_is_better { new.value - old.value } else { old.value - new.value };
            // Also false where one of them is NaN.
            (gain > 0.0 && gain >= IMPROVEMENT * old.value.abs()).then(|| Insight::ModelImprovement {
                metric: new.metric.clone(),
                old_value: old.value,
                new_value: new.value,
            })
        })
        .collect()
}

/// The features whose importance (share of all gain) changed most against the previous model, largest first.
///
/// Told are changes of at least 20 % of the old share and one per cent of the whole.
pub fn importance_changes(old: &[(String, f64)], new: &[(String, f64)]) -> Vec<Insight> {
    let share = |of: &[(String, f64)], name: &str| of.iter().find(|(feature, _)| feature == name).map_or(0.0, |f| f.1);
    let gone = old.iter().filter(|(name, _)| !new.iter().any(|(feature, _)| feature == name));
    let mut changes: Vec<_> = new
        .iter()
        .chain(gone)
        .map(|(name, _)| (name, share(old, name), share(new, name)))
        .filter(|(_, old, new)| (new - old).abs() >= ABSOLUTE.max(RELATIVE * old))
        .collect();
    // Ties stay in the order of the catalogue.
    changes.sort_by(|a, b| (b.2 - b.1).abs().total_cmp(&(a.2 - a.1).abs()));
    changes.truncate(MOST);
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

/// Writes the snapshot below `workdir`; where another symbol's of the same second lies already, the name ends with
/// the symbol. Writing the same snapshot again changes nothing.
///
/// # Errors
/// [`WriteError`].
pub fn write_snapshot(workdir: &Path, snapshot: &Snapshot) -> Result<PathBuf, WriteError> {
    let mut json = serde_json::to_vec_pretty(snapshot).expect("plain data with text keys is always JSON");
    json.push(b'\n');
    let stem = format!("logs/learning/learning_snapshot_{}", snapshot.timestamp.format("%Y%m%d_%H%M%S"));
    let plain = workdir.join(format!("{stem}.json"));
    let is_ours = |path: &Path| {
        let found = std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Snapshot>(&bytes).ok());
        found.is_some_and(|found| found.symbol == snapshot.symbol)
    };
    if write_new(&plain, &json)? {
        return Ok(plain);
    }
    if is_ours(&plain) {
        huracan_host::files::write_atomic(&plain, &json)?;
        return Ok(plain);
    }
    // `*`, all coins together, would be no name that a remote takes.
    let of = if snapshot.symbol == "*" { "all".to_owned() } else { snapshot.symbol.replace(['/', '\\', '.'], "-") };
    let named = workdir.join(format!("{stem}_{of}.json"));
    huracan_host::files::write_atomic(&named, &json)?;
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(pairs: &[(&str, f64)]) -> Vec<(String, f64)> {
        pairs.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect()
    }

    #[test]
    fn changes_worth_telling_are_told_in_the_given_form() {
        let old = shares(&[("rsi_14", 0.5), ("macd", 0.08), ("atr_14", 0.3), ("tiny", 0.001), ("gone", 0.119)]);
        let new = shares(&[("rsi_14", 0.52), ("macd", 0.12), ("atr_14", 0.2), ("tiny", 0.004), ("adx_14", 0.156)]);
        let told = serde_json::to_value(importance_changes(&old, &new)).unwrap();
        let names: Vec<_> =
            told.as_array().unwrap().iter().map(|insight| insight["feature"].as_str().unwrap()).collect();
        assert_eq!(names, ["adx_14", "gone", "atr_14", "macd"]);
        assert_eq!(
            told[3],
            serde_json::json!({"type": "feature_importance_change", "feature": "macd", "old_importance": 0.08,
                "new_importance": 0.12, "change": "+50%"})
        );
        assert_eq!((&told[0]["change"], &told[1]["change"]), (&"new".into(), &"-100%".into()));
    }

    #[test]
    fn an_improvement_is_a_higher_ratio_or_a_lower_loss_and_both_must_be_known() {
        let figures = |sharpe, drawdown, win_rate| {
            [
                Figure::high("sharpe_ratio", sharpe),
                Figure::low("max_drawdown", drawdown),
                Figure::high("win_rate", win_rate),
            ]
        };
        let told = improvements(&figures(-0.5, 0.2, 0.5), &figures(0.25, 0.15, 0.504));
        let improvement = |metric: &str, old_value, new_value| Insight::ModelImprovement {
            metric: metric.into(),
            old_value,
            new_value,
        };
        assert_eq!(told, [improvement("sharpe_ratio", -0.5, 0.25), improvement("max_drawdown", 0.2, 0.15)]);
        assert_eq!(improvements(&figures(0.25, 0.15, f64::NAN), &figures(0.25, 0.2, 0.6)), []);
        assert_eq!(improvements(&[], &figures(1.0, 0.1, 0.5)), []);
        let time = "2025-11-08T02:00:00Z".parse().unwrap();
        let pattern = Insight::PatternDiscovery { description: "High RSI".into(), confidence: 0.85 };
        let snapshot = Snapshot::new(time, "BTC-USDT", [told, vec![pattern]].concat(), true);
        assert_eq!((snapshot.patterns_learned, snapshot.model_improvements), (1, 2));
    }

    #[test]
    fn two_symbols_of_one_second_do_not_overwrite_each_other_and_a_repeat_adds_nothing() {
        let workdir = tempfile::tempdir().unwrap();
        let snapshot = |symbol: &str| Snapshot {
            timestamp: "2025-11-08T02:00:00Z".parse().unwrap(),
            symbol: symbol.into(),
            insights: vec![Insight::PatternDiscovery { description: "High RSI".into(), confidence: 0.85 }],
            patterns_learned: 5,
            model_improvements: 2,
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
        // Those of all coins together, too, have a name that a remote takes.
        let all = write_snapshot(workdir.path(), &snapshot("*")).unwrap();
        assert!(huracan_host::files::is_plain_name(all.file_name().unwrap().to_str().unwrap()), "{}", all.display());
    }
}
