//! How well predicted edges match what was realised.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::clusters::LEAST_CLUSTERS;
use super::student::student_quantile;

/// Probability below the upper end of a 95 % interval.
const UPPER: f64 = 0.975;
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

impl PredictedEdge {
    /// What was realised beyond the drift.
    fn beyond(&self) -> f64 {
        self.realised - (self.predicted - self.told)
    }

    /// The same on the side that the model says.
    fn kept(&self) -> f64 {
        self.told.signum() * self.beyond()
    }
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
    /// Lower end of its 95 % interval, with errors by blocks of days; `None` where models say something in fewer than
    /// [`LEAST_CLUSTERS`] of them.
    pub told_low: Option<f64>,
    /// Upper end.
    pub told_high: Option<f64>,
    /// Blocks of days that they belong to.
    pub blocks: u64,
    /// Blocks in which a model says something of a bar in particular.
    #[serde(default)]
    pub told_blocks: u64,
    /// Mean predicted edge, basis points.
    pub predicted: f64,
    /// Mean realised edge, basis points.
    pub realised: f64,
    /// 1 − Σ(realised − predicted)² / Σ(realised − known mean)²; above 0 is better than the constant. `None` if the constant
    /// was always right.
    pub r2: Option<f64>,
    /// Slope of realised on predicted edges, with an intercept; `None` where all predictions are equal. 1 is calibrated.
    pub slope: Option<f64>,
    /// Lower end of its 95 % interval, with errors by blocks of days; `None` with fewer than [`LEAST_CLUSTERS`] of them.
    pub slope_low: Option<f64>,
    /// Upper end.
    pub slope_high: Option<f64>,
    /// Mean predicted and realised edge by ascending prediction, in bins whose sizes differ by at most one. Equal predictions
    /// all count with their mean, wherever a bin ends among them.
    pub bins: Vec<EdgeBin>,
    /// The same of what models say of a bar in particular, where they do, on the side that they say: how much they promise,
    /// and what was realised beyond the drift. This is what is traded.
    #[serde(default)]
    pub told_bins: Vec<EdgeBin>,
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
    let all = summary(&rows.iter().map(|row| (row.predicted, row.realised)).collect::<Vec<_>>());
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
        kept: mean(&|row| row.kept()),
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
        let rows: Vec<PredictedEdge> = rows.into_iter().filter(finite).collect();
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
        let told = slope(&rows, |row| row.told, PredictedEdge::beyond);
        let said = || rows.iter().filter(|row| row.told != 0.0);
        let blocks_of = |blocks: BTreeSet<i64>| blocks.len();
        let blocks = blocks_of(rows.iter().map(|row| row.block).collect());
        let told_blocks = blocks_of(said().map(|row| row.block).collect());
        let mut by_month: BTreeMap<i64, Vec<PredictedEdge>> = BTreeMap::new();
        rows.iter().for_each(|row| by_month.entry(row.month).or_default().push(*row));
        Some(Self {
            predictions: rows.len() as u64,
            told: said().count() as u64,
            told_slope: told.value,
            told_low: told.end(-1.0, told_blocks),
            told_high: told.end(1.0, told_blocks),
            blocks: blocks as u64,
            told_blocks: told_blocks as u64,
            predicted,
            realised,
            r2,
            slope: whole.value,
            slope_low: whole.end(-1.0, blocks),
            slope_high: whole.end(1.0, blocks),
            months: by_month.values().map(|rows| month(rows)).collect(),
            bins: bins(rows.iter().map(|row| (row.predicted, row.realised)).collect()),
            told_bins: bins(said().map(|row| (row.told.abs(), row.kept())).collect()),
        })
    }
}

/// Pairs of predicted and realised in bins by ascending prediction. Equal predictions all get the mean of what was realised,
/// so that it does not matter which of them a bin's end separates.
fn bins(mut pairs: Vec<(f64, f64)>) -> Vec<EdgeBin> {
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    for tie in pairs.chunk_by_mut(|a, b| a.0 == b.0) {
        let mean = tie.iter().map(|pair| pair.1).sum::<f64>() / tie.len() as f64;
        tie.iter_mut().for_each(|pair| pair.1 = mean);
    }
    let count = BINS.min(pairs.len());
    let edge = |bin: usize| bin * pairs.len() / count;
    (0..count).map(|bin| summary(&pairs[edge(bin)..edge(bin + 1)])).collect()
}

/// A slope and its standard error by blocks.
#[derive(Default)]
struct Slope {
    value: Option<f64>,
    error: Option<f64>,
    /// Number of blocks of equal weight that would say as much: (Σ w)²/Σ w², w a block's share of the spread of x. Where a few
    /// blocks hold most of it, the error is as uncertain as theirs (Carter, Schnepel and Steigerwald 2017).
    equal_blocks: f64,
}

