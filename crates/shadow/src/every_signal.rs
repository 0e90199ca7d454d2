//! The trade of every signal, each on its own: what an account is offered. On every device this is done by the host.

use std::ops::Range;

use super::cpu::{Market, in_windows};
use super::{Rules, Signals, Trade};
use huracan_bars::Panel;

/// The trade of every signal within `windows`, as if no other position of its symbol had ever been open: entered at the
/// open after the signal, with barriers of its own, and exited by the rules of [`simulate`](super::simulate). A later
/// signal on the other side ends it, one on its own side does not. A signal at the last bar of a window has no trade.
///
/// Arguments and order are those of [`simulate`](super::simulate). Its trades are among these: those whose signal found
/// no position open in its symbol, or one to reverse. There is at most one trade per symbol and signal bar.
///
/// # Panics
/// As [`simulate`](super::simulate).
pub fn every_signal(
    panel: &Panel,
    signals: &Signals,
    atr: &[f64],
    windows: &[Vec<Range<usize>>],
    rules: &Rules,
) -> Vec<Trade> {
    in_windows((panel, signals, atr), windows, rules, trades_of_window)
}

/// The trades of one symbol's signals within one window, in the order of the signals.
fn trades_of_window(market: &Market<'_>, window: Range<usize>) -> Vec<Trade> {
    let before_last = window.start..window.end.saturating_sub(1);
    before_last.filter_map(|bar| trade_of_signal(market, bar, window.end)).collect()
}

/// The trade of the signal at the close of `signal_bar`, in a window that ends before bar `end`.
fn trade_of_signal(market: &Market<'_>, signal_bar: usize, end: usize) -> Option<Trade> {
    let position = market.enter(signal_bar)?;
    (position.entry_bar..end).find_map(|bar| {
        let at_open = if bar > position.entry_bar {
            position.exit_at_open(&market.bars, bar, market.reverses(&position, bar), market.rules.max_hold)
        } else {
            None
        };
        let exit = at_open.or_else(|| market.exit_in(&position, bar, bar + 1 == end))?;
        Some(market.close(&position, exit))
    })
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "windows are ranges")]
mod tests {
    use super::*;
    use crate::{ExitReason, Side, simulate};
    use huracan_bars::{Candles, HOUR_MS, Timeframe};
    use huracan_base::arith::{draw, uniform};

    fn rules(max_hold: usize) -> Rules {
        Rules {
            shorts: true,
            stop_atr: 1.5,
            take_atr: 2.5,
            max_hold,
            fee_bps: 4.0,
            spread_bps: 2.0,
            ..Rules::default()
        }
    }

    fn panel(symbols: usize, prices: impl Fn(usize, usize) -> [f64; 4], bars: usize) -> Panel {
        let candles = |symbol: usize| {
            let mut candles = Candles::default();
            (0..bars).for_each(|bar| candles.push(bar as i64 * HOUR_MS, prices(symbol, bar), 1e6));
            (format!("{symbol:02}-USD"), candles)
        };
        Panel::new((0..symbols).map(candles).collect(), Timeframe::H1, 1, false).unwrap()
    }

    /// Signals of one symbol, `(bar, side)`, with barriers that are 1 % away.
    fn signals(bars: usize, given: &[(usize, i8)]) -> Signals {
        let mut signals = Signals::none(1, bars);
        for &(bar, side) in given {
            (signals.side[bar], signals.stop_bps[bar], signals.take_bps[bar]) = (side, 100.0, 100.0);
        }
        signals
    }

    /// Signal bar, side, exit bar and reason of each trade of one flat symbol.
    fn exits(bars: usize, given: &[(usize, i8)], max_hold: usize) -> Vec<(usize, Side, usize, ExitReason)> {
        let panel = panel(1, |_, _| [100.0; 4], bars);
        let windows = [vec![0..bars]];
        let trades = every_signal(&panel, &signals(bars, given), &vec![f64::NAN; bars], &windows, &rules(max_hold));
        trades.iter().map(|t| (t.signal_bar, t.side, t.exit_bar, t.exit_reason)).collect()
    }

    #[test]
    fn every_signal_has_a_trade_and_only_an_opposite_one_ends_it_early() {
        use ExitReason::{EndOfData, SignalReversal, Time};
        let (long, short) = (Side::Long, Side::Short);
        // Two buys, a sale, a buy, and a signal on the last bar: both buys end at the sale, the sale at the buy.
        assert_eq!(
            exits(20, &[(1, 1), (3, 1), (6, -1), (8, 1), (19, 1)], 50),
            [
                (1, long, 7, SignalReversal),
                (3, long, 7, SignalReversal),
                (6, short, 9, SignalReversal),
                (8, long, 19, EndOfData)
            ]
        );
        // Each is held for three bars of its own, counted from its own entry.
        assert_eq!(exits(20, &[(1, 1), (3, 1)], 3), [(1, long, 5, Time), (3, long, 7, Time)]);
    }

