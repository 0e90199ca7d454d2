//! How well the heads that say probabilities are calibrated on the test windows.

use super::jobs::{WIN_LONG, WIN_SHORT};
use crate::decide::{Prediction, Question};
use crate::labels::Labels;
use crate::metrics::Calibration;
use crate::shadow::Side;

/// Every head that says a probability, with its calibration over the out-of-fold bars of all symbols that have a label.
pub fn heads(questions: &[Question], labels: &Labels) -> Vec<(&'static str, Calibration)> {
    let head = |name, side, probability: fn(&Prediction) -> f64| {
        let pairs = questions.iter().filter_map(|(symbol, bar, says)| {
            let label = labels.get(*symbol, *bar, side)?;
            Some((probability(says.as_ref()?), label.return_bps > 0.0))
        });
        Some((name, Calibration::of(pairs)?))
    };
    let heads = [head(WIN_LONG, Side::Long, |says| says.win_long), head(WIN_SHORT, Side::Short, |says| says.win_short)];
    heads.into_iter().flatten().collect()
}
