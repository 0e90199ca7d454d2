//! Exponential and Wilder's averages, and the indicators computed from them.

use huracan_features::indicators as of;

/// Exponential average of the entries from `first` on: the mean of the first `n`, then each new entry has weight
/// 2/(n + 1). TA-Lib: EMA. First value at bar first + n − 1.
pub fn ema(x: &[f64], n: usize, first: usize) -> Vec<f64> {
    let mut out = vec![f64::NAN; x.len()];
    let Some(seed) = x.get(first..first + n) else { return out };
    let weight = 2.0 / (n as f64 + 1.0);
    let mut value = seed.iter().fold(0.0, |sum, x| sum + x) / n as f64;
    let begin = first + n - 1;
    out[begin] = value;
    for (slot, x) in out[begin + 1..].iter_mut().zip(&x[begin + 1..]) {
        value += (x - value) * weight;
        *slot = value;
    }
    out
}

/// Line and signal of MACD. Both averages of the line start at bar `slow` − 1. TA-Lib: MACD.
pub fn macd(close: &[f64], fast: usize, slow: usize, signal: usize) -> [Vec<f64>; 2] {
    let (mut line, late) = (ema(close, fast, slow - fast), ema(close, slow, 0));
    line.iter_mut().zip(&late).for_each(|(fast, slow)| *fast -= slow);
    let signal = ema(&line, signal, slow - 1);
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
pub fn wilder(x: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![f64::NAN; x.len()];
    let Some(seed) = x.get(1..=n) else { return out };
    let share = 1.0 / n as f64;
    let keep = 1.0 - share;
    let mut value = seed.iter().fold(0.0, |sum, x| sum + x) / n as f64;
    out[n] = value;
    for (slot, x) in out[n + 1..].iter_mut().zip(&x[n + 1..]) {
        value = value * keep + x * share;
        *slot = value;
    }
    out
}

/// Relative-strength index; 50 where the price never moved. TA-Lib: RSI. First value at bar n.
pub fn rsi(close: &[f64], n: usize) -> Vec<f64> {
    let changes = |change: fn([f64; 2]) -> f64| -> Vec<f64> {
        let mut out = vec![f64::NAN; close.len()];
        out.iter_mut()
            .skip(1)
            .zip(close.array_windows())
            .for_each(|(slot, [before, now])| *slot = change([*now, *before]));
        out
    };
    let (mut gain, loss) = (wilder(&changes(of::gain), n), wilder(&changes(of::loss), n));
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
pub fn directional(high: &[f64], low: &[f64], true_range: &[f64], n: usize) -> Directional {
    let bars = true_range.len();
    let [mut plus_di, mut minus_di, mut adx] = [(); 3].map(|()| vec![f64::NAN; bars]);
    let share = 1.0 / n as f64;
    let keep = 1.0 - share;
    // Running sums of +DM, −DM and the true range.
    let mut sums = [0.0; 3];
    let mut average = 0.0;
    for t in 1..bars {
        let (up, down) = (high[t] - high[t - 1], low[t - 1] - low[t]);
        let entries = [of::movement(up, down), of::movement(down, up), true_range[t]];
        let kept = if t < n { 1.0 } else { keep };
        for (sum, entry) in sums.iter_mut().zip(entries) {
            *sum = *sum * kept + entry;
        }
        if t < n {
            continue;
        }
        let [plus, minus, range] = sums;
        plus_di[t] = if range > 0.0 { of::PERCENT * (plus / range) } else { 0.0 };
        minus_di[t] = if range > 0.0 { of::PERCENT * (minus / range) } else { 0.0 };
        let dx = of::directional(sums);
        if t < 2 * n {
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
    Directional { plus_di, minus_di, adx }
}
