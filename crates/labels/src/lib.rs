//! Triple-barrier labels: the outcome of the unit trade entered after each bar (docs/contract.md, section 4).

pub mod device;
mod uniqueness;

pub use uniqueness::uniqueness;

use rayon::prelude::*;

use huracan_bars::Panel;
use huracan_shadow::{Bars, CoinCosts, ExitReason, Position, Rules, Side};

/// Outcome of the unit trade of each symbol, bar and side, `[symbols × bars × 2]` row-major: long, then short.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    /// Bars of the panel's grid.
    pub bars: usize,
    /// Result net of all costs, basis points; NaN where there is no label.
    pub return_bps: Vec<f64>,
    /// Bar of the exit; undefined where there is no label.
    pub exit_bar: Vec<u32>,
    /// Reason of the exit; undefined where there is no label.
    pub exit_reason: Vec<ExitReason>,
}

/// One label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    /// Result net of all costs, basis points.
    pub return_bps: f64,
    /// Bar of the exit.
    pub exit_bar: usize,
    /// Reason of the exit.
    pub exit_reason: ExitReason,
}

impl Labels {
    /// The label of a bar and side. `None` at a bar without ATR, and where the trade was still open at the end of the
    /// data.
    ///
    /// # Panics
    /// Where there is no such symbol or bar.
    pub fn get(&self, symbol: usize, bar: usize, side: Side) -> Option<Label> {
        let cell = (symbol * self.bars + bar) * 2 + usize::from(side == Side::Short);
        let return_bps = self.return_bps[cell];
        (!return_bps.is_nan()).then(|| Label {
            return_bps,
            exit_bar: self.exit_bar[cell] as usize,
            exit_reason: self.exit_reason[cell],
        })
    }
}

/// Labels every bar of every symbol on both sides. `atr` is ATR(14) in price units, `[symbols × bars]`.
///
/// # Panics
/// Where `atr` does not have the panel's symbols and bars.
pub fn compute(panel: &Panel, atr: &[f64], rules: &Rules) -> Labels {
    let bars = panel.bars;
    let cells = panel.symbols.len() * bars * 2;
    let mut labels = Labels {
        bars,
        return_bps: vec![f64::NAN; cells],
        exit_bar: vec![0; cells],
        exit_reason: vec![ExitReason::EndOfData; cells],
    };
    let width = (bars * 2).max(1);
    labels
        .return_bps
        .par_chunks_mut(width)
        .zip(labels.exit_bar.par_chunks_mut(width))
        .zip(labels.exit_reason.par_chunks_mut(width))
        .enumerate()
        .for_each(|(symbol, ((returns, exits), reasons))| {
            let (own, atr) = (Bars::of(panel, symbol), panel.row(atr, symbol));
            let costs = CoinCosts::of(panel, symbol, rules);
            let range = panel.ranges[symbol].clone();
            for bar in range.clone() {
                for (s, side) in [Side::Long, Side::Short].into_iter().enumerate() {
                    if let Some(label) = unit_trade(&own, symbol, bar, range.end, side, atr[bar], &costs) {
                        returns[bar * 2 + s] = label.return_bps;
                        exits[bar * 2 + s] = label.exit_bar as u32;
                        reasons[bar * 2 + s] = label.exit_reason;
                    }
                }
            }
        });
    labels
}

/// The trade entered after `bar`; `None` if it cannot be entered, or is still open at bar `end`.
fn unit_trade(
    bars: &Bars<'_>,
    symbol: usize,
    bar: usize,
    end: usize,
    side: Side,
    atr: f64,
    costs: &CoinCosts<'_>,
) -> Option<Label> {
    let rules = costs.rules();
    let (stop, take) = (rules.stop_atr * atr, rules.take_atr * atr);
    if !(stop > 0.0 && take > 0.0) || bar + 1 >= end {
        return None;
    }
    let position = Position::enter(bars, bar, side, stop, take, rules.notional, atr);
    let mut at = position.entry_bar;
    let exit = loop {
        if at >= end {
            return None;
        }
        let at_open =
            if at > position.entry_bar { position.exit_at_open(bars, at, false, rules.max_hold) } else { None };
        if let Some(exit) = at_open.or_else(|| position.exit_within(bars, at, rules)) {
            break exit;
        }
        at += 1;
    };
    let trade = position.close(symbol, exit, bars, costs);
    Some(Label { return_bps: trade.net_bps, exit_bar: exit.bar, exit_reason: exit.reason })
}
