//! Whether probabilities mean what they say.

use serde::{Deserialize, Serialize};

/// Groups that the predictions are put in.
const BINS: usize = 10;

/// How often what was called likely came true. Scores are Brier's (1950): the mean squared distance of the probability
/// from what happened, 0 or 1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Calibration {
    pub predictions: u64,
    /// Mean of the probabilities.
    pub predicted: f64,
    /// Share that came true.
    pub observed: f64,
    pub brier: f64,
    /// The score of always saying `observed`: who only knows it has this one.
    pub base_brier: f64,
    /// Mean distance of a bin's `predicted` from its `observed`, weighted by its predictions.
    pub error: f64,
    /// From the least likely to the likeliest, of equal size as nearly as whole numbers allow.
    pub bins: Vec<CalibrationBin>,
}

/// Predictions of about the same probability.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    pub predictions: u64,
    pub predicted: f64,
    pub observed: f64,
}

impl Calibration {
    /// Of probabilities and whether each came true; those that are no number are left out. None without any.
    pub fn of(pairs: impl IntoIterator<Item = (f64, bool)>) -> Option<Self> {
        let mut pairs: Vec<(f64, bool)> = pairs.into_iter().filter(|(p, _)| p.is_finite()).collect();
        if pairs.is_empty() {
            return None;
        }
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut shares: Vec<(f64, f64)> = pairs.iter().map(|&(p, came)| (p, if came { 1.0 } else { 0.0 })).collect();
        let count = shares.len() as f64;
        let brier = shares.iter().map(|(p, came)| (p - came) * (p - came)).sum::<f64>() / count;
        // Within a tie every prediction stands for the share of it that came true: whichever side of a bin's edge it
        // falls on says nothing.
        for tie in shares.chunk_by_mut(|a, b| a.0 == b.0) {
            let mean = tie.iter().map(|t| t.1).sum::<f64>() / tie.len() as f64;
            tie.iter_mut().for_each(|t| t.1 = mean);
        }
        let bins = BINS.min(shares.len());
        let edge = |bin: usize| bin * shares.len() / bins;
        let bins: Vec<CalibrationBin> = (0..bins).map(|bin| summary(&shares[edge(bin)..edge(bin + 1)])).collect();
        let CalibrationBin { predictions, predicted, observed } = summary(&shares);
        let distance = |bin: &CalibrationBin| bin.predictions as f64 * (bin.predicted - bin.observed).abs();
        let error = bins.iter().map(distance).sum::<f64>() / count;
        let base_brier = observed * (1.0 - observed);
        Some(Self { predictions, predicted, observed, brier, base_brier, error, bins })
    }

    /// The share of the base's score that was saved: 0 is no better than always saying how often it happens, below 0 is
    /// worse; none where it always or never happens.
    pub fn skill(&self) -> Option<f64> {
        (self.base_brier > 0.0).then(|| 1.0 - self.brier / self.base_brier)
    }
}

fn summary(shares: &[(f64, f64)]) -> CalibrationBin {
    let count = shares.len() as f64;
    CalibrationBin {
        predictions: shares.len() as u64,
        predicted: shares.iter().map(|share| share.0).sum::<f64>() / count,
        observed: shares.iter().map(|share| share.1).sum::<f64>() / count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_worked_out_by_hand() {
        let found = Calibration::of([(0.8, true), (0.6, false), (0.2, false), (0.4, true)]).unwrap();
        // (0.04 + 0.36 + 0.04 + 0.36) / 4, and a half that is always wrong by a half.
        assert!((found.brier - 0.2).abs() < 1e-12 && (found.base_brier - 0.25).abs() < 1e-12);
        assert!((found.skill().unwrap() - 0.2).abs() < 1e-12);
        // One prediction a bin: distances 0.2, 0.6, 0.6 and 0.2.
        assert!((found.error - 0.4).abs() < 1e-12);
        assert_eq!(found.bins.iter().map(|bin| bin.observed).collect::<Vec<_>>(), [0.0, 1.0, 0.0, 1.0]);
        assert_eq!((found.predictions, found.observed), (4, 0.5));
    }

    #[test]
    fn one_probability_that_comes_true_as_often_as_it_says_is_calibrated_in_every_bin() {
        // 40 of 100 each, in two orders.
        for turned in [false, true] {
            let found = Calibration::of((0..100).map(|i| (0.4, if turned { i >= 60 } else { i < 40 }))).unwrap();
            assert!(found.error < 1e-12 && found.bins.len() == 10, "{found:?}");
            assert!((found.brier - 0.24).abs() < 1e-12 && found.skill().unwrap().abs() < 1e-9);
        }
    }

    #[test]
    fn bins_share_the_predictions_evenly_from_the_least_likely_up() {
        let found = Calibration::of((0..23).rev().map(|i| (f64::from(i) / 23.0, i % 2 == 0))).unwrap();
        let sizes: Vec<u64> = found.bins.iter().map(|bin| bin.predictions).collect();
        assert_eq!((sizes.len(), sizes.iter().sum::<u64>()), (10, 23));
        assert!(sizes.iter().all(|size| [2, 3].contains(size)), "{sizes:?}");
        assert!(found.bins.is_sorted_by(|a, b| a.predicted < b.predicted));
    }

    #[test]
    fn what_is_no_number_is_left_out_and_the_order_says_nothing() {
        let pairs = [(0.3, true), (f64::NAN, true), (0.3, false), (0.7, true)];
        let found = Calibration::of(pairs).unwrap();
        assert_eq!(found.predictions, 3);
        let mut turned = pairs;
        turned.reverse();
        assert_eq!(Calibration::of(turned).unwrap(), found);
        assert_eq!(Calibration::of([(f64::NAN, true)]), None);
        assert_eq!(Calibration::of([(0.9, true)]).unwrap().skill(), None);
    }
}
