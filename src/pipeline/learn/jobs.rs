//! What each head of a symbol's model learns: its rows, labels and parameters.

use std::ops::Range;

use crate::boost::{BoostJob, BoostParams, Ensemble, Growth, Objective};
use crate::folds::Fold;
use crate::labels::Labels;
use crate::market::Panel;
use crate::models::Family;
use crate::settings::{EdgeLoss, Models, TreeGrowth};
use crate::shadow::Side;

/// Probability that a long trade makes money.
pub const WIN_LONG: &str = "win_long";
/// Probability that a short trade makes money.
pub const WIN_SHORT: &str = "win_short";
/// What being long earns before costs, basis points.
pub const EDGE: &str = "edge_bps";
/// Every head, in the order of a model's jobs.
pub const HEADS: [&str; 3] = [WIN_LONG, WIN_SHORT, EDGE];

/// The job of one head of one symbol and fold.
pub fn job(panel: &Panel, labels: &Labels, symbol: usize, fold: &Fold, head: &str, params: BoostParams) -> BoostJob {
    let (train, train_labels) = labelled(panel, labels, symbol, &fold.train, head);
    let (valid, valid_labels) = labelled(panel, labels, symbol, &fold.validation, head);
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

/// Rows of some bars of a symbol in the table of all features.
pub fn rows(panel: &Panel, symbol: usize, bars: &Range<usize>) -> impl Iterator<Item = u32> {
    let first = symbol * panel.bars;
    bars.clone().map(move |bar| (first + bar) as u32)
}

/// The rows of some bars that have a label, and what a head learns of them.
pub fn labelled(
    panel: &Panel,
    labels: &Labels,
    symbol: usize,
    bars: &Range<usize>,
    head: &str,
) -> (Vec<u32>, Vec<f32>) {
    // Both sides are labelled or neither: a label is missing only where the data end.
    let label = |bar: usize| {
        let long = labels.get(symbol, bar, Side::Long)?.return_bps;
        let short = labels.get(symbol, bar, Side::Short)?.return_bps;
        Some(match head {
            WIN_LONG => f32::from(u8::from(long > 0.0)),
            WIN_SHORT => f32::from(u8::from(short > 0.0)),
            // What a side earns before costs: they weigh on both alike and cancel.
            _ => ((long - short) / 2.0) as f32,
        })
    };
    bars.clone().filter_map(|bar| Some(((symbol * panel.bars + bar) as u32, label(bar)?))).unzip()
}

/// Parameters of a head by the settings: those of the trees that LightGBM loads.
pub fn params(settings: &Models, head: &str, seed: u64) -> BoostParams {
    params_of(settings, Family::of(settings.kind)[0], head, seed)
}

/// Parameters of a head of one family of trees.
pub fn params_of(settings: &Models, family: Family, head: &str, seed: u64) -> BoostParams {
    let edge = match settings.edge_loss {
        EdgeLoss::Squared => Objective::Regression,
        EdgeLoss::Huber => Objective::Huber { delta: settings.edge_huber_bps },
        EdgeLoss::Quantile => Objective::Quantile { alpha: settings.edge_quantile },
    };
    BoostParams {
        objective: if head == EDGE { edge } else { Objective::Binary },
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
