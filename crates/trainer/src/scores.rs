//! Raw scores of a fold's models.

use serde::{Deserialize, Serialize};

use huracan_base::arith;
use huracan_boost::{Objective, mean_loss};
use huracan_decide::{Head, Scores, log_odds};
use huracan_folds::Fold;

use super::Targets;

/// Raw scores of the heads for two parts of a symbol's fold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FoldScores {
    /// One entry per bar of the validation part.
    pub validation: Vec<Scores>,
    /// One entry per bar of the test window.
    pub test: Vec<Scores>,
}

impl FoldScores {
    /// Scores of one head with the labels of the bars that have one.
    pub fn labelled(
        &self,
        targets: &Targets,
        symbol: usize,
        fold: &Fold,
        part: Part,
        head: Head,
    ) -> (Vec<f64>, Vec<f32>) {
        let (bars, scores) = match part {
            Part::Validation => (fold.validation.clone(), &self.validation),
            Part::Test => (fold.test.clone(), &self.test),
        };
        let pair = |(bar, scores): (usize, &Scores)| Some((scores[head.position()], targets.get(symbol, bar, head)?));
        bars.zip(scores).filter_map(pair).unzip()
    }
}

/// A part of a fold for which there are scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The rows that choose rounds and families.
    Validation,
    /// The out-of-fold rows.
    Test,
}

/// Mean loss of scores; `None` without labels.
pub fn loss(objective: Objective, scores: &[f64], labels: &[f32]) -> Option<f64> {
    (!labels.is_empty()).then(|| mean_loss(objective, scores, labels, &[], &mut Vec::new()))
}

/// The mean of several families' predictions of a head, as a raw score: of probabilities, or of edges.
pub fn mean(head: Head, scores: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = scores.len() as f64;
    if head == Head::EdgeBps {
        scores.sum::<f64>() / count
    } else if scores.len() == 1 {
        // Log odds of a probability would lose digits.
        scores.sum()
    } else {
        log_odds(scores.map(arith::sigmoid).sum::<f64>() / count)
    }
}
