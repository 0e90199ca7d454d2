//! How well predicted edges match what was realised.

use std::collections::{BTreeMap, BTreeSet};

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
    /// The part of `predicted` that the model says of this bar in particular; the rest is the market's drift.
    pub told: f64,
    /// The block of days that it belongs to; rows of one block move together.
    pub block: i64,
    /// Calendar months from January 1970, see [`month_of`].
    pub month: i64,
}

/// How well predicted edges match the realised ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EdgeFit {
    /// Number of predictions.
    pub predictions: u64,
    /// Those in which a model says something of the bar in particular; the rest are the market's drift alone.
    pub told: u64,
    /// Slope of what was realised beyond the drift on what the models said of each bar in particular, with an intercept; `None`
    /// where they said nothing. 1 is a promise that is kept.
    pub told_slope: Option<f64>,
    /// Lower end of its 95 % interval, with errors by blocks of days.
    pub told_low: Option<f64>,
    /// Upper end.
    pub told_high: Option<f64>,
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
    /// The same over time, by calendar month.
    #[serde(default)]
    pub months: Vec<EdgeMonth>,
}

/// The predictions of one calendar month, basis points.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EdgeMonth {
    /// `YYYY-MM`.
    pub month: String,
    /// Number of predictions.
    pub predictions: u64,
    /// Mean predicted edge.
    pub predicted: f64,
    /// Mean realised edge.
    pub realised: f64,
    /// Those in which a model says something of the bar in particular.
    pub told: u64,
    /// Mean of what it says, on the side that it says; `None` where it says nothing.
    pub promised: Option<f64>,
    /// Mean of what was realised beyond the drift on that side.
    pub kept: Option<f64>,
}

/// Calendar months from January 1970 to a time, milliseconds UTC (Fliegel and Van Flandern 1968).
pub fn month_of(time_ms: i64) -> i64 {
    let mut l = time_ms.div_euclid(86_400_000) + 2_440_588 + 68_569;
    let n = 4 * l / 146_097;
    l -= (146_097 * n + 3) / 4;
    let i = 4000 * (l + 1) / 1_461_001;
    l = l - 1461 * i / 4 + 31;
    let j = 80 * l / 2447;
    let month = j + 2 - 12 * (j / 11);
    let year = 100 * (n - 49) + i + j / 11;
    (year - 1970) * 12 + month - 1
}

fn month(rows: &[PredictedEdge]) -> EdgeMonth {
    let all = summary(rows);
    let told: Vec<&PredictedEdge> = rows.iter().filter(|row| row.told != 0.0).collect();
    let mean = |of: &dyn Fn(&PredictedEdge) -> f64| {
        (!told.is_empty()).then(|| told.iter().map(|row| of(row)).sum::<f64>() / told.len() as f64)
    };
    EdgeMonth {
        month: format!("{}-{:02}", 1970 + rows[0].month.div_euclid(12), rows[0].month.rem_euclid(12) + 1),
        predictions: all.predictions,
        predicted: all.predicted,
        realised: all.realised,
        told: told.len() as u64,
        promised: mean(&|row| row.told.abs()),
        kept: mean(&|row| row.told.signum() * (row.realised - (row.predicted - row.told))),
    }
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
        let whole = slope(&rows, |row| row.predicted, |row| row.realised);
        let told = slope(&rows, |row| row.told, |row| row.realised - (row.predicted - row.told));
        let blocks = rows.iter().map(|row| row.block).collect::<BTreeSet<i64>>().len() as u64;
        let mut by_month: BTreeMap<i64, Vec<PredictedEdge>> = BTreeMap::new();
        rows.iter().for_each(|row| by_month.entry(row.month).or_default().push(*row));
        rows.sort_by(|a, b| a.predicted.total_cmp(&b.predicted));
        let bins = BINS.min(rows.len());
        let edge = |bin: usize| bin * rows.len() / bins;
        let bins = (0..bins).map(|bin| summary(&rows[edge(bin)..edge(bin + 1)])).collect();
        Some(Self {
            predictions: rows.len() as u64,
            told: rows.iter().filter(|row| row.told != 0.0).count() as u64,
            told_slope: told.value,
            told_low: told.end(-1.0),
            told_high: told.end(1.0),
            blocks,
            predicted,
            realised,
            r2,
            slope: whole.value,
            slope_low: whole.end(-1.0),
            slope_high: whole.end(1.0),
            months: by_month.values().map(|rows| month(rows)).collect(),
            bins,
        })
    }
}

/// A slope and its standard error by blocks.
#[derive(Default)]
struct Slope {
    value: Option<f64>,
    error: Option<f64>,
}

impl Slope {
    /// An end of the interval.
    fn end(&self, sign: f64) -> Option<f64> {
        self.value.zip(self.error).map(|(value, error)| value + sign * INTERVAL * error)
    }
}

/// The slope of `y` on `x` with an intercept; none where all `x` are equal.
fn slope(rows: &[PredictedEdge], x: impl Fn(&PredictedEdge) -> f64, y: impl Fn(&PredictedEdge) -> f64) -> Slope {
    let count = rows.len() as f64;
    let mean = |of: &dyn Fn(&PredictedEdge) -> f64| rows.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(&x), mean(&y));
    let spread: f64 = rows.iter().map(|row| (x(row) - mean_x) * (x(row) - mean_x)).sum();
    // The rounding errors of equal predictions are not a spread.
    if spread <= 1e-18 * count * (1.0 + mean_x * mean_x) {
        return Slope::default();
    }
    let both = rows.iter().map(|row| (x(row) - mean_x) * (y(row) - mean_y)).sum::<f64>();
    let value = both / spread;
    let mut blocks: BTreeMap<i64, f64> = BTreeMap::new();
    for row in rows {
        let left = y(row) - mean_y - value * (x(row) - mean_x);
        *blocks.entry(row.block).or_default() += (x(row) - mean_x) * left;
    }
    let groups = blocks.len() as f64;
    let sums: f64 = blocks.values().map(|sum| sum * sum).sum();
    Slope { value: Some(value), error: (groups > 1.0).then(|| (sums * groups / (groups - 1.0)).sqrt() / spread) }
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
        PredictedEdge { predicted, realised, known_mean: 0.0, told: predicted, block, month: block }
    }

    #[test]
    fn months_are_those_of_the_calendar_and_hold_what_was_promised() {
        let day = 86_400_000;
        assert_eq!([0, 31 * day - 1, 31 * day, 59 * day, 365 * day].map(month_of), [0, 0, 1, 2, 12]);
        assert_eq!(
            (month_of(951_782_400_000), month_of(951_868_800_000)),
            (30 * 12 + 1, 30 * 12 + 2),
            "29 February 2000"
        );
        let row = |told: f64, realised: f64, month: i64| PredictedEdge {
            predicted: told + 5.0,
            realised,
            known_mean: 0.0,
            told,
            block: month,
            month,
        };
        let fit = EdgeFit::of([row(0.0, 4.0, 649), row(-10.0, -3.0, 649), row(20.0, 15.0, 650)]).unwrap();
        let [first, second] = fit.months.as_slice() else { panic!("{fit:?}") };
        assert_eq!((first.month.as_str(), first.predictions, first.told), ("2024-02", 2, 1));
        assert_eq!((first.promised, first.kept), (Some(10.0), Some(8.0)));
        assert_eq!((second.promised, second.kept), (Some(20.0), Some(10.0)));
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
