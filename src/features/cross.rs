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
    /// Mean over the symbols that have the bar, summed in the panel's order, `[bars]`.
    market: Vec<f64>,
    /// Bars on which each symbol has a return.
    ranges: Vec<Range<usize>>,
    btc: Option<usize>,
    eth: Option<usize>,
}

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
        let base = |name: &str| panel.symbols.iter().position(|s| s.split('-').next() == Some(name));
        Self { bars, each, market, ranges, btc: base("BTC"), eth: base("ETH") }
    }

    /// One symbol's returns on the whole grid.
    pub fn of(&self, symbol: usize) -> &[f64] {
        &self.each[symbol * self.bars..(symbol + 1) * self.bars]
    }

    /// Correlation with Bitcoin, with Ethereum, and beta to the market, on the whole grid; NaN where undefined.
    #[inline(always)]
    pub fn against(&self, symbol: usize) -> [Vec<f64>; 3] {
        let own = self.ranges[symbol].clone();
        let x = self.of(symbol);
        let with = |other: Option<usize>, out: &mut Vec<f64>| {
            if let Some(o) = other {
                let shared = own.start.max(self.ranges[o].start)..own.end.min(self.ranges[o].end);
                relate(x, self.of(o), shared, out, correlation);
            }
        };
        let mut out = [vec![f64::NAN; self.bars], vec![f64::NAN; self.bars], vec![f64::NAN; self.bars]];
        with(self.btc, &mut out[0]);
        with(self.eth, &mut out[1]);
        relate(x, &self.market, own.clone(), &mut out[2], beta);
        out
    }
}

/// Sums over a window: x, y, x², y², xy.
type Moments = [f64; 5];

#[inline(always)]
fn relate(x: &[f64], y: &[f64], range: Range<usize>, out: &mut [f64], measure: impl Fn(&Moments) -> f64) {
    if range.len() < WINDOW {
        return;
    }
    let products: Vec<Moments> = range.clone().map(|t| [x[t], y[t], x[t] * x[t], y[t] * y[t], x[t] * y[t]]).collect();
    let sums = windows::sums(&products, WINDOW);
    for t in WINDOW - 1..products.len() {
        out[range.start + t] = measure(&sums[t]);
    }
}

/// Sum of squared distances from the mean; nothing where they are all rounding error.
#[inline(always)]
fn spread(sum: f64, squares: f64) -> Option<f64> {
    let spread = squares - sum * sum / WINDOW as f64;
    (spread > 1e-13 * squares).then_some(spread)
}

#[inline(always)]
fn correlation([x, y, xx, yy, xy]: &Moments) -> f64 {
    match (spread(*x, *xx), spread(*y, *yy)) {
        (Some(vx), Some(vy)) => (xy - x * y / WINDOW as f64) / (vx * vy).sqrt(),
        _ => f64::NAN,
    }
}

#[inline(always)]
fn beta([x, y, _, yy, xy]: &Moments) -> f64 {
    spread(*y, *yy).map_or(f64::NAN, |vy| (xy - x * y / WINDOW as f64) / vy)
}
