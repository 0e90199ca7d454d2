//! Fits how far the scores of a head are believed, from rows whose outcome is known.
//!
//! A slope is fitted by maximum likelihood through the offset (least squares for the edge), with a standard error by blocks of
//! days, since rows of one day move together. Then it is judged: either the scores say something, and their slope is near 1, which
//! their training aimed at; or they say nothing, and it is 0 (a spike and a slab, Mitchell and Beauchamp 1988). Scores that are
//! likelier to say nothing are not believed at all. Otherwise the believed slope is its posterior mean: close to the fitted one
//! where past rows support it, and less where they are few.
//!
//! The mean edge of all coins' training rows, the drift of the market, is another matter: past rows hardly ever say whether
//! it goes on, and both to believe it and to leave it out is wrong by as much in the worst case. Its slope is the mean of a normal
//! posterior, whose prior is half of it.

use std::collections::BTreeMap;

use huracan_base::arith;
use huracan_decide::{Head, Slopes};

/// Probability that scores say something before any row is known.
const SKILL_PRIOR: f64 = 0.1;
/// Mean and standard deviation of the slope of scores that say something, before any row is known.
const SLOPE_PRIOR: (f64, f64) = (1.0, 0.5);
/// Largest slope of scores: boosting that was stopped early says less than it has learned.
const MAX_SLOPE: f64 = 2.0;
/// Fewest blocks of equal weight from which anything is concluded.
const FEWEST_BLOCKS: f64 = 5.0;
/// Share of past scores that lie within [`Slopes::reach`].
const REACH: f64 = 0.99;
/// Mean and standard deviation of the slope of the drift before any row is known.
const DRIFT_PRIOR: (f64, f64) = (0.5, 0.5);
/// Most steps of Newton's method.
const STEPS: usize = 20;

/// One row from which slopes are fitted.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The block of days that it belongs to.
    pub block: i64,
    /// Log odds without skill; of the edge 0.
    pub offset: f64,
    /// Of the edge the mean over the training rows of all coins, in multiples of the row's ATR; of probabilities 0.
    pub drift: f64,
    /// The model's base, less what it would be for all coins.
    pub base: f64,
    /// Score less base.
    pub distance: f64,
    /// What the coin's own trees add.
    pub own: f64,
    /// 0 or 1, or multiples of the ATR.
    pub label: f64,
}

/// Fits the slopes of a head one after the other: of the drift, the base, the distance, and the own trees.
pub fn fit(mut rows: Vec<Row>, head: Head) -> Slopes {
    rows.retain(|row| row.distance.is_finite() && row.own.is_finite());
    let is_probability = head != Head::EdgeBps;
    if rows.is_empty() {
        return Slopes { drift_slope: if is_probability { 0.0 } else { DRIFT_PRIOR.0 }, ..Slopes::NONE };
    }
    let mut distances: Vec<f64> = rows.iter().map(|row| row.distance.abs()).collect();
    let place = ((distances.len() - 1) as f64 * REACH) as usize;
    let reach = *distances.select_nth_unstable_by(place, f64::total_cmp).1;
    rows.iter_mut().for_each(|row| row.distance = row.distance.clamp(-reach, reach));
    let drift_slope = if is_probability { 0.0 } else { slope(&rows, |row| row.drift, false).of_drift() };
    rows.iter_mut().for_each(|row| row.offset += drift_slope * row.drift);
    let base_slope = slope(&rows, |row| row.base, is_probability).believed(1.0);
    rows.iter_mut().for_each(|row| row.offset += base_slope * row.base);
    let distance = slope(&rows, |row| row.distance, is_probability);
    let distance_slope = distance.believed(MAX_SLOPE);
    rows.iter_mut().for_each(|row| row.offset += distance_slope * row.distance);
    let own = slope(&rows, |row| row.own, is_probability);
    Slopes {
        drift_slope,
        base_slope,
        slope: distance_slope,
        own_slope: own.believed(MAX_SLOPE),
        reach,
        raw_slope: distance.value,
        raw_slope_error: distance.error,
        rows: rows.len() as u64,
        blocks: distance.blocks,
    }
}

/// A slope as rows give it.
#[derive(Debug, Clone, Copy)]
struct Fitted {
    value: f64,
    /// Standard error by blocks; 0 where there is nothing to fit.
    error: f64,
    blocks: u64,
    /// Number of blocks of equal weight that would say as much: (Σ w)²/Σ w², w a block's share of the curvature.
    equal_blocks: f64,
}

