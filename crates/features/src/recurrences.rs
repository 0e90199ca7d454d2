//! Exponential averages, Wilder's averages and running sums, with TA-Lib's start-up.
//!
//! A recurrence waits for its own last result far longer than a core needs for the step itself. So recurrences run
//! side by side: each alone through its start-up, in a symbol's first block, then all together.

use super::series::{BARS, Block};

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

/// Where the recurrences stand after the last bar.
#[derive(Default)]
pub struct Recurrences {
    begun: bool,
    close: [f64; 5],
    wilder: [f64; 3],
    running: [f64; 3],
    signal: f64,
    adx: f64,
    totals: [f64; 2],
}

/// The recurrences that need nothing but candles.
pub struct Averages {
    /// EMA(5), EMA(10), EMA(20) of the close, then MACD's fast and slow average.
    pub close: [Block; 5],
    /// Wilder's averages of the true range (ATR), of gains and of losses.
    pub wilder: [Block; 3],
    /// Wilder's running sums of the true range, of +DM and of −DM.
    pub running: [Block; 3],
}

impl Averages {
    pub const ZERO: Self = Self { close: [[0.0; BARS]; 5], wilder: [[0.0; BARS]; 3], running: [[0.0; BARS]; 3] };
}

impl Recurrences {
    /// All of [`Averages`]; `smoothed` and `summed` are in the order of `wilder` and `running`.
    #[inline(always)]
    pub fn averages(&mut self, close: &Block, smoothed: [&Block; 3], summed: [&Block; 3], out: &mut Averages) {
        let mut first = 0;
        if !self.begun {
            first = TOGETHER;
            for ((span, value), out) in EMAS.into_iter().zip(&mut self.close).zip(&mut out.close) {
                *value = begin_ema(close, span, out);
            }
            for k in 0..3 {
                self.wilder[k] = begin_wilder(&smoothed[k][..TOGETHER], &mut out.wilder[k]);
                self.running[k] = begin_running(summed[k], &mut out.running[k]);
            }
        }
        let weights = EMAS.map(weight);
        let (mut emas, mut means, mut sums) = (self.close, self.wilder, self.running);
        for t in first..BARS {
            for k in 0..5 {
                emas[k] = next_ema(emas[k], close[t], weights[k]);
                out.close[k][t] = emas[k];
            }
            for k in 0..3 {
                means[k] = next_wilder(means[k], smoothed[k][t]);
                out.wilder[k][t] = means[k];
                sums[k] = next_running(sums[k], summed[k][t]);
                out.running[k][t] = sums[k];
            }
        }
        (self.close, self.wilder, self.running) = (emas, means, sums);
    }

    /// MACD's signal from its line (lookback 33), ADX(14) from DX (lookback 27), and the totals of `flows` since the
    /// first bar. Ends the block.
    #[inline(always)]
    pub fn signal_adx_and_totals(
        &mut self,
        [line, dx]: [&Block; 2],
        flows: [&Block; 2],
        [signal_out, adx_out]: [&mut Block; 2],
        totals_out: [&mut Block; 2],
    ) {
        let mut first = 0;
        if !self.begun {
            first = TOGETHER;
            self.signal = begin_ema(line, SIGNAL, signal_out);
            self.adx = begin_adx(dx, adx_out);
            for k in 0..2 {
                for t in 0..TOGETHER {
                    self.totals[k] += flows[k][t];
                    totals_out[k][t] = self.totals[k];
                }
            }
        }
        let weight = weight(SIGNAL);
        let (mut signal, mut adx, mut totals) = (self.signal, self.adx, self.totals);
        for t in first..BARS {
            signal = next_ema(signal, line[t], weight);
            signal_out[t] = signal;
            adx = next_adx(adx, dx[t]);
            adx_out[t] = adx;
            for k in 0..2 {
                totals[k] += flows[k][t];
                totals_out[k][t] = totals[k];
            }
        }
        (self.signal, self.adx, self.totals) = (signal, adx, totals);
        self.begun = true;
    }
}

#[inline(always)]
fn next_ema(value: f64, entry: f64, weight: f64) -> f64 {
    value + (entry - value) * weight
}

/// EMA(n) up to entry [`TOGETHER`]: seeded with the mean of its first n. Lookback first + n − 1.
fn begin_ema(x: &Block, (n, first): Ema, out: &mut Block) -> f64 {
    let mut value = x[first..first + n].iter().fold(0.0, |sum, v| sum + v) / n as f64;
    out[first + n - 1] = value;
    for t in first + n..TOGETHER {
        value = next_ema(value, x[t], weight((n, first)));
        out[t] = value;
    }
    value
}

/// Share of the last value that Wilder's averages and sums keep.
const KEEP: f64 = 1.0 - SHARE;
const SHARE: f64 = 1.0 / PERIOD as f64;

#[inline(always)]
fn next_wilder(value: f64, entry: f64) -> f64 {
    value * KEEP + entry * SHARE
}

/// Wilder's average of all entries of `x`: the mean of entries 1 to 14, then each entry's weight is 1/14. Lookback 14.
fn begin_wilder(x: &[f64], out: &mut [f64]) -> f64 {
    let Some(seed) = x.get(1..=PERIOD) else { return 0.0 };
    let mut value = seed.iter().fold(0.0, |sum, v| sum + v) / PERIOD as f64;
    out[PERIOD] = value;
    for t in PERIOD + 1..x.len() {
        value = next_wilder(value, x[t]);
        out[t] = value;
    }
    value
}

#[inline(always)]
fn next_running(sum: f64, entry: f64) -> f64 {
    sum * KEEP + entry
}

/// Wilder's running sum up to entry [`TOGETHER`], from entries 1 to 13 on. Lookback 14.
fn begin_running(x: &Block, out: &mut Block) -> f64 {
    let mut sum = x[1..PERIOD].iter().fold(0.0, |sum, v| sum + v);
    for t in PERIOD..TOGETHER {
        sum = next_running(sum, x[t]);
        out[t] = sum;
    }
    sum
}

/// A bar without range or movement leaves the index as it is.
#[inline(always)]
fn next_adx(value: f64, dx: f64) -> f64 {
    let next = value * KEEP + dx * SHARE;
    if dx.is_nan() { value } else { next }
}

/// ADX up to entry [`TOGETHER`]: the mean of the first 14 DX, then Wilder's smoothing. Lookback 27.
fn begin_adx(dx: &Block, out: &mut Block) -> f64 {
    let first = dx[PERIOD..2 * PERIOD].iter().filter(|dx| !dx.is_nan());
    let mut value = first.fold(0.0, |sum, dx| sum + dx) / PERIOD as f64;
    out[2 * PERIOD - 1] = value;
    for t in 2 * PERIOD..TOGETHER {
        value = next_adx(value, dx[t]);
        out[t] = value;
    }
    value
}

/// ATR(14) of all bars from the true ranges. Lookback 14.
pub fn atr(true_range: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; true_range.len()];
    begin_wilder(true_range, &mut out);
    out
}
