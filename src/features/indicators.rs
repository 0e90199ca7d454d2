//! TA-Lib's recurrences, with its start-up: each series means something from its lookback on.
//!
//! A recurrence waits for its own last result far longer than a core needs for the step itself. So recurrences run
//! side by side: each alone through its start-up, then all together.

use std::array::from_fn;

/// Entries after which every recurrence here has begun.
const TOGETHER: usize = 64;

/// Length of ATR, RSI and ADX.
const PERIOD: usize = 14;

/// Length and first entry of an exponential average.
type Ema = (usize, usize);

/// The close's averages. MACD's fast one begins late, so that both of its averages start at bar 25.
const EMAS: [Ema; 5] = [(5, 0), (10, 0), (20, 0), (12, 14), (26, 0)];

/// MACD's signal, an average of its line.
const SIGNAL: Ema = (9, 25);

fn weight((n, _): Ema) -> f64 {
    2.0 / (n as f64 + 1.0)
}

/// EMA(n) up to entry [`TOGETHER`]: seeded with the mean of its first n. Lookback first + n − 1.
fn begin_ema(x: &[f64], (n, first): Ema, out: &mut [f64]) {
    let end = x.len().min(TOGETHER);
    if first + n > end {
        return;
    }
    let mut value = x[first..first + n].iter().fold(0.0, |sum, v| sum + v) / n as f64;
    out[first + n - 1] = value;
    for t in first + n..end {
        value += (x[t] - value) * weight((n, first));
        out[t] = value;
    }
}

/// Wilder's average up to entry `end`: the mean of entries 1 to n, then (value·(n − 1) + entry)/n. Lookback n.
fn begin_wilder(x: &[f64], n: usize, end: usize, out: &mut [f64]) {
    let end = end.min(x.len());
    if n >= end {
        return;
    }
    let (period, keep) = (n as f64, n as f64 - 1.0);
    let mut value = x[1..=n].iter().fold(0.0, |sum, v| sum + v) / period;
    out[n] = value;
    for t in n + 1..end {
        value = (value * keep + x[t]) / period;
        out[t] = value;
    }
}

/// Wilder's running sum up to entry [`TOGETHER`]: entries 1 to n − 1, then sum − sum/n + entry. Lookback n.
fn begin_running(x: &[f64], n: usize, out: &mut [f64]) {
    let end = x.len().min(TOGETHER);
    if n > end {
        return;
    }
    let mut value = x[1..n].iter().fold(0.0, |sum, v| sum + v);
    for t in n..end {
        value = (value - value * (1.0 / n as f64)) + x[t];
        out[t] = value;
    }
}

/// The recurrences that need nothing but candles, one entry a bar.
pub struct Averages {
    /// EMA(5), EMA(10), EMA(20) of the close, then MACD's fast and slow average.
    pub close: [Vec<f64>; 5],
    /// Wilder's averages of the true range (ATR), of gains and of losses.
    pub wilder: [Vec<f64>; 3],
    /// Wilder's running sums of +DM, −DM and the true range.
    pub running: [Vec<f64>; 3],
}

