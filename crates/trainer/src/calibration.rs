//! Calibration of the predicted probabilities on the test windows.

use super::Model;
use huracan_decide::Head;
use huracan_labels::Labels;
use huracan_metrics::Calibration;
use huracan_shadow::Side;

/// Calibration of every head that predicts a probability, over the labelled out-of-fold bars of all symbols.
pub fn calibration(models: &[Model], labels: &Labels) -> Vec<(Head, Calibration)> {
    let of_head = |(head, side): (Head, Side)| {
        let folds = models.iter().flat_map(|model| model.trained.folds.iter().map(|fold| (model.symbol, fold)));
        let predicted = folds.flat_map(|(symbol, outcome)| {
            outcome.fold.test.clone().zip(&outcome.predictions).map(move |(bar, prediction)| (symbol, bar, prediction))
        });
        let pairs = predicted.filter_map(|(symbol, bar, prediction)| {
            Some((prediction.head(head), labels.get(symbol, bar, side)?.return_bps > 0.0))
        });
        Some((head, Calibration::of(pairs)?))
    };
    [(Head::WinLong, Side::Long), (Head::WinShort, Side::Short)].into_iter().filter_map(of_head).collect()
}
