//! How well the heads that say probabilities are calibrated on the test windows.

use super::Model;
use super::jobs::{WIN_LONG, WIN_SHORT};
use crate::decide::Prediction;
use crate::labels::Labels;
use crate::metrics::Calibration;
use crate::shadow::Side;

/// Every head that says a probability, with its calibration over the out-of-fold bars of all symbols that have a label.
pub fn heads(models: &[Model], labels: &Labels) -> Vec<(&'static str, Calibration)> {
    let head = |name, side, probability: fn(&Prediction) -> f64| {
        let folds = models.iter().flat_map(|model| model.trained.folds.iter().map(|fold| (model.symbol, fold)));
        let said = folds.flat_map(|(symbol, outcome)| {
            outcome.fold.test.clone().zip(&outcome.predictions).map(move |(bar, says)| (symbol, bar, says))
        });
        let pairs = said.filter_map(|(symbol, bar, says)| {
            Some((probability(says), labels.get(symbol, bar, side)?.return_bps > 0.0))
        });
        Some((name, Calibration::of(pairs)?))
    };
    let heads = [head(WIN_LONG, Side::Long, |says| says.win_long), head(WIN_SHORT, Side::Short, |says| says.win_short)];
    heads.into_iter().flatten().collect()
}
