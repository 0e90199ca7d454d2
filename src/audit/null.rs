//! Candles in which nothing can be predicted, and candles in which something known can.
//!
//! A bar's *shape* is its open, high, low and close as logarithms over the close before, with the value traded in it.
//! Each bar of a shuffled symbol has a shape drawn from the symbol's own, so that their distribution stays: sizes of
//! moves, wicks, gaps, fat tails, turnover. Their order goes, and with it every pattern in time. Three more things are
//! needed for a world without an edge:
//!
//! - Shapes are drawn with replacement. A mere permutation has a fixed end: whoever knows how far the price has strayed
//!   knows where it must return to, and a model that sees price levels earns by it.
//! - A symbol's drift is taken off each shape, so that its mean simple return is 0. Another order keeps the drift of
//!   the whole history, and a coin that doubled would still be worth holding.
//! - Symbols with the same bars are shuffled by the same draws. What moved together still does, so that features across
//!   symbols see what they see in real candles, and a value of another coin's future would still be worth something to
//!   whoever peeked at it.

use rayon::prelude::*;

use crate::arith::{draw, exp, ln, uniform};
use crate::bars::Panel;

/// Bars of the mean that the planted pattern looks at.
const MEAN_BARS: usize = 20;
/// Standard deviation of close/SMA(20) − 1 in a random walk, in those of its steps: √(Σ (1 − k/20)²) over k = 1 … 19.
const MEAN_SPREAD: f64 = 2.484_954_8;

/// Shuffled candles in which a known pattern was planted.
#[derive(Debug, Clone, PartialEq)]
pub struct Planted {
    pub panel: Panel,
    /// What the pattern says at each bar's close of the next bar, −1 to 1, `[symbols × bars]`; NaN where it cannot tell.
    pub signal: Vec<f64>,
}

/// The panel with bars drawn from its own, without drift: see above.
pub fn shuffled(panel: &Panel, seed: u64) -> Panel {
    planted(panel, seed, 0.0).panel
}

/// [`shuffled`], with prices drawn back to their mean: the close of each bar is moved by `edge` · σ · signal, where σ is
/// the deviation of the symbol's log returns and signal = −(close/SMA(close, 20) − 1) of the bar before, in deviations
/// that a random walk would have, held within −1 and 1. The bar's open stays, so that an entry there can catch the move.
pub fn planted(panel: &Panel, seed: u64, edge: f64) -> Planted {
    let symbols: Vec<Rebuilt> =
        (0..panel.symbols.len()).into_par_iter().map(|symbol| rebuilt(panel, symbol, seed, edge)).collect();
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

/// A panel without its columns: they are about to be replaced, and need not be copied.
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
        ..*panel
    }
}

/// One symbol's columns, each the whole grid long.
struct Rebuilt {
    open: Vec<f64>,
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
    volume: Vec<f64>,
    signal: Vec<f64>,
}

/// Logarithms of open, high, low and close over the close before, and the value traded.
#[derive(Clone, Copy)]
struct Shape {
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    value: f64,
}

fn rebuilt(panel: &Panel, symbol: usize, seed: u64, edge: f64) -> Rebuilt {
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
    // The first bar has no close before it, and stays.
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
    for (place, source) in drawn_shapes(panel, &range, seed).into_iter().enumerate() {
        let bar = range.start + 1 + place;
        let shape = shapes[source];
        let signal = out.signal[bar - 1];
        let planted = if signal.is_nan() { 0.0 } else { edge * sigma * signal };
        let before = out.close[bar - 1];
        let price = |log: f64| before * exp(log - drift);
        let (open, close) = (price(shape.open), price(shape.close + planted));
        // Midway through the bar half of the planted move has happened.
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

/// Which shape comes at each place: bars of equal time and range get equal draws, whatever the symbol.
fn drawn_shapes(panel: &Panel, range: &std::ops::Range<usize>, seed: u64) -> Vec<usize> {
    let stream = draw(seed, panel.time_ms(range.start) as u64, range.len() as u64);
    let shapes = range.len() - 1;
    (range.start + 1..range.end)
        .map(|bar| (uniform(draw(stream, 0, panel.time_ms(bar) as u64)) * shapes as f64) as usize)
        .collect()
}

/// The pattern at the last of these closes.
fn signal_at(close: &[f64], sigma: f64) -> f64 {
    if close.len() < MEAN_BARS || sigma <= 0.0 {
        return f64::NAN;
    }
    let last = &close[close.len() - MEAN_BARS..];
    let mean = last.iter().sum::<f64>() / MEAN_BARS as f64;
    let away = (close[close.len() - 1] / mean - 1.0) / (sigma * MEAN_SPREAD);
    (-away).clamp(-1.0, 1.0)
}

/// Whether a draw of a symbol and bar falls below `share`: where checks need something that no candle decides.
pub fn drawn(seed: u64, symbol: usize, bar: usize, share: f64) -> bool {
    uniform(draw(seed, symbol as u64, bar as u64)) < share
}
