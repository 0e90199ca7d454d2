//! Calibration of predicted probabilities.

use serde::{Deserialize, Serialize};

/// Number of bins into which the predictions are grouped.
const BINS: usize = 10;

/// How well predicted probabilities match observed frequencies.
///
/// Scores are Brier scores (Brier 1950): the mean squared difference between the probability and the outcome, 0 or 1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Calibration {
    /// Number of predictions.
    pub predictions: u64,
    /// Mean predicted probability.
    pub predicted: f64,
    /// Share of predictions that came true.
    pub observed: f64,
    /// Brier score of the predictions.
    pub brier: f64,
    /// Brier score of the base rate: of always predicting `observed`, which is known only in hindsight.
    pub base_brier: f64,
    /// Brier score of the base rate that was known before: that of the fold's training rows, pooled over coins.
    pub known_base_brier: f64,
    /// Mean absolute difference between a bin's `predicted` and its `observed`, weighted by its predictions.
    pub error: f64,
    /// Bins by ascending probability, with sizes that differ by at most one.
    pub bins: Vec<CalibrationBin>,
}

/// A group of predictions with similar probabilities.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Number of predictions.
    pub predictions: u64,
    /// Mean predicted probability.
    pub predicted: f64,
    /// Share of predictions that came true.
    pub observed: f64,
}

impl Calibration {
    /// Calibration of predictions: probability, whether it came true, and the base rate that was known before. Those whose
    /// probability is not finite are skipped; `None` if none remain.
    pub fn of(predictions: impl IntoIterator<Item = (f64, bool, f64)>) -> Option<Self> {
        let (mut pairs, mut known_errors) = (Vec::new(), 0.0);
        for (p, came, known) in predictions.into_iter().filter(|(p, ..)| p.is_finite()) {
            let error = known - if came { 1.0 } else { 0.0 };
            known_errors += error * error;
            pairs.push((p, came));
        }
        if pairs.is_empty() {
            return None;
        }
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut shares: Vec<(f64, f64)> = pairs.iter().map(|&(p, came)| (p, if came { 1.0 } else { 0.0 })).collect();
        let count = shares.len() as f64;
        let brier = shares.iter().map(|(p, came)| (p - came) * (p - came)).sum::<f64>() / count;
        // Predictions with equal probabilities all get the share of them that came true, so that it does not matter
        // which of them a bin edge separates.
        for tie in shares.chunk_by_mut(|a, b| a.0 == b.0) {
            let mean = tie.iter().map(|t| t.1).sum::<f64>() / tie.len() as f64;
            tie.iter_mut().for_each(|t| t.1 = mean);
        }
        let bins = BINS.min(shares.len());
        let edge = |bin: usize| bin * shares.len() / bins;
        let bins: Vec<CalibrationBin> = (0..bins).map(|bin| summary(&shares[edge(bin)..edge(bin + 1)])).collect();
        let CalibrationBin { predictions, predicted, observed } = summary(&shares);
        let weighted_error = |bin: &CalibrationBin| bin.predictions as f64 * (bin.predicted - bin.observed).abs();
        let error = bins.iter().map(weighted_error).sum::<f64>() / count;
        let base_brier = observed * (1.0 - observed);
        let known_base_brier = known_errors / count;
        Some(Self { predictions, predicted, observed, brier, base_brier, known_base_brier, error, bins })
    }

    /// Brier skill score against the base rate that was known before, 1 − brier/known_base_brier: 0 is no better than always
    /// predicting that rate, below 0 is worse. `None` if that rate was always right.
    pub fn known_skill(&self) -> Option<f64> {
        (self.known_base_brier > 0.0).then(|| 1.0 - self.brier / self.known_base_brier)
    }

    /// Brier skill score, 1 − brier/base_brier: 0 is no better than always predicting the base rate, below 0 is worse.
    /// `None` if the event always or never happens.
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
    fn scores_equal_values_computed_by_hand() {
        let found =
            Calibration::of([(0.8, true, 0.75), (0.6, false, 0.75), (0.2, false, 0.75), (0.4, true, 0.75)]).unwrap();
        // (0.04 + 0.36 + 0.04 + 0.36) / 4; the base rate of 0.5 is always wrong by 0.5.
        assert!((found.brier - 0.2).abs() < 1e-12 && (found.base_brier - 0.25).abs() < 1e-12);
        assert!((found.skill().unwrap() - 0.2).abs() < 1e-12);
        // The rate known before, 0.75, is wrong by 0.25 twice and by 0.75 twice.
        assert!((found.known_base_brier - 0.3125).abs() < 1e-12);
        assert!((found.known_skill().unwrap() - 0.36).abs() < 1e-12);
        // One prediction per bin: differences 0.2, 0.6, 0.6 and 0.2.
        assert!((found.error - 0.4).abs() < 1e-12);
        assert_eq!(found.bins.iter().map(|bin| bin.observed).collect::<Vec<_>>(), [0.0, 1.0, 0.0, 1.0]);
        assert_eq!((found.predictions, found.observed), (4, 0.5));
    }

    #[test]
    fn a_constant_probability_equal_to_the_base_rate_is_calibrated_in_every_bin() {
        // 40 of 100 come true, in two orders.
        for reversed in [false, true] {
            let found = Calibration::of((0..100).map(|i| (0.4, if reversed { i >= 60 } else { i < 40 }, 0.4))).unwrap();
            assert!(found.error < 1e-12 && found.bins.len() == 10, "{found:?}");
            assert!((found.brier - 0.24).abs() < 1e-12 && found.skill().unwrap().abs() < 1e-9);
        }
    }

    #[test]
    fn bins_share_the_predictions_evenly_from_the_least_likely_up() {
        let found = Calibration::of((0..23).rev().map(|i| (f64::from(i) / 23.0, i % 2 == 0, 0.5))).unwrap();
        let sizes: Vec<u64> = found.bins.iter().map(|bin| bin.predictions).collect();
        assert_eq!((sizes.len(), sizes.iter().sum::<u64>()), (10, 23));
        assert!(sizes.iter().all(|size| [2, 3].contains(size)), "{sizes:?}");
        assert!(found.bins.is_sorted_by(|a, b| a.predicted < b.predicted));
    }

    #[test]
    fn nan_is_skipped_and_the_order_does_not_matter() {
        let pairs = [(0.3, true, 0.5), (f64::NAN, true, 0.5), (0.3, false, 0.5), (0.7, true, 0.5)];
        let found = Calibration::of(pairs).unwrap();
        assert_eq!(found.predictions, 3);
        let mut reversed = pairs;
        reversed.reverse();
        assert_eq!(Calibration::of(reversed).unwrap(), found);
        assert_eq!(Calibration::of([(f64::NAN, true, 0.5)]), None);
        assert_eq!(Calibration::of([(0.9, true, 0.5)]).unwrap().skill(), None);
    }
}
