//! Exponential averages, Wilder's averages and running sums, with TA-Lib's start-up.
//!
//! A recurrence waits for its own last result much longer than a core needs for the step itself. So the recurrences run
//! side by side: each alone through its start-up, in a symbol's first block, then all together.

use super::series::{BARS, Block};

// These constants have twins of the same name in `kernels/recurrences.cu`; a test in `device.rs` compares them.

/// Entries after which every recurrence here has begun.
pub const START_UP_BARS: usize = 64;
/// Bars of ATR, RSI and ADX.
pub const WILDER_BARS: usize = 14;
/// Bars of the shortest exponential average of the close.
pub const EMA_SHORT_BARS: usize = 5;
/// Bars of the middle exponential average of the close.
pub const EMA_MIDDLE_BARS: usize = 10;
/// Bars of the longest exponential average of the close.
pub const EMA_LONG_BARS: usize = 20;
/// Bars of MACD's fast average.
pub const MACD_FAST_BARS: usize = 12;
/// Bars of MACD's slow average.
pub const MACD_SLOW_BARS: usize = 26;
/// Bars of MACD's signal.
pub const MACD_SIGNAL_BARS: usize = 9;

/// Length and first entry of an exponential average.
type Ema = (usize, usize);

/// The averages of the close. MACD's fast one begins late, so that both of its averages start at the same bar.
const EMAS: [Ema; 5] = [
    (EMA_SHORT_BARS, 0),
    (EMA_MIDDLE_BARS, 0),
    (EMA_LONG_BARS, 0),
    (MACD_FAST_BARS, MACD_SLOW_BARS - MACD_FAST_BARS),
    (MACD_SLOW_BARS, 0),
];

/// MACD's signal, an average of its line from the line's first bar on.
const SIGNAL: Ema = (MACD_SIGNAL_BARS, MACD_SLOW_BARS - 1);

fn weight((n, _): Ema) -> f64 {
    2.0 / (n as f64 + 1.0)
}

/// The state of the recurrences after the last bar.
#[derive(Clone, Default)]
pub struct Recurrences {
    begun: bool,
    close: [f64; 5],
    wilder: [f64; 3],
    running: [f64; 3],
    signal: f64,
    adx: f64,
    totals: [f64; 2],
}

/// The recurrences over values of candles.
pub struct Averages {
    /// EMA(5), EMA(10), EMA(20) of the close, then MACD's fast and slow average.
    pub close: [Block; 5],
    /// Wilder's averages of the true range (ATR), of gains and of losses.
    pub wilder: [Block; 3],
    /// Wilder's running sums of the true range, of +DM and of −DM.
    pub running: [Block; 3],
}

impl Averages {
    /// All zeros.
    pub const ZERO: Self = Self { close: [[0.0; BARS]; 5], wilder: [[0.0; BARS]; 3], running: [[0.0; BARS]; 3] };
}

impl Recurrences {
    /// Computes all [`Averages`] of the block; `smoothed` and `summed` are the inputs of `wilder` and `running`.
    #[inline(always)]
    pub fn averages(&mut self, close: &Block, smoothed: [&Block; 3], summed: [&Block; 3], out: &mut Averages) {
        let mut first = 0;
        if !self.begun {
            first = START_UP_BARS;
            for ((span, value), out) in EMAS.into_iter().zip(&mut self.close).zip(&mut out.close) {
                *value = begin_ema(close, span, out);
            }
            for k in 0..3 {
                self.wilder[k] = begin_wilder(&smoothed[k][..START_UP_BARS], &mut out.wilder[k]);
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

    /// Computes MACD's signal from its line (lookback 33), ADX(14) from DX (lookback 27), and the totals of `flows`
    /// since the first bar. Ends the block.
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
            first = START_UP_BARS;
            self.signal = begin_ema(line, SIGNAL, signal_out);
            self.adx = begin_adx(dx, adx_out);
            for k in 0..2 {
                for t in 0..START_UP_BARS {
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

/// EMA(n) up to entry [`START_UP_BARS`], seeded with the mean of the first n entries. Lookback first + n − 1.
fn begin_ema(x: &Block, (n, first): Ema, out: &mut Block) -> f64 {
    let mut value = x[first..first + n].iter().fold(0.0, |sum, v| sum + v) / n as f64;
    out[first + n - 1] = value;
    for t in first + n..START_UP_BARS {
        value = next_ema(value, x[t], weight((n, first)));
        out[t] = value;
    }
    value
}

/// Weight of the last value in Wilder's averages and sums.
const KEEP: f64 = 1.0 - SHARE;
/// Weight of a new entry in Wilder's averages.
const SHARE: f64 = 1.0 / WILDER_BARS as f64;

#[inline(always)]
fn next_wilder(value: f64, entry: f64) -> f64 {
    value * KEEP + entry * SHARE
}

/// Wilder's average of all entries of `x`: the mean of entries 1 to 14, then each new entry has weight 1/14. Lookback
/// 14.
fn begin_wilder(x: &[f64], out: &mut [f64]) -> f64 {
    let Some(seed) = x.get(1..=WILDER_BARS) else { return 0.0 };
    let mut value = seed.iter().fold(0.0, |sum, v| sum + v) / WILDER_BARS as f64;
    out[WILDER_BARS] = value;
    for t in WILDER_BARS + 1..x.len() {
        value = next_wilder(value, x[t]);
        out[t] = value;
    }
    value
}

#[inline(always)]
fn next_running(sum: f64, entry: f64) -> f64 {
    sum * KEEP + entry
}

/// Wilder's running sum up to entry [`START_UP_BARS`], seeded with the sum of entries 1 to 13. Lookback 14.
fn begin_running(x: &Block, out: &mut Block) -> f64 {
    let mut sum = x[1..WILDER_BARS].iter().fold(0.0, |sum, v| sum + v);
    for t in WILDER_BARS..START_UP_BARS {
        sum = next_running(sum, x[t]);
        out[t] = sum;
    }
    sum
}

/// A bar without range or movement leaves ADX unchanged.
#[inline(always)]
fn next_adx(value: f64, dx: f64) -> f64 {
    let next = value * KEEP + dx * SHARE;
    if dx.is_nan() { value } else { next }
}

/// ADX up to entry [`START_UP_BARS`]: the mean of the first 14 DX, then Wilder's smoothing. Lookback 27.
fn begin_adx(dx: &Block, out: &mut Block) -> f64 {
    let first = dx[WILDER_BARS..2 * WILDER_BARS].iter().filter(|dx| !dx.is_nan());
    let mut value = first.fold(0.0, |sum, dx| sum + dx) / WILDER_BARS as f64;
    out[2 * WILDER_BARS - 1] = value;
    for t in 2 * WILDER_BARS..START_UP_BARS {
        value = next_adx(value, dx[t]);
        out[t] = value;
    }
    value
}

/// ATR(14) of all bars from their true ranges. Lookback 14.
pub fn atr(true_range: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; true_range.len()];
    begin_wilder(true_range, &mut out);
    out
}
