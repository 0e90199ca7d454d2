//! The trade simulation on the CPU: all symbols in parallel, each bar by bar.

use std::ops::Range;

use rayon::prelude::*;

use super::{Bars, Exit, ExitReason, Position, Rules, Signals, Trade};
use huracan_bars::Panel;

/// Trades the signals of every symbol within `windows` (bar ranges a symbol, ascending and apart): a position
/// still open at the end of a window ends at its last close.
///
/// `atr` is `[symbols × bars]`, see [`huracan_features::atr_14`]. A signal without its own distances at a bar
/// without ATR is not traded. Trades come ordered by entry time, then symbol.
pub fn simulate(
    panel: &Panel,
    signals: &Signals,
    atr: &[f64],
    windows: &[Vec<Range<usize>>],
    rules: &Rules,
) -> Vec<Trade> {
    let mut trades: Vec<Trade> = (0..panel.symbols.len())
        .into_par_iter()
        .flat_map_iter(|symbol| {
            windows[symbol].iter().flat_map(move |window| one(panel, signals, atr, symbol, window.clone(), rules))
        })
        .collect();
    trades.sort_by_key(|trade| (trade.entry_bar, trade.symbol));
    trades
}

fn one(
    panel: &Panel,
    signals: &Signals,
    atr: &[f64],
    symbol: usize,
    window: Range<usize>,
    rules: &Rules,
) -> Vec<Trade> {
    let bars = Bars::of(panel, symbol);
    let mut trades = Vec::new();
    let mut open: Option<Position> = None;
    // The entry that a signal at the close of `bar` asks for at the next open.
    let entry = |bar: usize| -> Option<Position> {
        let side = signals.at(symbol, bar)?;
        let cell = symbol * signals.bars + bar;
        let entry_price = bars.open[bar + 1];
        let distance = |bps: f64, multiple: f64| {
            if bps.is_nan() { multiple * atr[cell] } else { entry_price * bps / 10_000.0 }
        };
        let stop = distance(signals.stop_bps[cell], rules.stop_atr);
        let take = distance(signals.take_bps[cell], rules.take_atr);
        let size = if signals.size[cell].is_nan() { rules.notional } else { signals.size[cell] };
        // Only distances above 0 are barriers; NaN is no distance at all.
        (stop > 0.0 && take > 0.0).then(|| Position::enter(&bars, bar, side, stop, take, size))
    };
    for bar in window.clone() {
        if bar > window.start {
            let signal = signals.at(symbol, bar - 1);
            match open {
                None => open = signal.and_then(|_| entry(bar - 1)),
                Some(position) => {
                    let reversal = signal == Some(position.side.opposite());
                    if let Some(exit) = position.exit_at_open(&bars, bar, reversal, rules.max_hold) {
                        trades.push(position.close(symbol, exit, &bars, rules));
                        open = if reversal { entry(bar - 1) } else { None };
                    }
                }
            }
        }
        if let Some(position) = open {
            let last = bar + 1 == window.end;
            let at_close = Exit { bar, price: bars.close[bar], reason: ExitReason::EndOfData };
            let exit = position.exit_within(&bars, bar).or(last.then_some(at_close));
            if let Some(exit) = exit {
                trades.push(position.close(symbol, exit, &bars, rules));
                open = None;
            }
        }
    }
    trades
}
