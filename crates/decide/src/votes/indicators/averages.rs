//! Exponential and Wilder's averages, and the indicators computed from them.

use std::ops::Range;

use super::super::past::Past;
use huracan_features::indicators as of;

/// Exponential average of the entries from `first` on: the mean of the first `n`, then each new entry has weight
/// 2/(n + 1). TA-Lib: EMA. First value at bar first + n − 1.
pub fn ema(x: &[f64], n: usize, first: usize, past: &mut Past) -> Vec<f64> {
    let weight = 2.0 / (n as f64 + 1.0);
    average(x, first..first + n, past, |value, x| value + (x - value) * weight)
}

/// An average whose first value is the mean of the entries in `seed`, at the last of them; `next` makes the next value of the last
/// one and a new entry.
#[inline(always)]
fn average(x: &[f64], seed: Range<usize>, past: &mut Past, next: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let mut out = vec![f64::NAN; x.len()];
    let (mut value, begin) = match (past.resume(), x.get(seed.clone())) {
        (Some([value]), _) => (value, past.from()),
        (None, Some(first)) => {
            let mean = first.iter().fold(0.0, |sum, x| sum + x) / first.len() as f64;
            out[seed.end - 1] = mean;
            (mean, seed.end)
        }
        (None, None) => (f64::NAN, x.len()),
    };
    for (slot, x) in out[begin..].iter_mut().zip(&x[begin..]) {
        value = next(value, *x);
        *slot = value;
    }
    past.leave(&[value]);
    out
}

/// Line and signal of MACD. Both averages of the line start at bar `slow` − 1. TA-Lib: MACD.
pub fn macd(close: &[f64], fast: usize, slow: usize, signal: usize, past: &mut Past) -> [Vec<f64>; 2] {
    let (mut line, late) = (ema(close, fast, slow - fast, past), ema(close, slow, 0, past));
    line.iter_mut().zip(&late).for_each(|(fast, slow)| *fast -= slow);
    let signal = ema(&line, signal, slow - 1, past);
    [line, signal]
}

/// True range of each bar; NaN at the first. TA-Lib: TRANGE.
pub fn true_range(high: &[f64], low: &[f64], close: &[f64]) -> Vec<f64> {
    let mut out = vec![f64::NAN; close.len()];
    for t in 1..close.len() {
        out[t] = of::true_range([high[t], low[t], close[t - 1]]);
    }
    out
}

/// Wilder's average of all entries but the first: the mean of `n` of them, then each new entry has weight 1/n. Of the
/// true range, this is TA-Lib's ATR. First value at bar n.
pub fn wilder(x: &[f64], n: usize, past: &mut Past) -> Vec<f64> {
    let share = 1.0 / n as f64;
    let keep = 1.0 - share;
    average(x, 1..n + 1, past, |value, x| value * keep + x * share)
}

/// Relative-strength index; 50 where the price never moved. TA-Lib: RSI. First value at bar n.
pub fn rsi(close: &[f64], n: usize, past: &mut Past) -> Vec<f64> {
    let changes = |change: fn([f64; 2]) -> f64| -> Vec<f64> {
        let mut out = vec![f64::NAN; close.len()];
        out.iter_mut()
            .skip(1)
            .zip(close.array_windows())
            .for_each(|(slot, [before, now])| *slot = change([*now, *before]));
        out
    };
    let (mut gain, loss) = (wilder(&changes(of::gain), n, past), wilder(&changes(of::loss), n, past));
    gain.iter_mut().zip(&loss).skip(n).for_each(|(gain, loss)| *gain = of::rsi([*gain, *loss]));
    gain
}

/// Wilder's directional movement.
pub struct Directional {
    /// First value at bar n. TA-Lib: PLUS_DI.
    pub plus_di: Vec<f64>,
    /// First value at bar n. TA-Lib: MINUS_DI.
    pub minus_di: Vec<f64>,
    /// First value at bar 2n − 1. TA-Lib: ADX.
    pub adx: Vec<f64>,
}

/// The directional indices of `n` bars and ADX. A bar without range or movement leaves ADX unchanged.
pub fn directional(high: &[f64], low: &[f64], true_range: &[f64], n: usize, past: &mut Past) -> Directional {
    let bars = true_range.len();
    let [mut plus_di, mut minus_di, mut adx] = [(); 3].map(|()| vec![f64::NAN; bars]);
    let share = 1.0 / n as f64;
    let keep = 1.0 - share;
    let state = past.resume();
    // Where it goes on, every bar is past the start-up.
    let (first, start_up) = if state.is_some() { (past.from(), 0) } else { (1, n) };
    // Running sums of +DM, −DM and the true range, and the average of DX.
    let [mut plus, mut minus, mut range, mut average] = state.unwrap_or_default();
    for t in first..bars {
        let (up, down) = (high[t] - high[t - 1], low[t - 1] - low[t]);
        let entries = [of::movement(up, down), of::movement(down, up), true_range[t]];
        let kept = if t < start_up { 1.0 } else { keep };
        for (sum, entry) in [&mut plus, &mut minus, &mut range].into_iter().zip(entries) {
            *sum = *sum * kept + entry;
        }
        if t < start_up {
            continue;
        }
        plus_di[t] = if range > 0.0 { of::PERCENT * (plus / range) } else { 0.0 };
        minus_di[t] = if range > 0.0 { of::PERCENT * (minus / range) } else { 0.0 };
        let dx = of::directional([plus, minus, range]);
        if t < 2 * start_up {
            average += if dx.is_nan() { 0.0 } else { dx };
            if t == 2 * n - 1 {
                average /= n as f64;
                adx[t] = average;
            }
        } else {
            average = if dx.is_nan() { average } else { average * keep + dx * share };
            adx[t] = average;
        }
    }
    past.leave(&[plus, minus, range, average]);
    Directional { plus_di, minus_di, adx }
}
