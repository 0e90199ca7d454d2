//! Distances of prices and returns from their means, and SuperTrend's bands.

use super::super::past::Past;
use super::windows::{self, sma};

// These constants have twins of the same name in `kernels/votes.cuh`; a test in `device.rs` compares them.

/// Squared distance of a price from the mean, as a share of the squared mean, up to which it is rounding error.
pub const PRICE_ROUNDING: f64 = 1e-26;
/// Squared distance of a return from the mean up to which it is rounding error.
pub const RETURN_ROUNDING: f64 = 1e-28;

/// Mean and population standard deviation of the last `n` prices; the deviation is 0 where it is rounding error.
/// TA-Lib: the middle of BBANDS, and the distance of its bands over the number of deviations.
pub fn mean_and_deviation(x: &[f64], n: usize) -> [Vec<f64>; 2] {
    let mean = sma(x, n);
    let mut deviation = windows::squared_distances(x, &mean, n);
    let share = 1.0 / n as f64;
    for (squares, mean) in deviation.iter_mut().zip(&mean) {
        // The mean of equal prices is rounded, so that their distances from it need not be 0.
        let flat = *squares <= PRICE_ROUNDING * n as f64 * (mean * mean);
        *squares = if flat { 0.0 } else { (*squares * share).sqrt() };
    }
    [mean, deviation]
}

/// Mean and sample standard deviation of the last `n` returns; the deviation is 0 where it is rounding error.
pub fn mean_and_sample_deviation(returns: &[f64], n: usize) -> [Vec<f64>; 2] {
    let mean = sma(returns, n);
    let mut deviation = windows::squared_distances(returns, &mean, n);
    let share = 1.0 / (n as f64 - 1.0);
    for squares in &mut deviation {
        // A return is a ratio less 1, and its rounding error is that of a number near 1.
        let flat = *squares <= RETURN_ROUNDING * n as f64;
        *squares = if flat { 0.0 } else { (*squares * share).sqrt() };
    }
    [mean, deviation]
}

/// Distance of each return from the mean of the last `n`, in sample standard deviations; 0 where all are equal.
pub fn z_score(returns: &[f64], n: usize) -> Vec<f64> {
    let [mut mean, deviation] = mean_and_sample_deviation(returns, n);
    for ((mean, deviation), x) in mean.iter_mut().zip(&deviation).zip(returns) {
        let z_score = (x - *mean) / deviation;
        *mean = if *deviation == 0.0 { 0.0 } else { z_score };
    }
    mean
}

/// SuperTrend's line: below the price while it rises, above it while it falls (Seban 2009).
///
/// The bands lie `multiplier` · ATR above and below the bar's middle. The lower band does not fall, and the upper one
/// does not rise, until a close breaks it. A close beyond the line changes the side. The first side is that of the
/// first close with an ATR.
pub fn supertrend(high: &[f64], low: &[f64], close: &[f64], atr: &[f64], multiplier: f64, past: &mut Past) -> Vec<f64> {
    let mut line = vec![f64::NAN; close.len()];
    let [mut upper, mut lower, up] = past.resume().unwrap_or([f64::NAN, f64::NAN, 0.0]);
    let mut up = up > 0.0;
    for t in past.from()..close.len() {
        if atr[t].is_nan() {
            continue;
        }
        let middle = (high[t] + low[t]) * 0.5;
        let (above, below) = (middle + multiplier * atr[t], middle - multiplier * atr[t]);
        if upper.is_nan() {
            (upper, lower, up) = (above, below, close[t] >= middle);
        } else {
            let broken_up = close[t - 1] > upper;
            let broken_down = close[t - 1] < lower;
            upper = if above < upper || broken_up { above } else { upper };
            lower = if below > lower || broken_down { below } else { lower };
            up = if up { close[t] >= lower } else { close[t] > upper };
        }
        line[t] = if up { lower } else { upper };
    }
    past.leave(&[upper, lower, f64::from(u8::from(up))]);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_equal_those_computed_by_hand() {
        // Mean 4; squares 4 + 1 + 9 = 14, of three.
        let [mean, deviation] = mean_and_deviation(&[2.0, 3.0, 7.0], 3);
        assert_eq!(mean[2], 4.0);
        assert!((deviation[2] - (14.0f64 / 3.0).sqrt()).abs() < 1e-15);
        // (7 − 4) / √(14 / 2).
        let z_score = z_score(&[2.0, 3.0, 7.0], 3);
        assert!(z_score[1].is_nan() && (z_score[2] - 3.0 / 7.0f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn equal_numbers_have_no_deviation_although_their_mean_is_rounded() {
        for price in [0.1, 0.3, 1.1e-9, 7.7e8] {
            assert_eq!(mean_and_deviation(&[price; 21], 20)[1][19..], [0.0, 0.0]);
        }
        assert_eq!(mean_and_sample_deviation(&[0.1; 21], 20)[1][19..], [0.0, 0.0]);
        let grown: Vec<f64> = (0..30)
            .scan(0.07, |x, _| {
                *x *= 1.01;
                Some(*x)
            })
            .collect();
        let returns: Vec<f64> = grown.windows(2).map(|w| w[1] / w[0] - 1.0).collect();
        assert_eq!(z_score(&returns, 20)[19..], [0.0; 10]);
    }

    #[test]
    fn supertrend_follows_a_price_until_a_close_breaks_its_line() {
        // ATR 1, bands at ±2 of the middle, which is the close.
        let close = [10.0, 11.0, 10.5, 8.9, 8.0, 9.0, 10.1];
        let [high, low] = [0.5, -0.5].map(|d| close.map(|c| c + d));
        let line = supertrend(&high, &low, &close, &[1.0; 7], 2.0, &mut Past::default());
        // The lower band is the line at 8, rises to 9 and stays there until the close of 8.9 breaks it. Then the upper
        // band is the line: it falls from 12, its least value so far, to 10.9 and to 10, and stays there at the close
        // of 9. The close of 10.1 breaks it, and the lower band, which fell to 6 and rose to 7, is the line at 8.1.
        let want = [8.0, 9.0, 9.0, 10.9, 10.0, 10.0, 8.1];
        for (got, want) in line.iter().zip(want) {
            assert!((got - want).abs() < 1e-12, "{line:?}");
        }
    }
}
