//! Training jobs of the heads: rows, labels and parameters.

use std::ops::Range;

use super::{EdgeLoss, Family, ModelParams, TreeGrowth};
use huracan_bars::Panel;
use huracan_boost::{BoostJob, BoostParams, Ensemble, Growth, Objective};
use huracan_decide::Head;
use huracan_folds::Fold;
use huracan_labels::Labels;
use huracan_shadow::Side;

/// The boosting job of one head of one symbol and fold.
pub fn boost_job(
    panel: &Panel,
    labels: &Labels,
    symbol: usize,
    fold: &Fold,
    head: Head,
    params: BoostParams,
) -> BoostJob {
    let (train, train_labels) = labelled_rows(panel, labels, symbol, &fold.train, head);
    let (valid, valid_labels) = labelled_rows(panel, labels, symbol, &fold.validation, head);
    BoostJob {
        name: format!("{} fold {} {head}", panel.symbols[symbol], fold.index),
        train,
        train_labels,
        valid,
        valid_labels,
        params,
        ..BoostJob::default()
    }
}

/// Rows of a symbol's bars in the table of all features.
pub fn table_rows(panel: &Panel, symbol: usize, bars: &Range<usize>) -> impl Iterator<Item = u32> {
    let first = symbol * panel.bars;
    bars.clone().map(move |bar| (first + bar) as u32)
}

/// The rows of those bars that have a label, and their labels for a head.
pub fn labelled_rows(
    panel: &Panel,
    labels: &Labels,
    symbol: usize,
    bars: &Range<usize>,
    head: Head,
) -> (Vec<u32>, Vec<f32>) {
    // Both sides are labelled or neither: labels are missing only at the end of the data.
    let label = |bar: usize| {
        let long = labels.get(symbol, bar, Side::Long)?.return_bps;
        let short = labels.get(symbol, bar, Side::Short)?.return_bps;
        Some(match head {
            Head::WinLong => f32::from(u8::from(long > 0.0)),
            Head::WinShort => f32::from(u8::from(short > 0.0)),
            // Costs are the same on both sides and cancel.
            Head::EdgeBps => ((long - short) / 2.0) as f32,
        })
    };
    bars.clone().filter_map(|bar| Some(((symbol * panel.bars + bar) as u32, label(bar)?))).unzip()
}

/// Parameters of a head for the first family of trees, the one that LightGBM loads.
pub fn boost_params(settings: &ModelParams, head: Head, seed: u64) -> BoostParams {
    tree_params(settings, Family::of(settings.kind)[0], head, seed)
}

/// Parameters of a head for one family of trees.
pub fn tree_params(settings: &ModelParams, family: Family, head: Head, seed: u64) -> BoostParams {
    let edge = match settings.edge_loss {
        EdgeLoss::Squared => Objective::Regression,
        EdgeLoss::Huber => Objective::Huber { delta: settings.edge_huber_bps },
        EdgeLoss::Quantile => Objective::Quantile { alpha: settings.edge_quantile },
    };
    BoostParams {
        objective: if head == Head::EdgeBps { edge } else { Objective::Binary },
        ensemble: if family == Family::Forest { Ensemble::Forest } else { Ensemble::Boosting },
        growth: match settings.growth {
            TreeGrowth::Level => Growth::Level,
            TreeGrowth::Leaf => Growth::Leaf,
        },
        rounds: settings.rounds,
        learning_rate: settings.learning_rate,
        max_depth: settings.max_depth,
        max_leaves: settings.max_leaves,
        max_bin: settings.max_bin,
        l2: settings.l2,
        min_child_hessian: settings.min_child_hessian,
        min_split_gain: settings.min_split_gain,
        subsample: settings.subsample,
        colsample: settings.colsample,
        colsample_node: settings.colsample_node,
        early_stopping: settings.early_stopping,
        min_rounds: settings.min_rounds,
        seed,
        ..BoostParams::default()
    }
}
