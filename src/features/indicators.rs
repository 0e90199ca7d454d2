//! TA-Lib's recurrences, with its start-up: each function returns a whole series that holds values from its
//! lookback on, and zeros before.

/// EMA(n): seeded with the mean of the first n. Lookback n − 1.
#[inline(always)]
pub fn ema(x: &[f64], n: usize) -> Vec<f64> {
    ema_from(x, n, 0)
}

/// EMA(n) that begins at entry `first`. Lookback first + n − 1.
#[inline(always)]
pub fn ema_from(x: &[f64], n: usize, first: usize) -> Vec<f64> {
    let mut out = vec![0.0; x.len()];
    if x.len() < first + n {
        return out;
    }
    let k = 2.0 / (n as f64 + 1.0);
    let mut value = x[first..first + n].iter().fold(0.0, |sum, v| sum + v) / n as f64;
    out[first + n - 1] = value;
    for t in first + n..x.len() {
        value += (x[t] - value) * k;
        out[t] = value;
    }
    out
}

/// True range of bar t ≥ 1; the bar's own range at 0.
#[inline(always)]
pub fn true_range(high: &[f64], low: &[f64], close: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; high.len()];
    for t in 0..high.len() {
        let mut range = high[t] - low[t];
        if t > 0 {
            let up = (high[t] - close[t - 1]).abs();
            let down = (low[t] - close[t - 1]).abs();
            range = if up > range { up } else { range };
            range = if down > range { down } else { range };
        }
        out[t] = range;
    }
    out
}

/// ATR(n): mean of the first n true ranges, from bar 1, then Wilder's smoothing. Lookback n.
#[inline(always)]
pub fn atr(true_range: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; true_range.len()];
    if true_range.len() <= n {
        return out;
    }
    let (period, keep) = (n as f64, n as f64 - 1.0);
    let mut value = true_range[1..=n].iter().fold(0.0, |sum, v| sum + v) / period;
    out[n] = value;
    for t in n + 1..true_range.len() {
        value = (value * keep + true_range[t]) / period;
        out[t] = value;
    }
    out
}

/// RSI(n) by Wilder's smoothing; 50 where nothing ever moved. Lookback n.
#[inline(always)]
pub fn rsi(close: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; close.len()];
    if close.len() <= n {
        return out;
    }
    let (period, keep) = (n as f64, n as f64 - 1.0);
    let (mut gain, mut loss) = (0.0, 0.0);
    let index = |gain: f64, loss: f64| if gain + loss > 0.0 { 100.0 * (gain / (gain + loss)) } else { 50.0 };
    for t in 1..close.len() {
        let change = close[t] - close[t - 1];
        let up = if change > 0.0 { change } else { 0.0 };
        let down = up - change;
        if t <= n {
            gain += up;
            loss += down;
            if t == n {
                gain /= period;
                loss /= period;
                out[t] = index(gain, loss);
            }
        } else {
            gain = (gain * keep + up) / period;
            loss = (loss * keep + down) / period;
            out[t] = index(gain, loss);
        }
    }
    out
}

/// Line and signal of MACD(12, 26, 9). Lookback 33; the fast average begins late, so that both start at bar 25.
#[inline(always)]
pub fn macd(close: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let slow = ema(close, 26);
    let fast = ema_from(close, 12, 14);
    let line: Vec<f64> = fast.iter().zip(&slow).map(|(f, s)| f - s).collect();
    let signal = ema_from(&line, 9, 25);
    (line, signal)
}

/// Fast %K of the stochastic oscillator from the window's extremes; 0 where the window is flat.
#[inline(always)]
pub fn fast_k(close: &[f64], lowest: &[f64], highest: &[f64]) -> Vec<f64> {
    (0..close.len())
        .map(|t| {
            let range = highest[t] - lowest[t];
            let flat = range.abs() <= 1e-14 * (highest[t].abs() + lowest[t].abs());
            if flat { 0.0 } else { (close[t] - lowest[t]) / range * 100.0 }
        })
        .collect()
}

/// ADX(n): Wilder's directional movement. Lookback 2n − 1.
#[inline(always)]
pub fn adx(high: &[f64], low: &[f64], true_range: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; high.len()];
    let period = n as f64;
    let inverse = 1.0 / period;
    let (mut plus, mut minus, mut range) = (0.0, 0.0, 0.0);
    let (mut sum, mut value) = (0.0, 0.0);
    for t in 1..high.len() {
        let up = high[t] - high[t - 1];
        let down = low[t - 1] - low[t];
        let plus_now = if up > 0.0 && up > down { up } else { 0.0 };
        let minus_now = if down > 0.0 && down > up { down } else { 0.0 };
        if t < n {
            plus += plus_now;
            minus += minus_now;
            range += true_range[t];
            continue;
        }
        plus = (plus - plus * inverse) + plus_now;
        minus = (minus - minus * inverse) + minus_now;
        range = (range - range * inverse) + true_range[t];
        // A bar without range or movement leaves the index as it is.
        let mut directional = None;
        if range > 0.0 {
            let (plus_di, minus_di) = (100.0 * (plus / range), 100.0 * (minus / range));
            let both = plus_di + minus_di;
            if both >= 1e-14 {
                directional = Some(100.0 * ((minus_di - plus_di).abs() / both));
            }
        }
        if t < 2 * n {
            sum += directional.unwrap_or(0.0);
            if t == 2 * n - 1 {
                value = sum / period;
                out[t] = value;
            }
        } else {
            if let Some(dx) = directional {
                value -= (value - dx) * inverse;
            }
            out[t] = value;
        }
    }
    out
}

/// OBV: the first bar's volume, then plus or minus each bar's volume by the direction of the close. Lookback 0.
#[inline(always)]
pub fn on_balance_volume(close: &[f64], volume: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; close.len()];
    let mut total = 0.0;
    for t in 0..close.len() {
        if t == 0 || close[t] > close[t - 1] {
            total += volume[t];
        } else if close[t] < close[t - 1] {
            total -= volume[t];
        }
        out[t] = total;
    }
    out
}
