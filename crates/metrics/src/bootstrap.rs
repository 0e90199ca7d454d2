//! Bootstrap confidence interval of a Sharpe ratio.

use serde::Serialize;

use super::moments::Moments;
use super::returns::DAYS_PER_YEAR;
use huracan_base::arith::{draw, ln, power_of_two};

/// Number of resamples behind the reported interval.
pub const RESAMPLES: usize = 1000;
/// Confidence level of the reported interval.
pub const LEVEL: f64 = 0.95;

/// Confidence interval of a Sharpe ratio, in the same (annualised) unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// Confidence interval of the annualised Sharpe ratio of daily returns, by the stationary bootstrap (Politis and Romano
/// 1994).
///
/// Each of the `resamples` joins blocks of consecutive days until it has n days. A block starts on a random day, wraps
/// around the end, and has a length drawn from a geometric distribution with mean n^(1/3). The interval is the middle
/// `level` of the resampled ratios; its bounds interpolate between the ordered values.
///
/// `None` if the returns have no Sharpe ratio or `resamples` is 0. A resample without deviation counts as 0.
pub fn sharpe_interval(daily: &[f64], resamples: usize, level: f64, seed: u64) -> Option<Interval> {
    let moments = Moments::of(daily)?;
    if resamples == 0 {
        return None;
    }
    let days = daily.len();
    let n = days as f64;
    let (sums, squares) = prefix_sums(daily, moments.mean);
    // Sum over a block of days, which wraps around the end at most once.
    let block_sum = |sums: &[f64], start: usize, length: usize| {
        let end = start + length;
        if end <= days { sums[end] - sums[start] } else { sums[days] - sums[start] + sums[end - days] }
    };
    let mean_length = mean_block_length(days) as f64;
    let per_logarithm = if mean_length > 1.0 { 1.0 / ln(1.0 - 1.0 / mean_length) } else { 0.0 };
    let min_variance = squares[days] / n * 1e-12;
    let mut ratios: Vec<f64> = (0..resamples as u64)
        .map(|resample| {
            let (mut sum, mut square, mut remaining, mut draws) = (0.0, 0.0, days, 0);
            while remaining > 0 {
                let bits = draw(seed, resample, draws);
                draws += 1;
                // The upper half of the bits chooses where the block starts, the lower half its length.
                let start = (((bits >> 32) * days as u64) >> 32) as usize;
                let u = ((bits & 0xffff_ffff) as f64 + 0.5) * power_of_two(-32);
                let length = (1 + (ln(u) * per_logarithm) as usize).min(remaining);
                sum += block_sum(&sums, start, length);
                square += block_sum(&squares, start, length);
                remaining -= length;
            }
            let variance = (square - sum * sum / n) / (n - 1.0);
            if variance > min_variance {
                (moments.mean + sum / n) / variance.sqrt() * DAYS_PER_YEAR.sqrt()
            } else {
                0.0
            }
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let outside = (1.0 - level) / 2.0;
    Some(Interval { low: quantile(&ratios, outside), high: quantile(&ratios, 1.0 - outside) })
}

/// Sums of the first 0, 1, … n deviations from the mean, and of their squares.
fn prefix_sums(values: &[f64], mean: f64) -> (Vec<f64>, Vec<f64>) {
    let (mut sums, mut squares) = (vec![0.0], vec![0.0]);
    let (mut sum, mut square) = (0.0, 0.0);
    for value in values {
        let d = value - mean;
        sum += d;
        square += d * d;
        sums.push(sum);
        squares.push(square);
    }
    (sums, squares)
}

/// Largest integer whose cube is at most n: the optimal block length is of the order n^(1/3) (Politis and White 2004).
fn mean_block_length(n: usize) -> usize {
    (1..).take_while(|k| k * k * k <= n).last().unwrap_or(1)
}

/// Quantile of ordered values, interpolated between the two nearest.
fn quantile(ordered: &[f64], share: f64) -> f64 {
    let at = share * (ordered.len() - 1) as f64;
    let below = at as usize;
    let above = (below + 1).min(ordered.len() - 1);
    ordered[below] + (at - below as f64) * (ordered[above] - ordered[below])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{normal_quantile, sharpe};
    use huracan_base::arith::uniform;

    fn normals(seed: u64, n: usize, mean: f64) -> Vec<f64> {
        (0..n as u64).map(|i| mean + 0.02 * normal_quantile(uniform(draw(seed, 0, i)).max(1e-17))).collect()
    }

    #[test]
    fn nineteen_of_twenty_intervals_cover_the_true_ratio() {
        // Daily Sharpe ratio 0.1.
        let truth = 0.1 * 365_f64.sqrt();
        let covering = (0..400).filter(|&seed| {
            let interval = sharpe_interval(&normals(seed, 300, 0.002), 300, LEVEL, seed).unwrap();
            interval.low <= truth && truth <= interval.high
        });
        let share = covering.count() as f64 / 400.0;
        assert!((0.91..=0.975).contains(&share), "{share}");
    }

    #[test]
    fn serially_correlated_days_widen_the_interval() {
        // Every return is repeated on four days: a quarter of the information, so twice the width.
        let single = normals(5, 400, 0.001);
        let fourfold: Vec<f64> = normals(5, 100, 0.001).into_iter().flat_map(|r| [r; 4]).collect();
        let width = |daily: &[f64]| {
            let interval = sharpe_interval(daily, RESAMPLES, LEVEL, 1).unwrap();
            assert!(interval.low < sharpe(daily) && sharpe(daily) < interval.high);
            interval.high - interval.low
        };
        let ratio = width(&fourfold) / width(&single);
        assert!((1.4..2.2).contains(&ratio), "{ratio}");
    }

    #[test]
    fn equal_seeds_give_equal_bounds_and_constant_returns_give_none() {
        let daily = normals(1, 50, 0.0);
        assert_eq!(sharpe_interval(&daily, 200, LEVEL, 7), sharpe_interval(&daily, 200, LEVEL, 7));
        assert_ne!(sharpe_interval(&daily, 200, LEVEL, 7), sharpe_interval(&daily, 200, LEVEL, 8));
        assert_eq!(sharpe_interval(&[0.1; 20], 200, LEVEL, 7), None);
        assert_eq!(sharpe_interval(&[], 200, LEVEL, 7), None);
        assert_eq!(sharpe_interval(&daily, 0, LEVEL, 7), None);
        assert!(sharpe_interval(&[0.1, -0.1], 200, LEVEL, 7).is_some());
    }

    #[test]
    fn block_length_is_the_cube_root_and_bounds_interpolate() {
        assert_eq!([1, 7, 8, 400].map(mean_block_length), [1, 1, 2, 7]);
        assert_eq!((quantile(&[1.0, 2.0, 4.0], 0.75), quantile(&[1.0], 0.9)), (3.0, 1.0));
    }
}
