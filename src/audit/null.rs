//! Shuffled candles in which nothing can be predicted, and candles with a planted pattern of known strength.
//!
//! The *shape* of a bar is its open, high, low and close as logarithms relative to the close before, with the traded value.
//! Each bar of a shuffled symbol has a shape drawn from the symbol's own shapes. This keeps their distribution: sizes of moves,
//! wicks, gaps, fat tails, turnover. It destroys their order, and with it every pattern in time. Three more things are needed
//! to remove every edge:
//!
//! - Shapes are drawn with replacement. A permutation has a fixed last price: how far the price is away from it tells where it
//!   must go, and a model that uses price levels profits from that.
//! - The symbol's drift is subtracted from each shape, so that the mean simple return is 0. Otherwise the drift of the whole
//!   history would remain, and a coin that doubled would still be worth holding.
//! - Symbols with the same bars use the same random draws, so that coins that moved together still do. Features across symbols
//!   then behave as on real candles, and looking at another coin's future would still pay.
//!
//! That destroys the clustering of volatility too, which a model could mistake for something. The other null keeps it: bars come
//! in blocks of consecutive ones (stationary bootstrap, Politis and Romano 1994), and a coin that all symbols share is tossed for each
//! bar, which mirrors its shape. Sizes of moves then follow each other as they did, and their directions follow nothing. A move of ±c
//! has the mean simple return cosh c − 1, which is greater in wild blocks than in calm ones, and how wild the next bars will be is
//! just what this null leaves to be known. So ln cosh c is subtracted from each shape, and not one drift from all: whatever is known
//! of a bar, its mean simple return is 0.

use rayon::prelude::*;
use serde::Serialize;

use crate::arith::{draw, exp, ln, uniform};
use crate::bars::Panel;

/// Bars of the moving average in the planted pattern.
const MEAN_BARS: usize = 20;
/// Standard deviation of close/SMA(20) − 1 in a random walk, in standard deviations of its steps: √(Σ (1 − k/20)²) over
/// k = 1 … 19.
const MEAN_SPREAD: f64 = 2.484_954_8;

/// Stream of the coin that is tossed for each bar.
const COIN: u64 = 0x636f_696e;
/// Mean length of a block, bars.
const BLOCK: f64 = 120.0;

/// What a null keeps of the order of bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Nothing.
    Shuffled,
    /// The clustering of volatility.
    Blocks,
}

/// Shuffled candles with a planted pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Planted {
    /// The candles.
    pub panel: Panel,
    /// The pattern's prediction at each bar's close for the next bar, −1 to 1, `[symbols × bars]`; NaN where it is undefined.
    pub signal: Vec<f64>,
}

/// The panel with bars drawn from its own, without drift, as described above.
pub fn shuffled(panel: &Panel, seed: u64) -> Panel {
    planted(panel, seed, 0.0, Order::Shuffled).panel
}

/// Like [`shuffled`], with prices that return to their mean.
///
/// The close of each bar is moved by `edge` · σ · signal. σ is the standard deviation of the symbol's log returns. The signal
/// is −(close/SMA(close, 20) − 1) of the bar before, in standard deviations of a random walk, limited to −1 … 1. The open of
/// the bar is not moved, so that an entry there can profit from the move.
pub fn planted(panel: &Panel, seed: u64, edge: f64, order: Order) -> Planted {
    let symbols: Vec<Rebuilt> =
        (0..panel.symbols.len()).into_par_iter().map(|symbol| rebuilt(panel, symbol, seed, edge, order)).collect();
    let column = |pick: fn(&Rebuilt) -> &Vec<f64>| symbols.iter().flat_map(pick).copied().collect();
    let panel = Panel {
        open: column(|s| &s.open),
        high: column(|s| &s.high),
        low: column(|s| &s.low),
        close: column(|s| &s.close),
        volume: column(|s| &s.volume),
        ..emptied(panel)
    };
    Planted { signal: column(|s| &s.signal), panel }
}

/// A copy of a panel without its columns, which are replaced anyway, and without its funding, which belongs to the prices
/// that they held.
fn emptied(panel: &Panel) -> Panel {
    Panel {
        symbols: panel.symbols.clone(),
        ranges: panel.ranges.clone(),
        filled: panel.filled.clone(),
        open: Vec::new(),
        high: Vec::new(),
        low: Vec::new(),
        close: Vec::new(),
        volume: Vec::new(),
        terms: panel.terms.clone(),
        funding_bps: vec![Vec::new(); panel.symbols.len()],
        ..*panel
    }
}

