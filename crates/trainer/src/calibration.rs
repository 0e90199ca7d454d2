//! How well the predictions of the test windows match what happened.

use std::collections::BTreeMap;

use super::Model;
use huracan_bars::Panel;
use huracan_base::arith;
use huracan_decide::{Head, Prediction};
use huracan_labels::Labels;
use huracan_metrics::{Calibration, EdgeFit, PredictedEdge, month_of};
use huracan_shadow::Side;

/// Calibration of every head that predicts a probability, over the labelled out-of-fold bars of all symbols.
pub fn calibration(models: &[Model], labels: &Labels) -> Vec<(Head, Calibration)> {
    let of_head = |(head, side): (Head, Side)| {
        let predictions = predictions(models).filter_map(|(model, fold, bar, prediction)| {
            let known = arith::sigmoid(model.trained.folds[fold].calibration?.head(head).offset);
            let label = labels.get(model.symbol, bar, side)?;
            Some((prediction.head(head), label.return_bps > 0.0, known))
        });
        Some((head, Calibration::of(predictions)?))
    };
    [(Head::WinLong, Side::Long), (Head::WinShort, Side::Short)].into_iter().filter_map(of_head).collect()
}

/// How well the predicted edges match the realised ones, over the labelled out-of-fold bars of all symbols; `None` if there
/// are none. A label looks ahead by at most `horizon_bars`.
pub fn edge_fit(models: &[Model], panel: &Panel, labels: &Labels, horizon_bars: usize) -> Option<EdgeFit> {
    EdgeFit::of(predicted_edges(models, panel, labels, horizon_bars))
}

/// Predicted and realised edges of the labelled out-of-fold bars of all symbols.
pub fn predicted_edges(models: &[Model], panel: &Panel, labels: &Labels, horizon_bars: usize) -> Vec<PredictedEdge> {
    let block_ms = panel.timeframe.block_ms(horizon_bars);
    let known = known_means(models, labels);
    let row = |(model, fold, bar, prediction): (&Model, usize, usize, &Prediction)| {
        Some(PredictedEdge {
            told: prediction.told_bps,
            predicted: prediction.edge_bps,
            realised: labels.edge_bps(model.symbol, bar)?,
            known_mean: *known.get(&model.trained.folds[fold].fold.index)?,
            block: panel.time_ms(bar).div_euclid(block_ms),
            month: month_of(panel.time_ms(bar)),
        })
    };
    predictions(models).filter_map(row).collect()
}

/// Mean edge of the training rows of all symbols, by number of the fold, basis points.
fn known_means(models: &[Model], labels: &Labels) -> BTreeMap<usize, f64> {
    let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for model in models {
        for outcome in &model.trained.folds {
            let sum = sums.entry(outcome.fold.index).or_default();
            for edge in outcome.fold.train.clone().filter_map(|bar| labels.edge_bps(model.symbol, bar)) {
                *sum = (sum.0 + edge, sum.1 + 1.0);
            }
        }
    }
    sums.into_iter().map(|(index, (sum, count))| (index, if count > 0.0 { sum / count } else { 0.0 })).collect()
}

/// Every out-of-fold prediction, with its model, place of the fold, and bar.
fn predictions(models: &[Model]) -> impl Iterator<Item = (&Model, usize, usize, &Prediction)> {
    models.iter().flat_map(|model| {
        model.trained.folds.iter().enumerate().flat_map(move |(fold, outcome)| {
            outcome.fold.test.clone().zip(&outcome.predictions).map(move |(bar, said)| (model, fold, bar, said))
        })
    })
}
