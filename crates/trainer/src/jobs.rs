//! Training jobs of the heads: rows, labels, weights and parameters.

use std::ops::Range;

use super::{EdgeLoss, Family, ModelKind, ModelParams, Targets, TreeGrowth, Unit};
use huracan_bars::Panel;
use huracan_base::arith;
use huracan_boost::{BoostJob, BoostParams, Ensemble, Growth, Objective};
use huracan_decide::{Head, Scores};
use huracan_folds::Fold;

/// The boosting job of one head of one unit and fold.
pub fn boost_job(
    targets: &Targets,
    unit: &Unit,
    fold: &Fold,
    head: Head,
    models: &ModelParams,
    params: BoostParams,
) -> BoostJob {
    let train = targets.rows(unit, &fold.train, head, models);
    let valid = targets.rows(unit, &fold.validation, head, models);
    BoostJob {
        name: format!("{} fold {} {head}", unit.name, fold.index),
        params,
        train: train.rows,
        train_labels: train.labels,
        train_weights: train.weights,
        valid: valid.rows,
        valid_labels: valid.labels,
        valid_weights: valid.weights,
    }
}

/// Rows of a symbol's bars in the table of all features.
pub fn table_rows(panel: &Panel, symbol: usize, bars: &Range<usize>) -> impl Iterator<Item = u32> {
    let first = symbol * panel.bars;
    bars.clone().map(move |bar| (first + bar) as u32)
}

/// Parameters of a head for the first family of trees, the one that LightGBM loads.
pub fn boost_params(settings: &ModelParams, head: Head, seed: u64) -> BoostParams {
    tree_params(settings, Family::of(settings.kind)[0], head, seed)
}

/// Parameters of the trees that learn what a pooled model leaves over in a coin's rows: squared error for every head.
pub fn own_params(settings: &ModelParams, head: Head, seed: u64) -> BoostParams {
    let family = if settings.kind == ModelKind::Forest { Family::Forest } else { Family::Gbdt };
    BoostParams { objective: Objective::Regression, ..tree_params(settings, family, head, seed) }
}

/// Probabilities become log odds at this rate where both are likely.
const LOG_ODDS_PER_PROBABILITY: f64 = 4.0;

/// Takes a model's predictions from labels: what is left over of a probability, in log odds, or of an edge in ATR.
pub fn subtract(labels: &mut [f32], head: Head, scores: &[Scores]) {
    for (label, scores) in labels.iter_mut().zip(scores) {
        let score = scores[head.position()];
        let left = match head {
            Head::EdgeBps => f64::from(*label) - score,
            _ => (f64::from(*label) - arith::sigmoid(score)) * LOG_ODDS_PER_PROBABILITY,
        };
        *label = left as f32;
    }
}

/// Parameters of a head for one family of trees, with regularisation that means the same for every head.
pub fn tree_params(settings: &ModelParams, family: Family, head: Head, seed: u64) -> BoostParams {
    let edge = match settings.edge_loss {
        EdgeLoss::Squared => Objective::Regression,
        EdgeLoss::Huber => Objective::Huber { delta: settings.edge_huber_atr },
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
        l2: settings.l2_share,
        min_child_hessian: settings.min_child_share,
        relative: true,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_over_is_in_log_odds_and_in_atr() {
        // Log odds of 0, and of 1/4.
        let scores = [[0.0, arith::ln(1.0 / 3.0), 1.25], [0.0, arith::ln(1.0 / 3.0), -2.0]];
        let left = |head| {
            let mut labels = [1.0, 0.0];
            subtract(&mut labels, head, &scores);
            labels
        };
        assert_eq!(left(Head::WinLong), [2.0, -2.0]);
        let known = [(1.0 - 0.25) * 4.0, -0.25 * 4.0];
        assert!(left(Head::WinShort).iter().zip(known).all(|(left, known)| (f64::from(*left) - known).abs() < 1e-6));
        assert_eq!(left(Head::EdgeBps), [-0.25, 2.0]);
    }

    #[test]
    fn penalties_are_shares_for_every_head_and_family() {
        let settings =
            ModelParams { l2_share: 0.3, min_child_share: 0.02, min_split_gain: 0.01, ..ModelParams::default() };
        for head in Head::ALL {
            for family in [Family::Gbdt, Family::Forest] {
                let params = tree_params(&settings, family, head, 7);
                assert!(params.relative);
                assert_eq!((params.l2, params.min_child_hessian, params.min_split_gain), (0.3, 0.02, 0.01));
            }
        }
    }
}
