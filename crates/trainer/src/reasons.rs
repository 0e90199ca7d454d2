//! Why a model predicted an edge at a signal: the SHAP values of the trees that were asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use huracan_base::Table;
use huracan_base::units::BPS;
use huracan_boost::{Forest, PackedForest, contributions};
use huracan_decide::{Head, Slopes};
use huracan_features::{View, view_columns};
use huracan_risk::Offer;

use super::trees::TrainedHead;
use super::{Family, FamilyModels, TrainedSymbol};

/// Most reasons of a prediction.
const MOST: usize = 5;

/// What one column of the view adds to the predicted edge of a trade.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reason {
    /// Column of the view.
    pub column: usize,
    /// Its SHAP value, as far as scores are believed, on the side of the trade, basis points.
    pub edge_bps: f64,
    /// The column's value at the signal.
    pub value: f32,
}

/// The reasons of one prediction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reasons {
    /// The largest, in order of their size.
    pub all: Vec<Reason>,
    /// Whether they are those of the fold's own trees. After a training that was resumed only the final trees are known.
    pub of_fold: bool,
}

/// Trees of the edge head, kept for reasons; they are not stored with a checkpoint, and do not count in comparisons.
#[derive(Debug, Clone, Default)]
pub struct EdgeTrees {
    /// The family that predicts.
    pub(crate) main: Option<Arc<TrainedHead>>,
    /// The coin's own trees: each fold of each coin has some, and few are asked.
    pub(crate) own: Option<PackedForest>,
}

impl PartialEq for EdgeTrees {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The reasons of the offers with these indices, by index. A prediction of networks has none.
pub fn reasons(
    trained: &BTreeMap<usize, TrainedSymbol>,
    view: &View,
    offers: &[Offer],
    wanted: &[usize],
) -> BTreeMap<usize, Reasons> {
    let mut groups: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for &offer in wanted {
        let trade = &offers[offer].trade;
        if let Some(fold) = trained.get(&trade.symbol).and_then(|own| own.fold_at(trade.signal_bar)) {
            groups.entry((trade.symbol, fold)).or_default().push(offer);
        }
    }
    let groups: Vec<((usize, usize), Vec<usize>)> = groups.into_iter().collect();
    let found: Vec<Vec<(usize, Reasons)>> = groups
        .par_iter()
        .map(|((symbol, fold), wanted)| of_fold(&trained[symbol], *fold, view, offers, wanted))
        .collect();
    found.into_iter().flatten().collect()
}

fn of_fold(
    trained: &TrainedSymbol,
    fold: usize,
    view: &View,
    offers: &[Offer],
    wanted: &[usize],
) -> Vec<(usize, Reasons)> {
    let outcome = &trained.folds[fold];
    let Some(calibration) = outcome.calibration else { return Vec::new() };
    // Of a mix the first family's trees have reasons, for their part of the mean.
    let part = match outcome.mix.get(&Head::EdgeBps) {
        None => 1.0,
        Some(families) if families.contains(&Family::Gbdt) => 1.0 / families.len() as f64,
        Some(_) => return Vec::new(),
    };
    let (slopes, base) = (calibration.head(Head::EdgeBps).slopes, calibration.head(Head::EdgeBps).base);
    let of_fold = outcome.edge_trees.main.is_some();
    let EdgeTrees { main, own } = &outcome.edge_trees;
    let (main, own) = if of_fold {
        (main.as_ref().map(|head| head.forest.clone()), own.as_ref().map(PackedForest::unpack))
    } else {
        let own = trained.other_families.get(&Family::Own).and_then(FamilyModels::trees);
        (trained.heads.get(&Head::EdgeBps).cloned(), own.and_then(|heads| heads.get(&Head::EdgeBps)).cloned())
    };
    let rows: Vec<u32> = wanted.iter().map(|&offer| row(view, &offers[offer])).collect();
    let columns = view.table().features;
    let distance = |&offer: &usize| {
        let place = offers[offer].trade.signal_bar - outcome.fold.test.start;
        outcome.scores.all.test[place][Head::EdgeBps.position()] - base
    };
    let distances: Vec<f64> = wanted.iter().map(distance).collect();
    let sums = explain(&slopes, part, (main.as_ref(), own.as_ref()), view.table(), &rows, &distances);
    let one = |(&offer, sums): (&usize, &[f64])| {
        let trade = &offers[offer].trade;
        let at = |column: usize| view.value(trade.symbol, trade.signal_bar, column);
        let scale = trade.side.sign() * f64::from(at(view_columns::ATR_SHARE)) * BPS;
        let reason = |column: usize| Reason { column, edge_bps: sums[column] * scale, value: at(column) };
        let mut all: Vec<Reason> = (0..columns).map(reason).filter(|reason| reason.edge_bps != 0.0).collect();
        all.sort_by(|a, b| b.edge_bps.abs().total_cmp(&a.edge_bps.abs()).then(a.column.cmp(&b.column)));
        all.truncate(MOST);
        (offer, Reasons { all, of_fold })
    };
    wanted.iter().zip(sums.chunks_exact(columns + 1)).map(one).collect()
}

/// What each column adds to the calibrated edge of some rows of a table, and last what no column adds, `[rows × (columns + 1)]` in
/// multiples of the ATR. With what the head says of no bar in particular they add up to the edge that is told, if the main trees
/// predict alone; of a mix they are their `part`. `trees` are the main ones and the coin's own, and `distances` those of the scores
/// from the base.
fn explain(
    slopes: &Slopes,
    part: f64,
    trees: (Option<&Forest>, Option<&Forest>),
    table: Table<'_>,
    rows: &[u32],
    distances: &[f64],
) -> Vec<f64> {
    let width = table.features + 1;
    let mut sums = vec![0.0; rows.len() * width];
    // A score beyond the reach counts for less than it says.
    let share = |distance: &f64| {
        if *distance == 0.0 { 0.0 } else { distance.clamp(-slopes.reach, slopes.reach) / distance }
    };
    let shares: Vec<f64> = distances.iter().map(share).collect();
    let mut add = |forest: Option<&Forest>, slope: f64, shares: &[f64]| {
        let Some(forest) = forest.filter(|_| slope > 0.0) else { return };
        let values = contributions(forest, table, rows);
        let all = sums.chunks_exact_mut(width).zip(values.chunks_exact(width)).zip(shares);
        for ((sums, values), share) in all {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += slope * share * value);
        }
    };
    add(trees.0, part * slopes.slope, &shares);
    add(trees.1, slopes.own_slope, &vec![1.0; rows.len()]);
    sums
}