/// The columns of one symbol, each as long as the whole grid.
struct Rebuilt {
    open: Vec<f64>,
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
    volume: Vec<f64>,
    signal: Vec<f64>,
}

/// Logarithms of open, high, low and close relative to the close before, and the traded value.
#[derive(Clone, Copy)]
struct Shape {
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    value: f64,
}

impl Shape {
    /// The same bar with every move in the other direction.
    fn mirrored(self) -> Self {
        Self { open: -self.open, high: -self.low, low: -self.high, close: -self.close, value: self.value }
    }

    /// What must be subtracted so that the mean simple return of the bar and its mirrored twin is 0: ln cosh of the close.
    fn drift_when_tossed(self) -> f64 {
        ln((exp(self.close) + exp(-self.close)) / 2.0)
    }
}

fn rebuilt(panel: &Panel, symbol: usize, seed: u64, edge: f64, order: Order) -> Rebuilt {
    let range = panel.ranges[symbol].clone();
    let blank = || vec![f64::NAN; panel.bars];
    let mut out =
        Rebuilt { open: blank(), high: blank(), low: blank(), close: blank(), volume: blank(), signal: blank() };
    if range.is_empty() {
        return out;
    }
    let row = |column| panel.row(column, symbol);
    let (open, high, low, close) = (row(&panel.open), row(&panel.high), row(&panel.low), row(&panel.close));
    let volume = row(&panel.volume);
    let shapes: Vec<Shape> = (range.start + 1..range.end)
        .map(|bar| {
            let over = |price: f64| ln(price / close[bar - 1]);
            let value = volume[bar] * close[bar];
            Shape { open: over(open[bar]), high: over(high[bar]), low: over(low[bar]), close: over(close[bar]), value }
        })
        .collect();
    // The first bar has no close before it and is kept.
    let first = range.start;
    (out.open[first], out.high[first], out.low[first]) = (open[first], high[first], low[first]);
    (out.close[first], out.volume[first]) = (close[first], volume[first]);
    if shapes.is_empty() {
        return out;
    }
    let count = shapes.len() as f64;
    let drift = ln(shapes.iter().map(|shape| exp(shape.close)).sum::<f64>() / count);
    let mean = shapes.iter().map(|shape| shape.close).sum::<f64>() / count;
    let squares: f64 = shapes.iter().map(|shape| (shape.close - mean) * (shape.close - mean)).sum();
    let sigma = (squares / count).sqrt();
    for (i, (source, mirrored)) in drawn_shapes(panel, &range, seed, order).into_iter().enumerate() {
        let bar = range.start + 1 + i;
        let shape = if mirrored { shapes[source].mirrored() } else { shapes[source] };
        let drift = match order {
            Order::Shuffled => drift,
            Order::Blocks => shape.drift_when_tossed(),
        };
        let signal = out.signal[bar - 1];
        let planted = if signal.is_nan() { 0.0 } else { edge * sigma * signal };
        let before = out.close[bar - 1];
        let price = |log: f64| before * exp(log - drift);
        let (open, close) = (price(shape.open), price(shape.close + planted));
        // High and low are assumed in the middle of the bar, after half of the planted move.
        let (high, low) = (price(shape.high + planted / 2.0), price(shape.low + planted / 2.0));
        out.open[bar] = open;
        out.high[bar] = high.max(open).max(close);
        out.low[bar] = low.min(open).min(close);
        out.close[bar] = close;
        out.volume[bar] = shape.value / close;
        out.signal[bar] = signal_at(&out.close[range.start..=bar], sigma);
    }
    out
}

/// Index of the shape for each bar, and whether it is mirrored. Symbols with the same range get the same draws at the same times,
/// and all symbols are mirrored together.
fn drawn_shapes(panel: &Panel, range: &std::ops::Range<usize>, seed: u64, order: Order) -> Vec<(usize, bool)> {
    let stream = draw(seed, panel.time_ms(range.start) as u64, range.len() as u64);
    let shapes = range.len() - 1;
    let mut last = None;
    (range.start + 1..range.end)
        .map(|bar| {
            let unit = |kind: u64| uniform(draw(stream, kind, panel.time_ms(bar) as u64));
            let anywhere = (unit(0) * shapes as f64) as usize;
            let source = match (order, last) {
                (Order::Blocks, Some(before)) if unit(1) >= 1.0 / BLOCK => (before + 1) % shapes,
                _ => anywhere,
            };
            last = Some(source);
            let tossed = || uniform(draw(seed, COIN, panel.time_ms(bar) as u64)) < 0.5;
            (source, order == Order::Blocks && tossed())
        })
        .collect()
}

