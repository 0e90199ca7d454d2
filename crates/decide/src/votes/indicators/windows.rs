//! Sums, extremes and least-squares lines over the last n bars.

use std::array::from_fn;

/// Windows computed side by side, because the sum of a single one waits for its last addition.
const LANES: usize = 8;

/// Numerator of 1/Σ(k − (n − 1)/2)² = 12/(n(n² − 1)), k from 0 to n − 1. Twin of `LINE_SCALE` in `kernels/votes_cast.cu`.
pub const LINE_SCALE: f64 = 12.0;

/// Folds the last `n` entries of every bar, the oldest first. `step` gets the folded value, the entries of the inputs,
/// the entry of `at` at the window's last bar, and the number of bars between the entries and that bar. NaN for n − 1
/// bars.
#[inline(always)]
pub fn fold<const K: usize>(
    inputs: [&[f64]; K],
    at: &[f64],
    n: usize,
    start: f64,
    step: impl Fn(f64, [f64; K], f64, usize) -> f64,
) -> Vec<f64> {
    let bars = at.len();
    let mut out = vec![f64::NAN; bars];
    let mut t = n - 1;
    while t + LANES <= bars {
        let mut folded = [start; LANES];
        let own = &at[t..t + LANES];
        for ago in (0..n).rev() {
            let entries: [&[f64]; K] = from_fn(|k| &inputs[k][t - ago..t - ago + LANES]);
            for i in 0..LANES {
                folded[i] = step(folded[i], from_fn(|k| entries[k][i]), own[i], ago);
            }
        }
        out[t..t + LANES].copy_from_slice(&folded);
        t += LANES;
    }
    for t in t..bars {
        out[t] = (0..n).rev().fold(start, |folded, ago| step(folded, from_fn(|k| inputs[k][t - ago]), at[t], ago));
    }
    out
}

/// Sum of the last `n` entries.
pub fn sum(x: &[f64], n: usize) -> Vec<f64> {
    fold([x], x, n, 0.0, |sum, [x], _, _| sum + x)
}

/// Mean of the last `n` entries. TA-Lib: SMA.
pub fn sma(x: &[f64], n: usize) -> Vec<f64> {
    let mut mean = sum(x, n);
    let share = 1.0 / n as f64;
    mean.iter_mut().for_each(|x| *x *= share);
    mean
}

/// Sum of the last `n` squared distances from `mean`.
pub fn squared_distances(x: &[f64], mean: &[f64], n: usize) -> Vec<f64> {
    fold([x], mean, n, 0.0, |sum, [x], mean, _| sum + (x - mean) * (x - mean))
}

/// Sum of the last `n` distances from `mean`.
pub fn distances(x: &[f64], mean: &[f64], n: usize) -> Vec<f64> {
    fold([x], mean, n, 0.0, |sum, [x], mean, _| sum + (x - mean).abs())
}

/// Greatest of the last `n` entries. TA-Lib: MAX.
pub fn highest(x: &[f64], n: usize) -> Vec<f64> {
    fold([x], x, n, f64::NEG_INFINITY, |high, [x], _, _| if x > high { x } else { high })
}

/// Least of the last `n` entries. TA-Lib: MIN.
pub fn lowest(x: &[f64], n: usize) -> Vec<f64> {
    fold([x], x, n, f64::INFINITY, |low, [x], _, _| if x < low { x } else { low })
}

/// Slope per bar of the least-squares line through the last `n` entries. TA-Lib: LINEARREG_SLOPE.
pub fn linear_regression_slope(x: &[f64], n: usize) -> Vec<f64> {
    let count = n as f64;
    let middle = (count - 1.0) * 0.5;
    let scale = LINE_SCALE / (count * (count * count - 1.0));
    // Distances from the newest entry: the level of the series would drown its changes in rounding.
    let mut slope = fold([x], x, n, 0.0, |sum, [x], now, ago| sum + (middle - ago as f64) * (x - now));
    slope.iter_mut().for_each(|x| *x *= scale);
    slope
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_base::arith::{draw, uniform};

    #[test]
    fn windows_equal_their_definitions_at_every_bar_and_length() {
        for bars in [0, 1, 4, 12, 37] {
            let x: Vec<f64> = (0..bars).map(|i| uniform(draw(5, 1, i)) - 0.3).collect();
            for n in [2, 3, 9, 20] {
                let [sum, sma, high, low] = [sum(&x, n), sma(&x, n), highest(&x, n), lowest(&x, n)];
                let (squares, slope) = (squared_distances(&x, &sma, n), linear_regression_slope(&x, n));
                for t in 0..x.len() {
                    if t + 1 < n {
                        assert!([sum[t], sma[t], high[t], low[t], squares[t], slope[t]].iter().all(|x| x.is_nan()));
                        continue;
                    }
                    let w = &x[t + 1 - n..=t];
                    let mean = w.iter().sum::<f64>() / n as f64;
                    let ss: f64 = w.iter().map(|x| (x - mean) * (x - mean)).sum();
                    let mid = (n as f64 - 1.0) / 2.0;
                    let line = w.iter().enumerate().map(|(k, x)| (k as f64 - mid) * (x - mean)).sum::<f64>()
                        / (0..n).map(|k| (k as f64 - mid) * (k as f64 - mid)).sum::<f64>();
                    assert_eq!(sum[t], w.iter().sum::<f64>());
                    assert!((sma[t] - mean).abs() < 1e-15 && (squares[t] - ss).abs() < 1e-14);
                    assert!((slope[t] - line).abs() < 1e-14, "{} against {line}", slope[t]);
                    assert_eq!(high[t], w.iter().copied().fold(f64::MIN, f64::max));
                    assert_eq!(low[t], w.iter().copied().fold(f64::MAX, f64::min));
                }
            }
        }
    }
}
