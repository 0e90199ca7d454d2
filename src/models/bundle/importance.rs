//! What a model's trees have learned from each column of the view.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::boost::Forest;
use crate::decide::{Calibration, Head};
use crate::trainer::{Family, FamilyModels, Mix};

/// The importance of features in one model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Importance {
    /// Feature → share, greatest first; 1 in sum. Features without a split are left out.
    pub shares: Map<String, Value>,
    /// Whether anything of the trees is believed. If not, the shares are those of all trees that were trained.
    pub believed: bool,
}

/// Importance over all trees that predict: those of the pool or coin in `heads`, random forests, and the coin's own trees. Gains are
/// counted per training row, and as far as the calibration believes the trees: by the slope of the scores, of which each family of
/// a mix has its part, or by that of the own trees. Each head of which something is believed counts the same. Where nothing is
/// believed, or nothing is known of it yet, all trees count.
pub fn importance(
    heads: &BTreeMap<Head, Forest>,
    other_families: &BTreeMap<Family, FamilyModels>,
    mix: &Mix,
    calibration: Option<&Calibration>,
) -> Importance {
    let members = |head: Head, calibration: Option<&Calibration>| -> Vec<(&Forest, f64)> {
        let trees = |family: Family| other_families.get(&family).and_then(FamilyModels::trees)?.get(&head);
        let part = |family: Family| match mix.get(&head) {
            None => f64::from(u8::from(family == Family::Gbdt)),
            Some(families) if families.contains(&family) => 1.0 / families.len() as f64,
            Some(_) => 0.0,
        };
        let (slope, own_slope) = match calibration {
            Some(calibration) => {
                let slopes = calibration.head(head).slopes;
                ([Family::Gbdt, Family::Forest].map(|family| slopes.slope * part(family)), slopes.own_slope)
            }
            None => ([1.0; 2], 1.0),
        };
        let all = [(heads.get(&head), slope[0]), (trees(Family::Forest), slope[1]), (trees(Family::Own), own_slope)];
        all.into_iter().filter_map(|(forest, slope)| Some((forest?, slope))).filter(|(_, slope)| *slope > 0.0).collect()
    };
    let of = |calibration: Option<&Calibration>| -> Vec<BTreeMap<&str, f64>> {
        let by_head = Head::ALL.into_iter().map(|head| gains(&members(head, calibration)));
        by_head.filter(|gains| !gains.is_empty()).collect()
    };
    let believed = calibration.map(|calibration| of(Some(calibration))).unwrap_or_default();
    let is_believed = !believed.is_empty();
    let by_head = if is_believed { believed } else { of(None) };
    let mut shares: BTreeMap<&str, f64> = BTreeMap::new();
    for gains in &by_head {
        let total: f64 = gains.values().sum();
        for (name, gain) in gains {
            *shares.entry(name).or_default() += gain / total / by_head.len() as f64;
        }
    }
    let mut shares: Vec<(&str, f64)> = shares.into_iter().collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    let shares = shares.into_iter().map(|(name, share)| (name.to_owned(), json!(share))).collect();
    Importance { shares, believed: is_believed }
}

/// Share of each feature in the gain of some heads alone, greatest first. Each head counts the same; features without a split are
/// left out.
pub fn importance_shares(heads: &BTreeMap<Head, Forest>) -> Map<String, Value> {
    importance(heads, &BTreeMap::new(), &Mix::new(), None).shares
}

/// Gain per training row of each feature, of some trees with a weight each; empty without a split.
fn gains<'a>(members: &[(&'a Forest, f64)]) -> BTreeMap<&'a str, f64> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for (forest, weight) in members {
        let rows = forest.trees.iter().filter_map(|tree| tree.node_count.first()).max().copied().unwrap_or(0).max(1);
        let scale = weight / forest.divisor() / f64::from(rows);
        for (name, gain) in forest.features.iter().zip(forest.gain_importance()).filter(|(_, gain)| *gain > 0.0) {
            *sums.entry(name).or_default() += gain * scale;
        }
    }
    sums
}
