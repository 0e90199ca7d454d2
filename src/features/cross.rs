//! What a symbol's returns have to do with Bitcoin's, Ethereum's and the market's.

use std::ops::Range;

use rayon::prelude::*;

use super::windows;
use crate::market::Panel;

/// Bars over which returns are held against each other.
pub const WINDOW: usize = 50;

/// `ret_1` of all symbols and of the market, on the panel's grid.
pub struct Returns {
    bars: usize,
    /// `[symbols × bars]`, NaN where a symbol has no return.
    each: Vec<f64>,
    /// Bars on which each symbol has a return.
    ranges: Vec<Range<usize>>,
    /// Position of Bitcoin and of Ethereum, with their sums.
    coins: [Option<(usize, Sums)>; 2],
    /// Mean over the symbols that have the bar, summed in the panel's order, `[bars]`.
    market: Vec<f64>,
    market_range: Range<usize>,
    market_sums: Sums,
}

/// Sums over windows of a series and of its squares, from the series' own first bar on.
type Sums = [Vec<f64>; 2];

impl Returns {
    pub fn new(panel: &Panel) -> Self {
        let bars = panel.bars;
        let ranges: Vec<Range<usize>> = panel.ranges.iter().map(|r| (r.start + 1).min(r.end)..r.end).collect();
        let mut each = vec![f64::NAN; panel.symbols.len() * bars];
        each.par_chunks_mut(bars.max(1)).enumerate().for_each(|(s, out)| {
            let close = panel.row(&panel.close, s);
            for t in ranges[s].clone() {
                out[t] = close[t] / close[t - 1] - 1.0;
            }
        });
        let mut market = vec![0.0; bars];
        let mut count = vec![0.0; bars];
        for (s, range) in ranges.iter().enumerate() {
            for t in range.clone() {
                market[t] += each[s * bars + t];
                count[t] += 1.0;
            }
        }
        for (sum, n) in market.iter_mut().zip(&count) {
            *sum /= n;
        }
        let coin = |name: &str| {
            let symbol = panel.symbols.iter().position(|s| s.split('-').next() == Some(name))?;
            Some((symbol, sums(&each[symbol * bars..][ranges[symbol].clone()])))
        };
        let first = ranges.iter().map(|range| range.start).min().unwrap_or(0);
        let market_range = first..bars;
        Self {
            coins: [coin("BTC"), coin("ETH")],
            market_sums: sums(&market[market_range.clone()]),
            bars,
            each,
            ranges,
            market,
            market_range,
        }
    }

    /// One symbol's returns on the whole grid.
    pub fn of(&self, symbol: usize) -> &[f64] {
        &self.each[symbol * self.bars..(symbol + 1) * self.bars]
    }

    /// Correlation with Bitcoin, with Ethereum, and beta to the market, on the whole grid; NaN where undefined.
    #[inline(always)]
    pub fn against(&self, symbol: usize) -> [Vec<f64>; 3] {
        let range = self.ranges[symbol].clone();
        let own_sums = sums(&self.of(symbol)[range.clone()]);
        let own = Series { values: self.of(symbol), range, sums: &own_sums };
        let mut out = [vec![f64::NAN; self.bars], vec![f64::NAN; self.bars], vec![f64::NAN; self.bars]];
        for (coin, out) in self.coins.iter().zip(&mut out) {
            if let Some((other, sums)) = coin {
                let other = Series { values: self.of(*other), range: self.ranges[*other].clone(), sums };
                relate(&own, &other, out, correlation);
            }
        }
        let market = Series { values: &self.market, range: self.market_range.clone(), sums: &self.market_sums };
        relate(&own, &market, &mut out[2], beta);
        out
    }
}

/// Returns on the whole grid, the bars that have one, and their sums.
struct Series<'a> {
    values: &'a [f64],
    range: Range<usize>,
    sums: &'a Sums,
}

#[inline(always)]
fn sums(x: &[f64]) -> Sums {
    windows::sums([x, &product(x, x)], WINDOW)
}

#[inline(always)]
fn product(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; a.len()];
    for ((slot, a), b) in out.iter_mut().zip(a).zip(b) {
        *slot = a * b;
    }
    out
}

/// Sums over a window: x, y, x², y², xy.
type Moments = [f64; 5];

/// Stores `measure` of every whole window of the bars that both series have.
#[inline(always)]
fn relate(x: &Series<'_>, y: &Series<'_>, out: &mut [f64], measure: impl Fn(Moments) -> f64) {
    let shared = x.range.start.max(y.range.start)..x.range.end.min(y.range.end);
    if shared.len() < WINDOW {
        return;
    }
    // Rounding depends on where the windows' blocks begin: always on the first bar that both have.
    let (late_x, late_y);
    let x_sums = if x.range.start == shared.start {
        x.sums
    } else {
        late_x = sums(&x.values[shared.clone()]);
        &late_x
    };
    let y_sums = if y.range.start == shared.start {
        y.sums
    } else {
        late_y = sums(&y.values[shared.clone()]);
        &late_y
    };
    let [xy] = windows::sums([&product(&x.values[shared.clone()], &y.values[shared.clone()])], WINDOW);
    let whole = shared.len() - (WINDOW - 1);
    let [x, xx, y, yy, xy] =
        [&x_sums[0], &x_sums[1], &y_sums[0], &y_sums[1], &xy].map(|series| &series[WINDOW - 1..][..whole]);
    for (i, slot) in out[shared][WINDOW - 1..][..whole].iter_mut().enumerate() {
        *slot = measure([x[i], y[i], xx[i], yy[i], xy[i]]);
    }
}

/// Sum of squared distances from the mean; NaN where they are all rounding error.
#[inline(always)]
fn spread(sum: f64, squares: f64) -> f64 {
    let spread = squares - sum * sum / WINDOW as f64;
    if spread > 1e-13 * squares { spread } else { f64::NAN }
}

#[inline(always)]
fn correlation([x, y, xx, yy, xy]: Moments) -> f64 {
    (xy - x * y / WINDOW as f64) / (spread(x, xx) * spread(y, yy)).sqrt()
}

#[inline(always)]
fn beta([x, y, _, yy, xy]: Moments) -> f64 {
    (xy - x * y / WINDOW as f64) / spread(y, yy)
}
