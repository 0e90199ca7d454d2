//! Why a model predicted an edge at a signal: the SHAP values of the trees that were asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use huracan_base::units::BPS;
use huracan_boost::{Forest, contributions};
use huracan_decide::Head;
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
    /// The coin's own trees.
    pub(crate) own: Option<Arc<TrainedHead>>,
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
    let forest = |trees: &Option<Arc<TrainedHead>>| trees.as_ref().map(|head| head.forest.clone());
    let (main, own) = if of_fold {
        (forest(&outcome.edge_trees.main), forest(&outcome.edge_trees.own))
    } else {
        let own = trained.other_families.get(&Family::Own).and_then(FamilyModels::trees);
        (trained.heads.get(&Head::EdgeBps).cloned(), own.and_then(|heads| heads.get(&Head::EdgeBps)).cloned())
    };
    let rows: Vec<u32> = wanted.iter().map(|&offer| row(view, &offers[offer])).collect();
    let columns = view.table().features;
    let mut sums = vec![0.0; rows.len() * columns];
    // A score beyond the reach counts for less than it says.
    let shares: Vec<f64> = wanted
        .iter()
        .map(|&offer| {
            let place = offers[offer].trade.signal_bar - outcome.fold.test.start;
            let distance = outcome.scores.all.test[place][Head::EdgeBps.position()] - base;
            if distance == 0.0 { 0.0 } else { distance.clamp(-slopes.reach, slopes.reach) / distance }
        })
        .collect();
    let mut add = |forest: &Option<Forest>, slope: f64, shares: &[f64]| {
        let Some(forest) = forest.as_ref().filter(|_| slope > 0.0) else { return };
        let values = contributions(forest, view.table(), &rows);
        let all = sums.chunks_exact_mut(columns).zip(values.chunks_exact(columns + 1)).zip(shares);
        for ((sums, values), share) in all {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += slope * share * value);
        }
    };
    add(&main, part * slopes.slope, &shares);
    add(&own, slopes.own_slope, &vec![1.0; rows.len()]);
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
    wanted.iter().zip(sums.chunks_exact(columns)).map(one).collect()
}

fn row(view: &View, offer: &Offer) -> u32 {
    (offer.trade.symbol * view.bars + offer.trade.signal_bar) as u32
}
