//! A market for the tests: random walks of other lengths, in which some bars stand still and some have no volume.

use std::ops::Range;

use huracan_bars::{Candles, Panel, Timeframe};
use huracan_base::arith::{draw, uniform};

/// Coins `C0-USDT`, `C1-USDT`, … that are traded in these hours.
pub fn panel(hours: &[Range<i64>]) -> Panel {
    let coin = |(seed, hours): (usize, &Range<i64>)| (format!("C{seed}-USDT"), walk(seed as u64 + 1, hours.clone()));
    Panel::new(hours.iter().enumerate().map(coin).collect(), Timeframe::H1, 24, false).unwrap()
}

fn walk(seed: u64, hours: Range<i64>) -> Candles {
    let mut candles = Candles::default();
    let mut close = 100.0;
    for hour in hours {
        let noise = |k: u64| uniform(draw(seed, k, hour as u64));
        let open = close;
        let still = hour / 30 % 5 == 4 || noise(0) < 0.1;
        close = if still { open } else { open * (1.0 + 0.05 * (noise(1) - 0.5)) };
        let (high, low) = (open.max(close) * (1.0 + 0.01 * noise(2)), open.min(close) * (1.0 - 0.01 * noise(3)));
        let volume = if noise(4) < 0.1 { 0.0 } else { 1e4 * noise(5) };
        candles.push(hour * 3_600_000, [open, high, low, close], volume);
    }
    candles
}