fn row(view: &View, offer: &Offer) -> u32 {
    (offer.trade.symbol * view.bars + offer.trade.signal_bar) as u32
}

#[cfg(test)]
mod tests {
    use huracan_boost::{Child, Objective, Tree};
    use huracan_decide::{Calibration, HeadCalibration};

    use super::*;

    /// A split on each of two columns, of 40 rows.
    fn forest(left: f64, middle: f64, right: f64) -> Forest {
        let tree = Tree {
            split_feature: vec![0, 1],
            threshold: vec![0.5, 0.25],
            missing_left: vec![true; 2],
            left: vec![Child::Leaf(0), Child::Leaf(1)],
            right: vec![Child::Node(1), Child::Leaf(2)],
            split_gain: vec![2.0, 1.0],
            node_value: vec![0.0; 2],
            node_weight: vec![40.0, 30.0],
            node_count: vec![40, 30],
            leaf_value: vec![left, middle, right],
            leaf_weight: vec![10.0, 12.0, 18.0],
            leaf_count: vec![10, 12, 18],
        };
        Forest {
            objective: Objective::Regression,
            features: vec!["a".into(), "b".into()],
            base_score: vec![0.05],
            averaged: false,
            trees: vec![tree],
            validation_loss: Vec::new(),
        }
    }

    #[test]
    fn what_columns_add_and_the_rest_are_what_the_models_tell() {
        let values = [0.0_f32, 0.0, 1.0, 0.0, 1.0, 1.0];
        let table = Table { values: &values, features: 2 };
        let (main, own) = (forest(-0.3, 0.1, 0.9), forest(0.02, -0.04, 0.01));
        let slopes = Slopes { slope: 0.8, own_slope: 0.5, reach: 0.4, ..Slopes::NONE };
        let head = HeadCalibration { offset: 0.0, drift_bps: 2.0, base: 0.1, usual: 0.03, slopes };
        let calibration = Calibration { heads: [head; Head::COUNT] };
        let row = |at: usize| &values[at * 2..at * 2 + 2];
        let scores: Vec<f64> = (0..3).map(|at| main.raw_scores(row(at))[0]).collect();
        let distances: Vec<f64> = scores.iter().map(|score| score - head.base).collect();
        assert!(distances.iter().any(|distance| distance.abs() > slopes.reach), "{distances:?}");
        let sums = explain(&slopes, 1.0, (Some(&main), Some(&own)), table, &[0, 1, 2], &distances);
        for at in 0..3 {
            let told = calibration
                .predict(&[scores[at]; Head::COUNT], &[own.raw_scores(row(at))[0]; Head::COUNT], 0.01)
                .told_bps;
            // Of the score's distance from its base, as much as lies within the reach is told.
            let share = distances[at].clamp(-slopes.reach, slopes.reach) / distances[at];
            let rest = head.usual - slopes.slope * share * head.base;
            let all: f64 = sums[at * 3..at * 3 + 3].iter().sum();
            assert!(((all + rest) * 0.01 * BPS - told).abs() < 1e-9, "{all} and {rest} against {told}");
        }
        assert!(sums[..2].iter().all(|value| *value != 0.0), "{sums:?}");
    }
}