/// All of [`Averages`]; `moves` are the true range, gains, losses, +DM and −DM.
#[inline(always)]
pub fn averages(close: &[f64], moves: [&[f64]; 5]) -> Averages {
    let [range, gains, losses, plus, minus] = moves;
    let n = close.len();
    let smoothed = [range, gains, losses];
    let summed = [plus, minus, range];
    let mut out = Averages {
        close: from_fn(|_| vec![0.0; n]),
        wilder: from_fn(|_| vec![0.0; n]),
        running: from_fn(|_| vec![0.0; n]),
    };
    for (span, series) in EMAS.into_iter().zip(&mut out.close) {
        begin_ema(close, span, series);
    }
    for k in 0..3 {
        begin_wilder(smoothed[k], PERIOD, TOGETHER, &mut out.wilder[k]);
        begin_running(summed[k], PERIOD, &mut out.running[k]);
    }
    if n <= TOGETHER {
        return out;
    }
    let len = n - TOGETHER;
    let weights = EMAS.map(weight);
    let (period, keep, inverse) = (PERIOD as f64, PERIOD as f64 - 1.0, 1.0 / PERIOD as f64);
    let mut emas: [f64; 5] = from_fn(|k| out.close[k][TOGETHER - 1]);
    let mut means: [f64; 3] = from_fn(|k| out.wilder[k][TOGETHER - 1]);
    let mut sums: [f64; 3] = from_fn(|k| out.running[k][TOGETHER - 1]);
    let close = &close[TOGETHER..][..len];
    let smoothed = smoothed.map(|series| &series[TOGETHER..][..len]);
    let summed = summed.map(|series| &series[TOGETHER..][..len]);
    let ema_out = out.close.each_mut().map(|series| &mut series[TOGETHER..][..len]);
    let mean_out = out.wilder.each_mut().map(|series| &mut series[TOGETHER..][..len]);
    let sum_out = out.running.each_mut().map(|series| &mut series[TOGETHER..][..len]);
    for i in 0..len {
        for k in 0..5 {
            emas[k] += (close[i] - emas[k]) * weights[k];
            ema_out[k][i] = emas[k];
        }
        for k in 0..3 {
            means[k] = (means[k] * keep + smoothed[k][i]) / period;
            mean_out[k][i] = means[k];
        }
        for k in 0..3 {
            sums[k] = (sums[k] - sums[k] * inverse) + summed[k][i];
            sum_out[k][i] = sums[k];
        }
    }
    out
}

/// MACD's signal from its line (lookback 33), ADX(14) from DX (lookback 27), and the running sums of `flows`.
#[inline(always)]
pub fn signal_adx_and_sums(line: &[f64], dx: &[f64], flows: [&[f64]; 2]) -> (Vec<f64>, Vec<f64>, [Vec<f64>; 2]) {
    let n = line.len();
    let (mut signal, mut adx) = (vec![0.0; n], vec![0.0; n]);
    let mut totals: [Vec<f64>; 2] = from_fn(|_| vec![0.0; n]);
    begin_ema(line, SIGNAL, &mut signal);
    begin_adx(dx, &mut adx);
    for k in 0..2 {
        let mut total = 0.0;
        for (slot, flow) in totals[k].iter_mut().zip(flows[k]).take(TOGETHER) {
            total += flow;
            *slot = total;
        }
    }
    if n <= TOGETHER {
        return (signal, adx, totals);
    }
    let len = n - TOGETHER;
    let (weight, inverse) = (weight(SIGNAL), 1.0 / PERIOD as f64);
    let (mut average, mut index) = (signal[TOGETHER - 1], adx[TOGETHER - 1]);
    let mut sums: [f64; 2] = from_fn(|k| totals[k][TOGETHER - 1]);
    let (line, dx) = (&line[TOGETHER..][..len], &dx[TOGETHER..][..len]);
    let flows = flows.map(|series| &series[TOGETHER..][..len]);
    let (signal_out, adx_out) = (&mut signal[TOGETHER..][..len], &mut adx[TOGETHER..][..len]);
    let sum_out = totals.each_mut().map(|series| &mut series[TOGETHER..][..len]);
    for i in 0..len {
        average += (line[i] - average) * weight;
        signal_out[i] = average;
        index = next_adx(index, dx[i], inverse);
        adx_out[i] = index;
        for k in 0..2 {
            sums[k] += flows[k][i];
            sum_out[k][i] = sums[k];
        }
    }
    (signal, adx, totals)
}

/// ADX up to entry [`TOGETHER`]: the mean of the first 14 DX, then Wilder's smoothing.
fn begin_adx(dx: &[f64], out: &mut [f64]) {
    let end = dx.len().min(TOGETHER);
    if 2 * PERIOD > end {
        return;
    }
    let first = dx[PERIOD..2 * PERIOD].iter().filter(|dx| !dx.is_nan());
    let mut value = first.fold(0.0, |sum, dx| sum + dx) / PERIOD as f64;
    out[2 * PERIOD - 1] = value;
    for t in 2 * PERIOD..end {
        value = next_adx(value, dx[t], 1.0 / PERIOD as f64);
        out[t] = value;
    }
}

#[inline(always)]
fn next_adx(value: f64, dx: f64, inverse: f64) -> f64 {
    let next = value - (value - dx) * inverse;
    // A bar without range or movement leaves the index as it is.
    if dx.is_nan() { value } else { next }
}

