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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boost::{Child, Objective, Tree};
    use crate::decide::{HeadCalibration, Slopes};

    /// One split on a column, of so many rows.
    fn heads(column: u32, gain: f32, rows: u32) -> BTreeMap<Head, Forest> {
        let tree = Tree {
            split_feature: vec![column],
            threshold: vec![0.0],
            missing_left: vec![true],
            left: vec![Child::Leaf(0)],
            right: vec![Child::Leaf(1)],
            split_gain: vec![gain],
            node_value: vec![0.0],
            node_weight: vec![f64::from(rows)],
            node_count: vec![rows],
            leaf_value: vec![-0.1, 0.1],
            leaf_weight: vec![1.0; 2],
            leaf_count: vec![rows / 2; 2],
        };
        let forest = Forest {
            objective: Objective::Regression,
            features: ["a", "b", "c"].map(String::from).to_vec(),
            base_score: vec![0.0],
            averaged: false,
            trees: vec![tree],
            validation_loss: Vec::new(),
        };
        Head::ALL.into_iter().map(|head| (head, forest.clone())).collect()
    }

    fn own(column: u32) -> BTreeMap<Family, FamilyModels> {
        BTreeMap::from([(Family::Own, FamilyModels::Trees(heads(column, 1.0, 100)))])
    }

    fn believing(slope: f64, own_slope: f64) -> Calibration {
        let slopes = Slopes { slope, own_slope, ..Slopes::NONE };
        let head = HeadCalibration { offset: 0.0, drift_bps: 0.0, base: 0.0, usual: 0.0, slopes };
        Calibration { heads: [head; Head::COUNT] }
    }

    #[test]
    fn a_coins_own_trees_count_as_far_as_they_are_believed() {
        // A tenth of the gain per row of the own trees.
        let pool = heads(0, 1.0, 1000);
        let of = |column: u32, slope: f64, own_slope: f64| {
            importance(&pool, &own(column), &Mix::new(), Some(&believing(slope, own_slope)))
        };
        let (first, second) = (of(1, 1.0, 0.1), of(2, 1.0, 0.1));
        assert!(first.believed && second.believed);
        assert_eq!((first.shares.len(), second.shares.len()), (2, 2));
        let share = |of: &Importance, name: &str| of.shares[name].as_f64().unwrap();
        assert!((share(&first, "b") - 0.5).abs() < 1e-6 && (share(&second, "c") - 0.5).abs() < 1e-6);
        assert_eq!(of(1, 1.0, 0.0).shares.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(of(1, 0.0, 1.0).shares.keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn where_nothing_is_believed_all_trees_that_were_trained_count_and_it_is_said() {
        let pool = heads(0, 1.0, 100);
        let none = importance(&pool, &own(1), &Mix::new(), Some(&believing(0.0, 0.0)));
        assert!(!none.believed);
        assert_eq!(none.shares.len(), 2);
        // Trees that are not asked, since networks predict, are not believed either.
        let mix: Mix = Head::ALL.into_iter().map(|head| (head, vec![Family::Neural])).collect();
        let networks = importance(&pool, &own(1), &mix, Some(&believing(1.0, 0.5)));
        assert!(networks.believed);
        assert_eq!(networks.shares.keys().collect::<Vec<_>>(), ["b"]);
        assert!(!importance(&pool, &BTreeMap::new(), &mix, Some(&believing(1.0, 0.5))).believed);
    }
}
