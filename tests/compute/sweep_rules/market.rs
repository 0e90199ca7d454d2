//! Wild markets on a grid of quarters, so that prices often lie exactly on a barrier, and scores in sixteenths, so
//! that they often lie exactly on a threshold.

use huracan::arith::{draw, uniform};
use huracan::bars::{Candles, HOUR_MS, Panel, Timeframe};

pub struct Market {
    pub panel: Panel,
    /// `[symbols × bars]`, both.
    pub scores: Vec<f32>,
    pub atr: Vec<f64>,
}

pub fn market(seed: u64, symbols: usize, count: usize, often: f64, gap: f64) -> Market {
    let candles =
        (0..symbols).map(|symbol| (format!("S{symbol}-USDT"), candles(draw(seed, 1, symbol as u64), count, gap)));
    let panel = Panel::new(candles.collect(), Timeframe::H1, 0, false).unwrap();
    let cells = || 0..(symbols * count) as u64;
    let noise = |kind: u64, cell: u64| uniform(draw(seed, 2 + kind, cell));
    let scores = cells().map(|cell| {
        let says = noise(0, cell) < often;
        let score = ((noise(1, cell) - 0.5) * 40.0).round() as f32 / 16.0;
        if says { score } else { f32::NAN }
    });
    let atr = cells().map(|cell| match noise(2, cell) {
        rare if rare < 0.02 => 0.0,
        rare if rare < 0.05 => f64::NAN,
        rare if rare < 0.06 => f64::INFINITY,
        // Half of the multiples below 1 of this one vanish.
        rare if rare < 0.07 => f64::from_bits(1),
        _ => (noise(3, cell) * 8.0).ceil() / 2.0,
    });
    Market { panel, scores: scores.collect(), atr: atr.collect() }
}

fn candles(seed: u64, count: usize, gap: f64) -> Candles {
    let quarter = |price: f64| (price * 4.0).round() / 4.0;
    let (mut candles, mut last) = (Candles::default(), 100.0_f64);
    for bar in 0..count as u64 {
        let noise = |kind: u64| uniform(draw(seed, kind, bar));
        let jump = if noise(0) < 0.3 { gap * (noise(1) - 0.5) } else { 0.0 };
        let open = quarter(last + 0.02 * (100.0 - last) + jump).max(20.0);
        let close = quarter(open + 4.0 * (noise(2) - 0.5)).max(20.0);
        let high = open.max(close) + quarter(2.0 * noise(3));
        let low = (open.min(close) - quarter(2.0 * noise(4))).max(10.0);
        let volume = if noise(5) < 0.1 { 0.0 } else { 3000.0 * noise(6) * noise(7) };
        candles.push(bar as i64 * HOUR_MS, [open, high, low, close], volume);
        last = close;
    }
    candles
}