    #[test]
    fn a_trade_has_the_barriers_of_its_own_entry() {
        // The price rises by 0.4 a bar: the first trade's target, 101, is reached before that of the second.
        let price = |bar: usize| 100.0 + 0.4 * bar as f64;
        let panel = panel(1, |_, bar| [price(bar), price(bar) + 0.1, price(bar) - 0.1, price(bar)], 20);
        let signals = signals(20, &[(0, 1), (2, 1)]);
        let trades = every_signal(&panel, &signals, &[f64::NAN; 20], &[vec![0..20]], &rules(50));
        let targets: Vec<f64> = trades.iter().map(|trade| trade.take_price).collect();
        assert_eq!(targets, [price(1) + price(1) * 100.0 / 10_000.0, price(3) + price(3) * 100.0 / 10_000.0]);
        assert!(trades[0].exit_bar < trades[1].exit_bar);
        assert!(trades.iter().all(|trade| trade.exit_reason == ExitReason::TakeProfit));
    }

    #[test]
    fn windows_of_one_bar_or_none_and_signals_without_distances_have_no_trades() {
        let panel = panel(1, |_, _| [100.0; 4], 4);
        let mut signals = signals(4, &[(0, 1), (1, 1)]);
        let of = |signals: &Signals, windows: Vec<Range<usize>>| {
            every_signal(&panel, signals, &[f64::NAN; 4], &[windows], &rules(9)).len()
        };
        assert_eq!((of(&signals, vec![0..1, 1..1]), of(&signals, vec![]), of(&signals, vec![0..4])), (0, 0, 2));
        signals.stop_bps[0] = f64::NAN;
        assert_eq!(of(&signals, vec![0..4]), 1);
    }

    /// What an account takes of the trades that takes whatever it can and holds one position per symbol.
    fn one_position_each(trades: &[Trade], symbols: usize) -> Vec<Trade> {
        let mut last: Vec<Option<Trade>> = vec![None; symbols];
        let mut taken = Vec::new();
        for trade in trades {
            let is_free = last[trade.symbol].is_none_or(|open| {
                // A position that was open when the signal came takes the symbol, unless the signal reverses it.
                let at_this_open = open.exit_bar == trade.entry_bar
                    && open.exit_bar > open.entry_bar
                    && open.exit_reason == ExitReason::SignalReversal;
                open.exit_bar < trade.entry_bar || at_this_open
            });
            if is_free {
                last[trade.symbol] = Some(*trade);
                taken.push(*trade);
            }
        }
        taken
    }

    #[test]
    fn the_shadow_trades_are_those_of_the_first_signals_that_find_no_position() {
        let (symbols, bars) = (5, 300);
        let mut counts = (0, 0);
        for seed in 0..30 {
            let random =
                |stream: u64, symbol: usize, bar: usize| uniform(draw(seed, stream, (symbol * 1000 + bar) as u64));
            let prices = |symbol: usize, bar: usize| {
                let open = 100.0 * (0.99 + 0.02 * random(1, symbol, bar));
                let close = open * (0.995 + 0.01 * random(2, symbol, bar));
                [open, open.max(close) * (1.0 + 0.005 * random(3, symbol, bar)), open.min(close) * 0.998, close]
            };
            let panel = panel(symbols, prices, bars);
            let mut signals = Signals::none(symbols, bars);
            let density = 0.02 + 0.6 * random(4, 0, 0);
            for cell in 0..symbols * bars {
                let (symbol, bar) = (cell / bars, cell % bars);
                if random(5, symbol, bar) < density {
                    signals.side[cell] = if random(6, symbol, bar) < 0.2 { -1 } else { 1 };
                }
            }
            // Some bars have no ATR, so that a signal may reverse a position and enter none.
            let atr: Vec<f64> =
                (0..symbols * bars).map(|at| if random(7, 0, at) < 0.1 { f64::NAN } else { 1.0 }).collect();
            let windows = vec![vec![3..120, 120..121, 130..bars]; symbols];
            let rules = rules(1 + (seed % 15) as usize);
            let every = every_signal(&panel, &signals, &atr, &windows, &rules);
            let shadow = simulate(&panel, &signals, &atr, &windows, &rules);
            assert_eq!(one_position_each(&every, symbols), shadow, "seed {seed}");
            counts = (counts.0 + every.len(), counts.1 + shadow.len());
        }
        assert!(counts.1 > 1000 && 2 * counts.0 > 3 * counts.1, "{counts:?}");
    }
}
