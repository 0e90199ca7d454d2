//! From a model's raw scores to predictions that past rows support.
//!
//! A raw score is what trees or networks say: log odds for the heads of probabilities, multiples of the ATR for the edge. A
//! calibrated one is
//!
//! `usual + slope·(score − base) + own_slope·own`
//!
//! where `base` is the mean of the model's training labels, `usual` what the head says of no bar in particular, and `own` what a
//! coin's own trees add to a pooled model. The slopes are not below 0, and come from rows that are older than those that are
//! predicted (`trainer::calibrate`). A head without skill has slopes of 0 and says its `offset`, the base rate of all coins, or an
//! edge of 0. To an edge in basis points the part of the whole market's drift that is believed is added, the same for every bar.

use serde::{Deserialize, Serialize};

use super::{Head, Prediction};
use huracan_base::arith;
use huracan_base::units::BPS;

/// Raw scores of the heads for one bar, in the order of [`Head::ALL`]: log odds, log odds, multiples of the ATR.
pub type Scores = [f64; Head::COUNT];

/// Probabilities closer than this to 0 or 1 are limited, so that log odds stay finite.
const LEAST_PROBABILITY: f64 = 1e-15;

/// How far the scores of one head are believed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Slopes {
    /// Share of the mean edge of all coins' training rows that is believed; 0 for probabilities.
    #[serde(default)]
    pub drift_slope: f64,
    /// Share of the model's base, less that of all coins, that is added to the offset.
    pub base_slope: f64,
    /// Share of the difference between score and base.
    pub slope: f64,
    /// Share of what the coin's own trees add; 0 where there are none.
    #[serde(default)]
    pub own_slope: f64,
    /// Largest distance of a score from its base that counts: the 99 % quantile of past distances. Beyond it there were hardly
    /// any rows to learn from.
    pub reach: f64,
    /// The slope of outcomes on scores before shrinkage.
    pub raw_slope: f64,
    /// Its standard error, by blocks of days; 0 without rows.
    pub raw_slope_error: f64,
    /// Past rows from which the slopes come.
    pub rows: u64,
    /// Blocks of days that these rows belong to.
    pub blocks: u64,
}

impl Slopes {
    /// Of a head about which nothing is known: it has no skill.
    pub const NONE: Self = Self {
        drift_slope: 0.0,
        base_slope: 0.0,
        slope: 0.0,
        own_slope: 0.0,
        reach: 0.0,
        raw_slope: 0.0,
        raw_slope_error: 0.0,
        rows: 0,
        blocks: 0,
    };
}

/// The calibration of one head of one model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeadCalibration {
    /// What a head without skill says: log odds of the base rate over the training rows of all coins; for the edge 0.
    pub offset: f64,
    /// What is added to an edge, basis points: the mean edge of the training rows of all coins, as far as it is believed.
    #[serde(default)]
    pub drift_bps: f64,
    /// Mean of the model's training labels: log odds, or multiples of the ATR.
    pub base: f64,
    /// What the head says of no bar in particular: the offset, and what is believed of the base. Models of the format before have
    /// none, and are refused by their format.
    #[serde(default)]
    pub usual: f64,
    /// How far base and scores are believed.
    #[serde(flatten)]
    pub slopes: Slopes,
}

impl HeadCalibration {
    /// Whether every number is finite and none is negative that must not be: what a file has to fulfil.
    pub fn is_valid(&self) -> bool {
        let s = &self.slopes;
        let numbers = [
            self.offset,
            self.drift_bps,
            self.base,
            self.usual,
            s.drift_slope,
            s.base_slope,
            s.slope,
            s.own_slope,
            s.reach,
        ];
        numbers.iter().all(|number| number.is_finite()) && numbers[4..].iter().all(|number| *number >= 0.0)
    }

    /// The calibrated score. `own` is what the coin's own trees add, 0 without them.
    pub fn apply(&self, score: f64, own: f64) -> f64 {
        let s = &self.slopes;
        let distance = (score - self.base).clamp(-s.reach, s.reach);
        self.usual + s.slope * distance + s.own_slope * own
    }
}