impl Slope {
    /// An end of the interval by Student's t; none if x is told in fewer than [`LEAST_CLUSTERS`] blocks.
    fn end(&self, sign: f64, blocks: usize) -> Option<f64> {
        let (value, error) = self.value.zip(self.error).filter(|_| blocks >= LEAST_CLUSTERS)?;
        let degrees = (self.equal_blocks.round() as usize).clamp(2, blocks) - 1;
        Some(value + sign * student_quantile(UPPER, degrees) * error)
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
    let mut blocks: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for row in rows {
        let (distance, own) = (x(row) - mean_x, blocks.entry(row.block).or_default());
        own.0 += distance * (y(row) - mean_y - value * distance);
        own.1 += distance * distance;
    }
    let groups = blocks.len() as f64;
    let sums: f64 = blocks.values().map(|(sum, _)| sum * sum).sum();
    let weights: f64 = blocks.values().map(|(_, weight)| weight * weight).sum();
    Slope {
        value: Some(value),
        error: (groups > 1.0).then(|| (sums * groups / (groups - 1.0)).sqrt() / spread),
        equal_blocks: spread * spread / weights,
    }
}

/// Means of pairs of predicted and realised.
fn summary(pairs: &[(f64, f64)]) -> EdgeBin {
    let count = pairs.len() as f64;
    EdgeBin {
        predictions: pairs.len() as u64,
        predicted: pairs.iter().map(|pair| pair.0).sum::<f64>() / count,
        realised: pairs.iter().map(|pair| pair.1).sum::<f64>() / count,
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
    fn equal_predictions_have_equal_tenths_in_any_order() {
        // A market's drift in two folds: which coins come first says nothing.
        let rows: Vec<PredictedEdge> =
            (0..200).map(|i| row(if i < 100 { 1.0 } else { 2.0 }, f64::from(i % 10), i64::from(i % 20))).collect();
        let fit = EdgeFit::of(rows.clone()).unwrap();
        assert!(fit.bins.iter().all(|bin| bin.predictions == 20 && (bin.realised - 4.5).abs() < 1e-12), "{fit:?}");
        assert_eq!(fit.bins.iter().map(|bin| bin.predicted).collect::<Vec<_>>(), [[1.0; 5], [2.0; 5]].concat());
        let mut sorted = rows;
        sorted.sort_by(|a, b| a.realised.total_cmp(&b.realised));
        assert_eq!(EdgeFit::of(sorted).unwrap().bins, fit.bins);
    }

    #[test]
    fn tenths_of_what_is_told_are_on_the_side_that_is_told_and_leave_the_drift_out() {
        let row = |i: i32| PredictedEdge {
            // A drift of 5, and on every fourth bar 10 or 20 to either side, of which half is realised.
            told: [0.0, 10.0, 0.0, -20.0][i as usize % 4],
            predicted: 5.0 + [0.0, 10.0, 0.0, -20.0][i as usize % 4],
            realised: 5.0 + [90.0, 5.0, -90.0, -10.0][i as usize % 4],
            known_mean: 0.0,
            block: i64::from(i),
            month: 0,
        };
        let fit = EdgeFit::of((0..80).map(row)).unwrap();
        let told: Vec<(f64, f64)> = fit.told_bins.iter().map(|bin| (bin.predicted, bin.realised)).collect();
        assert_eq!(told, [[(10.0, 5.0); 5], [(20.0, 10.0); 5]].concat());
        assert_eq!(fit.told_bins.iter().map(|bin| bin.predictions).sum::<u64>(), fit.told);
        assert_eq!((fit.told_blocks, fit.blocks), (40, 80));
    }

    #[test]
    fn days_on_which_nothing_is_told_are_no_evidence() {
        let fit = |days: i64| {
            let row = |i: i64| PredictedEdge {
                told: if i / 10 < days { 10.0 } else { 0.0 },
                predicted: if i / 10 < days { 10.0 } else { 0.0 },
                realised: if i / 10 < days { 12.0 } else { 0.0 } + (i % 3 - 1) as f64,
                known_mean: 0.0,
                block: i / 10,
                month: 0,
            };
            EdgeFit::of((0..1000).map(row)).unwrap()
        };
        let few = fit(3);
        assert!(few.told_slope.is_some_and(|slope| (slope - 1.2).abs() < 0.05), "{few:?}");
        assert_eq!((few.told_blocks, few.told_low, few.told_high), (3, None, None));
        let many = fit(12);
        assert!(many.told_low.is_some_and(|low| low > 1.0) && many.told_high.is_some(), "{many:?}");
    }

    #[test]
    fn the_interval_is_students_of_the_blocks_that_count() {
        // Ten blocks of the same two predictions: slope and error by hand, Student's t with 9 degrees.
        let off = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0, -6.0, -7.0, 0.0];
        let fit = EdgeFit::of((0..20).map(|i: usize| {
            let x = if i.is_multiple_of(2) { -1.0 } else { 1.0 };
            row(x, x * (1.0 + off[i / 2]), i as i64 / 2)
        }))
        .unwrap();
        let squares: f64 = off.iter().map(|off| 4.0 * off * off).sum();
        let error = (squares * 10.0 / 9.0).sqrt() / 20.0;
        assert!((fit.slope.unwrap() - 1.0).abs() < 1e-12);
        assert!((fit.slope_high.unwrap() - 1.0 - 2.262_157_163 * error).abs() < 1e-8, "{fit:?}");
        // One block that weighs like hundreds leaves the error to chance.
        let heavy = EdgeFit::of((0..20).map(|i: usize| {
            let x = if i.is_multiple_of(2) { -1.0 } else { 1.0 } * if i < 2 { 50.0 } else { 1.0 };
            row(x, x * (1.0 + off[i / 2]), i as i64 / 2)
        }))
        .unwrap();
        let width = |fit: &EdgeFit| fit.slope_high.unwrap() - fit.slope.unwrap();
        assert!(width(&heavy) > 0.1, "{heavy:?}");
    }

    #[test]
    fn equal_predictions_have_no_slope() {
        let fit = EdgeFit::of((0..50).map(|i| row(0.0, f64::from(i % 5), i64::from(i)))).unwrap();
        assert_eq!((fit.slope, fit.slope_low, fit.r2), (None, None, Some(0.0)));
        assert_eq!(EdgeFit::of([]), None);
        assert_eq!(EdgeFit::of([row(f64::NAN, 1.0, 0)]), None);
    }
}
