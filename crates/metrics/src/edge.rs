//! How well predicted edges match what was realised.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Half the width of a 95 % interval, in standard errors.
const INTERVAL: f64 = 1.96;
/// Number of bins into which the predictions are grouped.
const BINS: usize = 10;

/// One predicted edge, basis points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictedEdge {
    /// What was predicted.
    pub predicted: f64,
    /// What was realised.
    pub realised: f64,
    /// The constant that was known before: the mean of the fold's training rows, pooled over coins.
    pub known_mean: f64,
    /// Whether a model says more of this bar than of any other.
    pub told: bool,
    /// The block of days that it belongs to; rows of one block move together.
    pub block: i64,
}

/// How well predicted edges match the realised ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EdgeFit {
    /// Number of predictions.
    pub predictions: u64,
    /// Those in which a model says more of the bar than of any other; the rest are the market's drift alone.
    pub told: u64,
    /// Blocks of days that they belong to.
    pub blocks: u64,
    /// Mean predicted edge, basis points.
    pub predicted: f64,
    /// Mean realised edge, basis points.
    pub realised: f64,
    /// 1 − Σ(realised − predicted)² / Σ(realised − known mean)²; above 0 is better than the constant. `None` if the constant
    /// was always right.
    pub r2: Option<f64>,
    /// Slope of realised on predicted edges, with an intercept; `None` where all predictions are equal. 1 is calibrated.
    pub slope: Option<f64>,
    /// Lower end of its 95 % interval, with errors by blocks of days.
    pub slope_low: Option<f64>,
    /// Upper end.
    pub slope_high: Option<f64>,
    /// Mean predicted and realised edge by ascending prediction, in bins whose sizes differ by at most one.
    pub bins: Vec<EdgeBin>,
}

/// A group of similar predictions, basis points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct EdgeBin {
    /// Number of predictions.
    pub predictions: u64,
    /// Mean predicted edge.
    pub predicted: f64,
    /// Mean realised edge.
    pub realised: f64,
}

impl EdgeFit {
    /// The fit of predictions; those that are not finite are skipped. `None` if none remain.
    pub fn of(rows: impl IntoIterator<Item = PredictedEdge>) -> Option<Self> {
        let finite = |row: &PredictedEdge| row.predicted.is_finite() && row.realised.is_finite();
        let mut rows: Vec<PredictedEdge> = rows.into_iter().filter(finite).collect();
        if rows.is_empty() {
            return None;
        }
        // In the order of the rows as they came: sums do not depend on anything else.
        let count = rows.len() as f64;
        let mean = |of: fn(&PredictedEdge) -> f64| rows.iter().map(of).sum::<f64>() / count;
        let (predicted, realised) = (mean(|row| row.predicted), mean(|row| row.realised));
        let squares = |of: fn(&PredictedEdge) -> f64| rows.iter().map(|row| of(row) * of(row)).sum::<f64>();
        let known = squares(|row| row.realised - row.known_mean);
        let r2 = (known > 0.0).then(|| 1.0 - squares(|row| row.realised - row.predicted) / known);
        let spread: f64 = rows.iter().map(|row| (row.predicted - predicted) * (row.predicted - predicted)).sum();
        let (mut slope, mut error) = (None, None);
        let mut blocks: BTreeMap<i64, f64> = rows.iter().map(|row| (row.block, 0.0)).collect();
        // The rounding errors of equal predictions are not a spread.
        if spread > 1e-18 * count * (1.0 + predicted * predicted) {
            let both = rows.iter().map(|row| (row.predicted - predicted) * (row.realised - realised)).sum::<f64>();
            let found = both / spread;
            for row in &rows {
                let left = row.realised - realised - found * (row.predicted - predicted);
                *blocks.entry(row.block).or_default() += (row.predicted - predicted) * left;
            }
            let groups = blocks.len() as f64;
            let sums: f64 = blocks.values().map(|sum| sum * sum).sum();
            slope = Some(found);
            error = (groups > 1.0).then(|| (sums * groups / (groups - 1.0)).sqrt() / spread);
        }
        let end = |sign: f64| slope.zip(error).map(|(slope, error)| slope + sign * INTERVAL * error);
        let (slope_low, slope_high) = (end(-1.0), end(1.0));
        let blocks = blocks.len() as u64;
        rows.sort_by(|a, b| a.predicted.total_cmp(&b.predicted));
        let bins = BINS.min(rows.len());
        let edge = |bin: usize| bin * rows.len() / bins;
        let bins = (0..bins).map(|bin| summary(&rows[edge(bin)..edge(bin + 1)])).collect();
        Some(Self {
            predictions: rows.len() as u64,
            told: rows.iter().filter(|row| row.told).count() as u64,
            blocks,
            predicted,
            realised,
            r2,
            slope,
            slope_low,
            slope_high,
            bins,
        })
    }
}

fn summary(rows: &[PredictedEdge]) -> EdgeBin {
    let count = rows.len() as f64;
    EdgeBin {
        predictions: rows.len() as u64,
        predicted: rows.iter().map(|row| row.predicted).sum::<f64>() / count,
        realised: rows.iter().map(|row| row.realised).sum::<f64>() / count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(predicted: f64, realised: f64, block: i64) -> PredictedEdge {
        PredictedEdge { predicted, realised, known_mean: 0.0, told: true, block }
    }

    #[test]
    fn a_perfect_prediction_has_slope_and_r2_of_1() {
        let fit = EdgeFit::of((0..100).map(|i| row(f64::from(i), f64::from(i), i64::from(i / 10)))).unwrap();
        assert_eq!((fit.r2, fit.slope, fit.blocks), (Some(1.0), Some(1.0), 10));
        assert_eq!((fit.slope_low, fit.slope_high), (Some(1.0), Some(1.0)));
        assert_eq!((fit.bins.len(), fit.bins[0].predicted), (10, 4.5));
    }

    #[test]
    fn an_overconfident_prediction_has_a_slope_below_1_and_an_interval() {
        let noise = |i: i32| if i % 3 == 0 { 40.0 } else { -20.0 };
        let rows = (0..300).map(|i| row(f64::from(i - 150), 0.25 * f64::from(i - 150) + noise(i), i64::from(i / 10)));
        let fit = EdgeFit::of(rows).unwrap();
        assert!((fit.slope.unwrap() - 0.25).abs() < 0.02);
        assert!(fit.slope_low.unwrap() < 0.25 && fit.slope_high.unwrap() > 0.25);
        assert!(fit.r2.unwrap() < 0.0);
    }

    #[test]
    fn equal_predictions_have_no_slope() {
        let fit = EdgeFit::of((0..50).map(|i| row(0.0, f64::from(i % 5), i64::from(i)))).unwrap();
        assert_eq!((fit.slope, fit.slope_low, fit.r2), (None, None, Some(0.0)));
        assert_eq!(EdgeFit::of([]), None);
        assert_eq!(EdgeFit::of([row(f64::NAN, 1.0, 0)]), None);
    }
}
