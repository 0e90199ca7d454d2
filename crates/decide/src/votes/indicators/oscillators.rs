//! The position of the price in its recent range.

use super::flows::{TYPICAL_ROUNDING, typical_price};
use super::windows::{self, sma};
use huracan_features::indicators as of;

// These constants have twins of the same name in `kernels/votes_cast.cu`; a test in `device.rs` compares them.

/// Mean distances per unit of CCI: Lambert's constant.
pub const CCI_SCALE: f64 = 0.015;

/// Return of each bar; NaN at the first.
pub fn returns(close: &[f64]) -> Vec<f64> {
    let mut out = vec![f64::NAN; close.len()];
    out.iter_mut().skip(1).zip(close.array_windows()).for_each(|(slot, [before, now])| *slot = now / before - 1.0);
    out
}

/// Change over `n` bars, per cent. TA-Lib: ROC.
pub fn rate_of_change(close: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![f64::NAN; close.len()];
    for t in n..close.len() {
        out[t] = (close[t] / close[t - n] - 1.0) * of::PERCENT;
    }
    out
}

/// Slow %K and slow %D from the highs and lows of windows; fast %K is 0 where a window has no range. TA-Lib: STOCH with
/// simple averages.
pub fn stochastic(close: &[f64], highest: &[f64], lowest: &[f64], slow_k: usize, slow_d: usize) -> [Vec<f64>; 2] {
    let fast_k: Vec<f64> = (0..close.len()).map(|t| of::fast_k([close[t], lowest[t], highest[t]])).collect();
    let slow_k = sma(&fast_k, slow_k);
    let slow_d = sma(&slow_k, slow_d);
    [slow_k, slow_d]
}

/// Williams' %R from the highs and lows of windows, from −100 to 0; 0 where a window has no range. TA-Lib: WILLR.
pub fn williams_r(close: &[f64], highest: &[f64], lowest: &[f64]) -> Vec<f64> {
    (0..close.len())
        .map(|t| {
            let williams_r = (highest[t] - close[t]) / (highest[t] - lowest[t]) * -of::PERCENT;
            if of::flat([lowest[t], highest[t]]) { 0.0 } else { williams_r }
        })
        .collect()
}

/// Commodity channel index: distance of the typical price from its mean over `n` bars, in units of 0.015 mean
/// distances; 0 where either is rounding error. TA-Lib: CCI.
pub fn cci(high: &[f64], low: &[f64], close: &[f64], n: usize) -> Vec<f64> {
    let typical = typical_price(high, low, close);
    let mean = sma(&typical, n);
    let mut out = windows::distances(&typical, &mean, n);
    let share = 1.0 / n as f64;
    for (t, out) in out.iter_mut().enumerate() {
        let (distance, usual, rounding) = (typical[t] - mean[t], *out * share, TYPICAL_ROUNDING * mean[t]);
        let still = (distance.abs() <= rounding) | (usual <= rounding);
        *out = if still { 0.0 } else { distance / (CCI_SCALE * usual) };
    }
    out
}