/// The calibration of all heads of one model, in the order of [`Head::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// One per head.
    pub heads: [HeadCalibration; Head::COUNT],
}

impl Calibration {
    /// The calibration of a head.
    pub fn head(&self, head: Head) -> &HeadCalibration {
        &self.heads[head.position()]
    }

    /// The prediction for a bar: its raw scores, what the coin's own trees add to them, and `atr_share`, ATR(14) over close.
    pub fn predict(&self, scores: &Scores, own: &Scores, atr_share: f64) -> Prediction {
        let score = |head: Head| {
            let at = head.position();
            self.heads[at].apply(scores[at], own[at])
        };
        let lift = |head: Head| arith::sigmoid(score(head)) - arith::sigmoid(self.head(head).usual);
        let told_bps = score(Head::EdgeBps) * atr_share * BPS;
        Prediction {
            win_long: arith::sigmoid(score(Head::WinLong)),
            win_short: arith::sigmoid(score(Head::WinShort)),
            edge_bps: told_bps + self.head(Head::EdgeBps).drift_bps,
            told_bps,
            lead: lift(Head::WinLong) - lift(Head::WinShort),
        }
    }
}

/// The log odds of a probability, which is limited to 1e-15 and 1 − 1e-15.
pub fn log_odds(probability: f64) -> f64 {
    let p = probability.clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
    arith::ln(p / (1.0 - p))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(usual: f64, base: f64, slopes: Slopes) -> HeadCalibration {
        HeadCalibration { offset: 0.0, drift_bps: 0.0, base, usual, slopes }
    }

    #[test]
    fn a_head_without_skill_says_the_same_of_every_bar() {
        let calibration = Calibration { heads: [head(-0.5, -0.4, Slopes::NONE); Head::COUNT] };
        let prediction = calibration.predict(&[2.0, -3.0, 1.0], &[0.0; 3], 0.01);
        assert_eq!((prediction.win_long, prediction.lead), (arith::sigmoid(-0.5), 0.0));
        let edge = Calibration { heads: [head(0.0, 0.3, Slopes::NONE); Head::COUNT] };
        assert_eq!(edge.predict(&[0.0, 0.0, 5.0], &[0.0; 3], 0.01).edge_bps, 0.0);
    }

    #[test]
    fn scores_are_shrunk_to_their_slope_and_limited_to_their_reach() {
        let slopes = Slopes { slope: 0.25, reach: 2.0, ..Slopes::NONE };
        let own = head(0.1, 0.2, slopes);
        assert!((own.apply(1.2, 0.0) - (0.1 + 0.25)).abs() < 1e-12);
        assert!((own.apply(50.0, 0.0) - (0.1 + 0.5)).abs() < 1e-12);
        let partial = head(0.1, 0.2, Slopes { own_slope: 0.5, ..slopes });
        assert!((partial.apply(1.2, 0.4) - (0.1 + 0.25 + 0.2)).abs() < 1e-12);
    }

    #[test]
    fn an_edge_in_atr_becomes_basis_points() {
        let slopes = Slopes { slope: 1.0, reach: 9.0, ..Slopes::NONE };
        let calibration = Calibration { heads: [head(0.0, 0.0, slopes); Head::COUNT] };
        assert!((calibration.predict(&[0.0, 0.0, 0.5], &[0.0; 3], 0.01).edge_bps - 50.0).abs() < 1e-9);
        assert!(calibration.predict(&[1.0, 0.0, 0.5], &[0.0; 3], 0.01).lead > 0.2);
    }

    #[test]
    fn log_odds_are_finite_and_the_inverse_of_the_sigmoid() {
        assert!(log_odds(0.0).is_finite() && log_odds(1.0).is_finite());
        assert!((arith::sigmoid(log_odds(0.3)) - 0.3).abs() < 1e-12);
    }
}
