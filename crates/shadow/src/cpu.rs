//! The trade simulation on the CPU: symbols in parallel, each symbol bar by bar.

use std::ops::Range;

use rayon::prelude::*;

use super::{Bars, CoinCosts, Exit, ExitReason, Position, Rules, Signals, Trade};
use huracan_bars::Panel;
use huracan_base::units::BPS;

/// Trades the signals of every symbol within `windows`: bar ranges per symbol, ascending and disjoint. A position that
/// is still open at the end of a window is closed at the window's last close.
///
/// `atr` is ATR(14) in price units, `[symbols × bars]`, NaN where there is none. A signal without distances of its own
/// is not traded at a bar without ATR. Where the rules have no shorts, a short signal closes a long position and enters
/// nothing. Trades are ordered by entry time, then symbol.
///
/// # Panics
/// Where `signals`, `atr` or `windows` do not have the panel's symbols and bars, or a window ends after the last bar.
pub fn simulate(
    panel: &Panel,
    signals: &Signals,
    atr: &[f64],
    windows: &[Vec<Range<usize>>],
    rules: &Rules,
) -> Vec<Trade> {
    assert_eq!(signals.bars, panel.bars, "the signals must have the panel's bars");
    let mut trades: Vec<Trade> = (0..panel.symbols.len())
        .into_par_iter()
        .flat_map_iter(|symbol| {
            windows[symbol]
                .iter()
                .flat_map(move |window| simulate_window(panel, signals, atr, symbol, window.clone(), rules))
        })
        .collect();
    trades.sort_by_key(|trade| (trade.entry_bar, trade.symbol));
    trades
}

/// The trades of one symbol within one window, in their order.
fn simulate_window(
    panel: &Panel,
    signals: &Signals,
    atr: &[f64],
    symbol: usize,
    window: Range<usize>,
    rules: &Rules,
) -> Vec<Trade> {
    let (bars, costs) = (Bars::of(panel, symbol), CoinCosts::of(panel, symbol, rules));
    let mut trades = Vec::new();
    let mut open: Option<Position> = None;
    // The entry at the next open, for a signal at the close of `bar`.
    let entry = |bar: usize| -> Option<Position> {
        let side = signals.at(symbol, bar).filter(|&side| rules.allows(side))?;
        let cell = symbol * signals.bars + bar;
        let entry_price = bars.open[bar + 1];
        let distance = |bps: f64, multiple: f64| {
            if bps.is_nan() { multiple * atr[cell] } else { entry_price * bps / BPS }
        };
        let stop = distance(signals.stop_bps[cell], rules.stop_atr);
        let take = distance(signals.take_bps[cell], rules.take_atr);
        let size = if signals.size[cell].is_nan() { rules.notional } else { signals.size[cell] };
        // Without two distances above 0 there is no trade; NaN fails the comparison too.
        (stop > 0.0 && take > 0.0).then(|| Position::enter(&bars, bar, side, stop, take, size, atr[cell]))
    };
    for bar in window.clone() {
        if bar > window.start {
            let signal = signals.at(symbol, bar - 1);
            match open {
                None => open = signal.and_then(|_| entry(bar - 1)),
                Some(position) => {
                    let reversal = signal == Some(position.side.opposite());
                    if let Some(exit) = position.exit_at_open(&bars, bar, reversal, rules.max_hold) {
                        trades.push(position.close(symbol, exit, &bars, &costs));
                        open = if reversal { entry(bar - 1) } else { None };
                    }
                }
            }
        }
        if let Some(position) = open {
            let last = bar + 1 == window.end;
            let at_close = Exit { bar, price: bars.close[bar], reason: ExitReason::EndOfData };
            let exit = position.exit_within(&bars, bar, rules).or(last.then_some(at_close));
            if let Some(exit) = exit {
                trades.push(position.close(symbol, exit, &bars, &costs));
                open = None;
            }
        }
    }
    trades
}