/// The signal at the last of these closes.
fn signal_at(close: &[f64], sigma: f64) -> f64 {
    if close.len() < MEAN_BARS || sigma <= 0.0 {
        return f64::NAN;
    }
    let last = &close[close.len() - MEAN_BARS..];
    let mean = last.iter().sum::<f64>() / MEAN_BARS as f64;
    let distance = (close[close.len() - 1] / mean - 1.0) / (sigma * MEAN_SPREAD);
    (-distance).clamp(-1.0, 1.0)
}

/// Whether a random draw for a symbol and bar is below `share`. For checks that need choices independent of the candles.
pub fn drawn(seed: u64, symbol: usize, bar: usize, share: f64) -> bool {
    uniform(draw(seed, symbol as u64, bar as u64)) < share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bars::{Candles, HOUR_MS, Timeframe};

    /// Coins whose moves are wild for 100 bars and calm for the next 100; the second one is listed later.
    fn panel() -> Panel {
        let coin = |number: u64, from: usize| {
            let mut candles = Candles::default();
            let mut close = 100.0;
            for bar in from..6000_usize {
                let size = if bar / 100 % 2 == 0 { 0.3 } else { 0.001 };
                let (open, up) = (close, uniform(draw(5, number, bar as u64)) - 0.45);
                close *= exp(size * (0.7 + up.abs()) * up.signum());
                candles.push(bar as i64 * HOUR_MS, [open, open.max(close), open.min(close), close], 10.0);
            }
            (format!("C{number}-X"), candles)
        };
        Panel::new(vec![coin(0, 0), coin(1, 700)], Timeframe::H1, 1, false).unwrap()
    }

    #[test]
    fn the_mean_return_of_a_block_is_0_whether_it_is_wild_or_calm() {
        let (panel, mut bars) = (panel(), Vec::new());
        for seed in 0..8 {
            let blocks = planted(&panel, seed, 0.0, Order::Blocks).panel;
            for symbol in 0..2 {
                let close = &blocks.row(&blocks.close, symbol)[blocks.ranges[symbol].clone()];
                // The first bar is kept.
                bars.extend(close.windows(2).map(|pair| pair[1] / pair[0] - 1.0));
            }
        }
        bars.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        let (calm, wild) = bars.split_at(bars.len() / 2);
        for group in [calm, wild] {
            let count = group.len() as f64;
            let mean = group.iter().sum::<f64>() / count;
            let error = (group.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / count / count).sqrt();
            // One drift for all would leave some 30 errors in each group.
            assert!(mean.abs() < 4.0 * error, "{mean} ± {error} of {count}");
        }
    }

    #[test]
    fn a_bar_and_its_mirrored_twin_have_the_mean_return_0() {
        for close in [0.0, 1e-4, 0.02, -0.5, 2.0] {
            let shape = Shape { open: 0.0, high: 0.0, low: 0.0, close, value: 1.0 };
            let growth = |shape: Shape| exp(shape.close - shape.drift_when_tossed());
            let mean = (growth(shape) + growth(shape.mirrored())) / 2.0;
            assert!((mean - 1.0).abs() < 1e-12, "{close}: {mean}");
        }
    }

    #[test]
    fn all_coins_are_mirrored_together_whenever_they_were_listed() {
        let panel = panel();
        let tossed = |symbol: usize| -> Vec<bool> {
            let shapes = drawn_shapes(&panel, &panel.ranges[symbol], 3, Order::Blocks);
            shapes.into_iter().map(|(_, mirrored)| mirrored).collect()
        };
        let (first, second) = (tossed(0), tossed(1));
        assert_eq!(first[first.len() - second.len()..], second);
        let share = first.iter().filter(|mirrored| **mirrored).count() as f64 / first.len() as f64;
        assert!((0.47..0.53).contains(&share), "{share}");
    }
}
