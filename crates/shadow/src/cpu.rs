//! The trade simulation on the CPU: symbols in parallel, each symbol bar by bar.

use std::ops::Range;

use rayon::prelude::*;

use super::{Bars, CoinCosts, Exit, ExitReason, Position, Rules, Side, Signals, Trade};
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
    in_windows((panel, signals, atr), windows, rules, simulate_window)
}

/// The trades that `trades_of` finds in each window of each symbol, ordered by entry time, then symbol.
pub(super) fn in_windows(
    (panel, signals, atr): (&Panel, &Signals, &[f64]),
    windows: &[Vec<Range<usize>>],
    rules: &Rules,
    trades_of: impl Fn(&Market<'_>, Range<usize>) -> Vec<Trade> + Sync,
) -> Vec<Trade> {
    assert_eq!(signals.bars, panel.bars, "the signals must have the panel's bars");
    let mut trades: Vec<Trade> = (0..panel.symbols.len())
        .into_par_iter()
        .flat_map_iter(|symbol| {
            let (market, trades_of) = (Market::of(panel, signals, atr, symbol, rules), &trades_of);
            windows[symbol].iter().flat_map(move |window| trades_of(&market, window.clone()))
        })
        .collect();
    trades.sort_by_key(|trade| (trade.entry_bar, trade.symbol));
    trades
}

/// One symbol's bars and signals, under the rules of the trades.
pub(super) struct Market<'a> {
    pub symbol: usize,
    pub bars: Bars<'a>,
    pub rules: &'a Rules,
    costs: CoinCosts<'a>,
    signals: &'a Signals,
    atr: &'a [f64],
}

impl<'a> Market<'a> {
    pub fn of(panel: &'a Panel, signals: &'a Signals, atr: &'a [f64], symbol: usize, rules: &'a Rules) -> Self {
        Self { symbol, bars: Bars::of(panel, symbol), rules, costs: CoinCosts::of(panel, symbol, rules), signals, atr }
    }

    /// The side signalled at the close of `bar`.
    pub fn signal(&self, bar: usize) -> Option<Side> {
        self.signals.at(self.symbol, bar)
    }

    /// The entry at the next open, for a signal at the close of `bar`; `None` without a signal, or without distances.
    pub fn enter(&self, bar: usize) -> Option<Position> {
        let (signals, rules) = (self.signals, self.rules);
        let side = self.signal(bar).filter(|&side| rules.allows(side))?;
        let cell = self.symbol * signals.bars + bar;
        let entry_price = self.bars.open[bar + 1];
        let distance = |bps: f64, multiple: f64| {
            if bps.is_nan() { multiple * self.atr[cell] } else { entry_price * bps / BPS }
        };
        let stop = distance(signals.stop_bps[cell], rules.stop_atr);
        let take = distance(signals.take_bps[cell], rules.take_atr);
        let size = if signals.size[cell].is_nan() { rules.notional } else { signals.size[cell] };
        // Without two distances above 0 there is no trade; NaN fails the comparison too.
        (stop > 0.0 && take > 0.0).then(|| Position::enter(&self.bars, bar, side, stop, take, size, self.atr[cell]))
    }

    /// Whether a signal at the close before `bar` reverses the position.
    pub fn reverses(&self, position: &Position, bar: usize) -> bool {
        self.signal(bar - 1) == Some(position.side.opposite())
    }

    /// The exit of an open position within `bar`, or at its close if it is the last one.
    pub fn exit_in(&self, position: &Position, bar: usize, last: bool) -> Option<Exit> {
        let at_close = Exit { bar, price: self.bars.close[bar], reason: ExitReason::EndOfData };
        position.exit_within(&self.bars, bar, self.rules).or(last.then_some(at_close))
    }

    /// The finished trade.
    pub fn close(&self, position: &Position, exit: Exit) -> Trade {
        position.close(self.symbol, exit, &self.bars, &self.costs)
    }
}

/// The trades of one symbol within one window, in their order.
fn simulate_window(market: &Market<'_>, window: Range<usize>) -> Vec<Trade> {
    let mut trades = Vec::new();
    let mut open: Option<Position> = None;
    for bar in window.clone() {
        if bar > window.start {
            match open {
                None => open = market.enter(bar - 1),
                Some(position) => {
                    let reversal = market.reverses(&position, bar);
                    if let Some(exit) = position.exit_at_open(&market.bars, bar, reversal, market.rules.max_hold) {
                        trades.push(market.close(&position, exit));
                        open = if reversal { market.enter(bar - 1) } else { None };
                    }
                }
            }
        }
        if let Some(position) = open
            && let Some(exit) = market.exit_in(&position, bar, bar + 1 == window.end)
        {
            trades.push(market.close(&position, exit));
            open = None;
        }
    }
    trades
}