impl Fitted {
    const NOTHING: Self = Self { value: 0.0, error: 0.0, blocks: 0, equal_blocks: 0.0 };

    fn is_known(&self) -> bool {
        self.error > 0.0 && self.equal_blocks >= FEWEST_BLOCKS
    }

    /// Mean of the slope given `prior` (mean, standard deviation) and the rows.
    fn posterior(&self, prior: (f64, f64)) -> f64 {
        let (own, known) = ((1.0 / prior.1).powi(2), (1.0 / self.error).powi(2));
        (prior.0 * own + self.value * known) / (own + known)
    }

    /// Probability that the scores say something, with Student's t of the blocks as the likelihood.
    fn skill(&self) -> f64 {
        let freedom = self.equal_blocks - 1.0;
        let spread = self.error.hypot(SLOPE_PRIOR.1);
        let square = |distance: f64| 1.0 + distance * distance / freedom;
        let (nothing, something) = (square(self.value / self.error), square((self.value - SLOPE_PRIOR.0) / spread));
        let ratio = self.error / spread * arith::exp((freedom + 1.0) / 2.0 * arith::ln(nothing / something));
        let odds = SKILL_PRIOR / (1.0 - SKILL_PRIOR) * ratio;
        if odds.is_finite() { odds / (1.0 + odds) } else { 1.0 }
    }

    /// The slope that is believed.
    fn believed(&self, most: f64) -> f64 {
        let skill = if self.is_known() { self.skill() } else { 0.0 };
        if skill < 0.5 { 0.0 } else { (skill * self.posterior(SLOPE_PRIOR)).clamp(0.0, most) }
    }

    /// The slope of the drift, between 0 and 1.
    fn of_drift(&self) -> f64 {
        if self.is_known() { self.posterior(DRIFT_PRIOR).clamp(0.0, 1.0) } else { DRIFT_PRIOR.0 }
    }
}

