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
    /// What the results of shorts include for borrowed coins, basis points per bar held.
    pub borrow_bps_per_bar: f64,
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
    /// The labels of some symbols, as if there were no others.
    ///
    /// # Panics
    /// Where there is no such symbol.
    pub fn of_symbols(&self, symbols: std::ops::Range<usize>) -> Self {
        let cells = symbols.start * self.bars * 2..symbols.end * self.bars * 2;
        Self {
            bars: self.bars,
            return_bps: self.return_bps[cells.clone()].to_vec(),
            exit_bar: self.exit_bar[cells.clone()].to_vec(),
            exit_reason: self.exit_reason[cells].to_vec(),
            borrow_bps_per_bar: self.borrow_bps_per_bar,
        }
    }

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

    /// The edge of a bar's direction before costs, basis points: half the difference between what a long and a short trade
    /// earn, from which costs of both sides cancel. Borrowing is left out, because only the short pays it and it says nothing
    /// of the direction. `None` where either side has no label.
    ///
    /// # Panics
    /// Where there is no such symbol or bar.
    pub fn edge_bps(&self, symbol: usize, bar: usize) -> Option<f64> {
        let (long, short) = (self.get(symbol, bar, Side::Long)?, self.get(symbol, bar, Side::Short)?);
        Some(edge_of(&long, &short, bar, self.borrow_bps_per_bar))
    }
}

/// The edge of a bar's direction from what became of both sides' trades.
fn edge_of(long: &Label, short: &Label, bar: usize, borrow_bps_per_bar: f64) -> f64 {
    let borrowed_bps = borrow_bps_per_bar * short.exit_bar.saturating_sub(bar + 1) as f64;
    (long.return_bps - (short.return_bps + borrowed_bps)) / 2.0
}

/// [`Labels::edge_bps`] of one bar, without those of all others. `atr` is the bar's ATR(14) in price units.
///
/// # Panics
/// Where there is no such symbol or bar.
pub fn edge_bps(panel: &Panel, symbol: usize, bar: usize, atr: f64, rules: &Rules) -> Option<f64> {
    let (own, costs) = (Bars::of(panel, symbol), CoinCosts::of(panel, symbol, rules));
    let range = &panel.ranges[symbol];
    if !range.contains(&bar) {
        return None;
    }
    let label =
        |side| unit_trade(&own, symbol, bar, range.end, side, atr, &costs).filter(|own| !own.return_bps.is_nan());
    Some(edge_of(&label(Side::Long)?, &label(Side::Short)?, bar, rules.borrow_bps_per_bar))
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
        borrow_bps_per_bar: rules.borrow_bps_per_bar,
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

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_bars::{Candles, HOUR_MS, Timeframe};

    const BARS: usize = 12;

    /// Flat bars: both sides leave at the open after three bars.
    fn labelled(rules: Rules) -> Labels {
        let mut candles = Candles::default();
        (0..BARS as i64).for_each(|bar| candles.push(bar * HOUR_MS, [100.0; 4], 1e6));
        let panel = Panel::new(vec![("A-X".to_owned(), candles)], Timeframe::H1, 1, false).unwrap();
        compute(&panel, &[1.0; BARS], &Rules { max_hold: 3, shorts: true, ..rules })
    }

    #[test]
    fn borrowing_is_paid_by_the_short_and_is_not_part_of_the_edge() {
        let free = labelled(Rules::default());
        let borrowed = labelled(Rules { borrow_bps_per_bar: 2.0, ..Rules::default() });
        let result = |labels: &Labels, side| labels.get(0, 4, side).unwrap().return_bps;
        assert_eq!(result(&borrowed, Side::Long), result(&free, Side::Long));
        assert!((result(&borrowed, Side::Short) - (result(&free, Side::Short) - 6.0)).abs() < 1e-9);
        // The price does not move: neither side is right, whatever coins cost to borrow.
        assert!(free.edge_bps(0, 4).unwrap().abs() < 1e-9);
        assert!(borrowed.edge_bps(0, 4).unwrap().abs() < 1e-9);
        assert_eq!(borrowed.edge_bps(0, BARS - 1), None);
    }

    #[test]
    fn the_edge_of_one_bar_is_that_of_the_labels() {
        let mut candles = Candles::default();
        for bar in 0..60_i64 {
            let price = 100.0 + f64::from((bar * 37 % 23) as i32) / 4.0;
            candles.push(bar * HOUR_MS, [price, price + 1.0, price - 1.0, price + 0.5], 1e3);
        }
        let panel = Panel::new(vec![("A-X".to_owned(), candles)], Timeframe::H1, 1, false).unwrap();
        let mut atr = [1.5; 60];
        atr[7] = f64::NAN;
        let rules = Rules { max_hold: 5, shorts: true, borrow_bps_per_bar: 0.3, ..Rules::default() };
        let labels = compute(&panel, &atr, &rules);
        for (bar, atr) in atr.into_iter().enumerate() {
            assert_eq!(edge_bps(&panel, 0, bar, atr, &rules), labels.edge_bps(0, bar), "{bar}");
        }
    }

    #[test]
    fn flat_funding_cancels_from_the_edge() {
        let funded = labelled(Rules { funding_bps_per_bar: 2.0, ..Rules::default() });
        assert!(funded.edge_bps(0, 4).unwrap().abs() < 1e-9);
    }
}
