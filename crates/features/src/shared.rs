//! Inputs that all symbols share: the returns of Bitcoin, Ethereum and the market, and the calendar of the panel's
//! grid.

use rayon::prelude::*;

use super::cross::{Measure, Reference};
use huracan_bars::{DAY_MS, HOUR_MS, Panel};

/// Inputs of every symbol's features that are not its own.
pub(crate) struct Shared {
    /// Bitcoin, Ethereum, and the market: the mean over the symbols that have the bar, summed in the panel's order.
    pub references: [Reference; 3],
    /// Hour of the day, day of the week and weekend of each bar's open, `[bars]` each.
    pub calendar: [Vec<f32>; 3],
}

impl Shared {
    pub fn new(panel: &Panel) -> Self {
        let coin = |name: &str| {
            Reference::new(
                symbol_of(panel, name).map_or_else(|| vec![f64::NAN; panel.bars], |symbol| coin_returns(panel, symbol)),
                Measure::Correlation,
            )
        };
        let ((btc, eth), (market, calendar)) = rayon::join(
            || rayon::join(|| coin("BTC"), || coin("ETH")),
            || rayon::join(|| Reference::new(market_returns(panel), Measure::Beta), || calendar(panel)),
        );
        Self { references: [btc, eth, market], calendar }
    }
}

/// Row of the first symbol with this base coin, whatever its quote currency.
pub fn symbol_of(panel: &Panel, coin: &str) -> Option<usize> {
    panel.symbols.iter().position(|symbol| symbol.split('-').next() == Some(coin))
}

/// `ret_1` of one symbol on the panel's grid; NaN where it has none.
fn coin_returns(panel: &Panel, symbol: usize) -> Vec<f64> {
    let mut returns = vec![f64::NAN; panel.bars];
    let range = panel.ranges[symbol].clone();
    let close = &panel.row(&panel.close, symbol)[range.clone()];
    for (slot, [before, now]) in returns[range].iter_mut().skip(1).zip(close.array_windows()) {
        *slot = now / before - 1.0;
    }
    returns
}

/// Mean `ret_1` of the symbols that have one, on the panel's grid; NaN where none has.
fn market_returns(panel: &Panel) -> Vec<f64> {
    const BLOCK: usize = 512;
    let mut market = vec![0.0; panel.bars];
    market.par_chunks_mut(BLOCK).enumerate().for_each(|(k, market)| {
        let from = k * BLOCK;
        let mut count = [0.0; BLOCK];
        for (symbol, range) in panel.ranges.iter().enumerate() {
            let (start, end) = ((range.start + 1).max(from), range.end.min(from + market.len()));
            if start < end {
                let bars = start - from..end - from;
                let close = panel.row(&panel.close, symbol);
                let (sums, counts) = (&mut market[bars.clone()], &mut count[bars]);
                let (before, now) = (&close[start - 1..end - 1], &close[start..end]);
                for i in 0..sums.len() {
                    sums[i] += now[i] / before[i] - 1.0;
                    counts[i] += 1.0;
                }
            }
        }
        for (sum, n) in market.iter_mut().zip(&count) {
            *sum /= n;
        }
    });
    market
}

/// Hour of the day, day of the week and weekend of each bar's open, `[bars]` each.
pub(crate) fn calendar(panel: &Panel) -> [Vec<f32>; 3] {
    let times = || (0..panel.bars).map(|bar| panel.time_ms(bar));
    // 1970-01-01 was a Thursday, day 3 of a week that begins on Monday.
    let day = |time: i64| (time.div_euclid(DAY_MS) + 3).rem_euclid(7);
    [
        times().map(|time| (time.rem_euclid(DAY_MS) / HOUR_MS) as f32).collect(),
        times().map(|time| day(time) as f32).collect(),
        times().map(|time| if day(time) >= 5 { 1.0 } else { 0.0 }).collect(),
    ]
}
