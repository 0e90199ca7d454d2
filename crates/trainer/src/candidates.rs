//! The bars that are offered for a decision.

use std::collections::BTreeMap;

use huracan_decide::{Candidate, Prediction};

use super::{FoldOutcome, TrainedSymbol};

/// One candidate per bar of the test windows, with the chosen predictions of its fold.
pub fn candidates(
    trained: &BTreeMap<usize, TrainedSymbol>,
    predictions: impl Fn(&FoldOutcome) -> &[Prediction],
) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (&symbol, outcome) in
        trained.iter().flat_map(|(symbol, trained)| trained.folds.iter().map(move |o| (symbol, o)))
    {
        let bars = outcome.fold.test.clone().zip(predictions(outcome));
        candidates.extend(bars.map(|(bar, prediction)| (symbol, bar, Some(*prediction))));
    }
    candidates
}