/// The slope of labels on `x` beyond the offsets, by Newton's method from 0.
fn slope(rows: &[Row], x: impl Fn(&Row) -> f64, is_probability: bool) -> Fitted {
    let mean = |row: &Row, value: f64| {
        let score = row.offset + value * x(row);
        if is_probability { arith::sigmoid(score) } else { score }
    };
    let (mut value, mut curvature) = (0.0, 0.0);
    for _ in 0..STEPS {
        let mut gradient = 0.0;
        curvature = 0.0;
        for row in rows {
            let (x, mean) = (x(row), mean(row, value));
            gradient += x * (row.label - mean);
            curvature += x * x * if is_probability { mean * (1.0 - mean) } else { 1.0 };
        }
        // Without any spread there is no slope.
        if curvature <= f64::MIN_POSITIVE {
            return Fitted::NOTHING;
        }
        let step = gradient / curvature;
        if !is_probability {
            value = step;
            break;
        }
        value += step.clamp(-1.0, 1.0);
        if step.abs() < 1e-9 {
            break;
        }
    }
    let mut blocks: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for row in rows {
        let (x, mean) = (x(row), mean(row, value));
        let own = blocks.entry(row.block).or_default();
        own.0 += x * (row.label - mean);
        own.1 += x * x * if is_probability { mean * (1.0 - mean) } else { 1.0 };
    }
    let count = blocks.len() as f64;
    let spread: f64 = blocks.values().map(|(sum, _)| sum * sum).sum::<f64>() * count / (count - 1.0).max(1.0);
    let (weight, squares) =
        blocks.values().fold((0.0, 0.0), |(sum, squares), own| (sum + own.1, squares + own.1 * own.1));
    Fitted {
        value,
        error: spread.sqrt() / curvature,
        blocks: blocks.len() as u64,
        equal_blocks: weight * weight / squares,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_base::arith::{draw, uniform};

    /// Rows whose label is `slope` times the score plus noise, over so many blocks of 40 rows.
    fn edges(slope: f64, blocks: usize) -> Vec<Row> {
        let at = |stream: u64, row: usize| uniform(draw(3, stream, row as u64)) - 0.5;
        (0..blocks * 40)
            .map(|row| {
                let distance = at(0, row);
                let label = slope * distance + 2.0 * at(1, row) + at(2, row / 40);
                Row { block: row as i64 / 40, offset: 0.0, drift: 0.0, base: 0.0, distance, own: 0.0, label }
            })
            .collect()
    }

    #[test]
    fn a_supported_slope_keeps_most_of_its_value_and_noise_keeps_nothing() {
        let strong = fit(edges(0.8, 200), Head::EdgeBps);
        assert!((0.7..0.9).contains(&strong.slope), "{strong:?}");
        assert!((strong.raw_slope - 0.8).abs() < 0.1);
        let noise = fit(edges(0.0, 200), Head::EdgeBps);
        assert_eq!(noise.slope, 0.0, "{noise:?}");
        let wrong = fit(edges(-0.8, 200), Head::EdgeBps);
        assert_eq!(wrong.slope, 0.0);
    }

    #[test]
    fn few_blocks_support_nothing() {
        assert_eq!(fit(edges(0.8, 4), Head::EdgeBps).slope, 0.0);
        assert_eq!(fit(Vec::new(), Head::WinLong), Slopes::NONE);
        let (few, many) = (fit(edges(0.9, 12), Head::EdgeBps), fit(edges(0.9, 300), Head::EdgeBps));
        assert!((few.slope - few.raw_slope).abs() > (many.slope - many.raw_slope).abs(), "{few:?} {many:?}");
    }

    #[test]
    fn scores_of_noise_are_rarely_believed() {
        let believed = |noise: f64, count: f64, stream: u64| {
            let value = noise * huracan_metrics::normal_quantile(uniform(draw(9, stream, count as u64)).max(1e-12));
            Fitted { value, error: noise, blocks: count as u64, equal_blocks: count }.believed(MAX_SLOPE)
        };
        for (noise, blocks) in [(0.05, 300.0), (0.2, 100.0), (0.5, 60.0), (2.0, 60.0)] {
            let all = (0..4000).map(|stream| believed(noise, blocks, stream));
            let share = all.filter(|&slope| slope > 0.0).count() as f64 / 4000.0;
            assert!(share < 0.02, "{noise}: {share}");
        }
    }

    #[test]
    fn a_slope_that_rows_support_is_believed_nearly_whole() {
        let believed =
            |value: f64, error: f64| Fitted { value, error, blocks: 100, equal_blocks: 100.0 }.believed(MAX_SLOPE);
        assert!((believed(0.3, 0.05) - 0.3).abs() < 0.02);
        assert!((believed(1.1, 0.2) - 1.1).abs() < 0.05);
        assert_eq!(believed(0.1, 0.1), 0.0);
        assert_eq!(believed(-0.5, 0.1), 0.0);
    }

    #[test]
    fn log_odds_are_fitted_by_their_likelihood() {
        let at = |stream: u64, row: usize| uniform(draw(5, stream, row as u64));
        let rows: Vec<Row> = (0..20_000)
            .map(|row| {
                let distance = 2.0 * at(0, row) - 1.0;
                let label = f64::from(u8::from(at(1, row) < arith::sigmoid(-0.4 + 0.5 * distance)));
                Row { block: row as i64 / 100, offset: -0.4, drift: 0.0, base: 0.0, distance, own: 0.0, label }
            })
            .collect();
        let fitted = fit(rows, Head::WinLong);
        assert!((fitted.raw_slope - 0.5).abs() < 0.06 && fitted.slope > 0.4, "{fitted:?}");
    }

    #[test]
    fn scores_that_say_nothing_have_no_slope() {
        let rows: Vec<Row> = edges(0.8, 50).into_iter().map(|row| Row { distance: 0.0, ..row }).collect();
        assert_eq!(fit(rows, Head::EdgeBps).slope, 0.0);
    }

    #[test]
    fn half_the_drift_is_believed_until_rows_say_otherwise() {
        let drifting = |slope: f64, blocks: usize| {
            let rows = edges(0.0, blocks).into_iter().map(|row| {
                let drift = if row.block % 20 < 10 { 0.5 } else { -0.5 };
                Row { drift, label: row.label + slope * drift, ..row }
            });
            fit(rows.collect(), Head::EdgeBps).drift_slope
        };
        assert_eq!(fit(Vec::new(), Head::EdgeBps).drift_slope, 0.5);
        assert_eq!(drifting(1.0, 4), 0.5);
        assert!((0.9..=1.0).contains(&drifting(1.0, 2000)));
        assert!(drifting(0.0, 2000) < 0.1);
    }
}