/// True range of bar t ≥ 1; the bar's own range at 0.
#[inline(always)]
pub fn true_range(high: &[f64], low: &[f64], close: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; high.len()];
    if let Some(first) = out.first_mut() {
        *first = high[0] - low[0];
    }
    let before = &close[..close.len().saturating_sub(1)];
    let bars = out.iter_mut().zip(high).zip(low).skip(1).zip(before);
    for (((slot, high), low), before) in bars {
        let range = high - low;
        let up = (high - before).abs();
        let down = (low - before).abs();
        let range = if up > range { up } else { range };
        *slot = if down > range { down } else { range };
    }
    out
}

/// ATR(14) from the true ranges. Lookback 14.
pub fn atr(true_range: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; true_range.len()];
    begin_wilder(true_range, PERIOD, true_range.len(), &mut out);
    out
}

/// What each close gained on the one before, and what it lost, both ≥ 0; 0 at bar 0.
#[inline(always)]
pub fn gains_and_losses(close: &[f64]) -> [Vec<f64>; 2] {
    let (mut gains, mut losses) = (vec![0.0; close.len()], vec![0.0; close.len()]);
    for (i, (now, before)) in close.iter().skip(1).zip(close).enumerate() {
        let change = now - before;
        let up = if change > 0.0 { change } else { 0.0 };
        gains[i + 1] = up;
        losses[i + 1] = up - change;
    }
    [gains, losses]
}

/// +DM and −DM of each bar; 0 at bar 0.
#[inline(always)]
pub fn movements(high: &[f64], low: &[f64]) -> [Vec<f64>; 2] {
    let len = high.len();
    let (mut plus, mut minus) = (vec![0.0; len], vec![0.0; len]);
    if len == 0 {
        return [plus, minus];
    }
    let (high, high_before) = (&high[1..len], &high[..len - 1]);
    let (low, low_before) = (&low[1..len], &low[..len - 1]);
    let (plus_rest, minus_rest) = (&mut plus[1..len], &mut minus[1..len]);
    for i in 0..len - 1 {
        let up = high[i] - high_before[i];
        let down = low_before[i] - low[i];
        plus_rest[i] = if (up > 0.0) & (up > down) { up } else { 0.0 };
        minus_rest[i] = if (down > 0.0) & (down > up) { down } else { 0.0 };
    }
    [plus, minus]
}

/// RSI of an average gain and loss; 50 where nothing ever moved.
#[inline(always)]
pub fn rsi(gain: f64, loss: f64) -> f64 {
    let index = 100.0 * (gain / (gain + loss));
    if gain + loss > 0.0 { index } else { 50.0 }
}

/// DX from the running sums of +DM, −DM and the true range; NaN where there is no range or movement.
#[inline(always)]
pub fn directional([plus, minus, range]: &[Vec<f64>; 3]) -> Vec<f64> {
    let mut out = vec![0.0; plus.len()];
    for (((slot, &plus), &minus), &range) in out.iter_mut().zip(plus).zip(minus).zip(range) {
        let (plus_di, minus_di) = (100.0 * (plus / range), 100.0 * (minus / range));
        let both = plus_di + minus_di;
        let dx = 100.0 * ((minus_di - plus_di).abs() / both);
        *slot = if (range > 0.0) & (both >= 1e-14) { dx } else { f64::NAN };
    }
    out
}

/// Fast %K of the stochastic oscillator from the window's extremes; 0 where the window is flat.
#[inline(always)]
pub fn fast_k(close: &[f64], lowest: &[f64], highest: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; close.len()];
    for (((slot, &close), &low), &high) in out.iter_mut().zip(close).zip(lowest).zip(highest) {
        let range = high - low;
        let place = (close - low) / range * 100.0;
        *slot = if range.abs() <= 1e-14 * (high.abs() + low.abs()) { 0.0 } else { place };
    }
    out
}

/// What OBV adds at each bar: the first bar's volume, then plus or minus each bar's by the direction of the close.
#[inline(always)]
pub fn signed_volume(close: &[f64], volume: &[f64]) -> Vec<f64> {
    let mut out = volume.to_vec();
    for ((slot, now), before) in out.iter_mut().zip(close).skip(1).zip(close) {
        let (volume, falls) = (*slot, now < before);
        let not_above = if falls { -volume } else { 0.0 };
        *slot = if now > before { volume } else { not_above };
    }
    out
}
