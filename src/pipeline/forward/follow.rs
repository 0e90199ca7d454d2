//! How the trades of the forward record end.

use std::collections::BTreeMap;

use crate::bars::Panel;
use crate::brain::{ForwardRow, time_of_ms};
use crate::shadow::{CoinCosts, ExitReason, Rules, Side, Signals, Trade, every_signal};

/// Where trades are followed.
pub struct Market<'a> {
    pub panel: &'a Panel,
    /// ATR(14) in price units, `[symbols × bars]`.
    pub atr: &'a [f64],
    pub rules: &'a Rules,
}

/// Rows after their trades were followed.
#[derive(Debug, Default)]
pub struct Followed {
    /// Rows whose signal is in the panel, with their outcome where the trade has ended.
    pub placed: Vec<ForwardRow>,
    /// The others, as they were.
    pub elsewhere: Vec<ForwardRow>,
}

/// The cell of the panel in which a row's signal is.
pub fn place(panel: &Panel, row: &ForwardRow) -> Option<usize> {
    let symbol = panel.symbols.iter().position(|symbol| *symbol == row.symbol)?;
    let bar = panel.bar_at(row.signal_timestamp.timestamp_millis())?;
    panel.ranges[symbol].contains(&bar).then_some(symbol * panel.bars + bar)
}

/// Follows the trades of `rows`. A later signal on the other side ends a trade; at the cells `ends` something else ends longs. A
/// trade that the data leave open has no outcome, unless `is_overdue`: then it is closed at the last price.
pub fn follow(
    market: &Market<'_>,
    rows: Vec<ForwardRow>,
    ends: &[usize],
    is_overdue: impl Fn(&ForwardRow) -> bool,
) -> Followed {
    let mut followed = Followed::default();
    let mut cells: Vec<(usize, ForwardRow)> = Vec::new();
    for row in rows {
        match place(market.panel, &row) {
            Some(cell) => cells.push((cell, row)),
            None => followed.elsewhere.push(row),
        }
    }
    // Models of two folders may be on opposite sides at one bar, so each side is followed by itself.
    let by_side = [Side::Long, Side::Short].map(|side| trades(market, &cells, ends, side));
    for (cell, row) in cells {
        let trade = by_side[usize::from(row.direction == Side::Short)].get(&cell);
        let ended = trade.filter(|trade| trade.exit_reason != ExitReason::EndOfData || is_overdue(&row));
        followed.placed.push(match ended {
            Some(trade) => ForwardRow {
                exit_timestamp: Some(time_of_ms(market.panel.time_ms(trade.exit_bar))),
                exit_reason: Some(trade.exit_reason),
                gross_bps: Some(trade.gross_bps),
                net_bps: Some(trade.net_bps),
                realised_bps: Some(CoinCosts::of(market.panel, trade.symbol, market.rules).realised_bps(trade)),
                ..row
            },
            None => row,
        });
    }
    followed
}

/// The trades of the signals on one side, by cell.
fn trades(market: &Market<'_>, cells: &[(usize, ForwardRow)], ends: &[usize], side: Side) -> BTreeMap<usize, Trade> {
    let panel = market.panel;
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    ends.iter().for_each(|&cell| signals.side[cell] = -1);
    for of in [side.opposite(), side] {
        let own = cells.iter().filter(|(_, row)| row.direction == of);
        own.for_each(|(cell, _)| signals.side[*cell] = of.sign() as i8);
    }
    let windows: Vec<_> = panel.ranges.iter().map(|range| vec![range.clone()]).collect();
    let all = every_signal(panel, &signals, market.atr, &windows, market.rules).into_iter();
    all.filter(|trade| trade.side == side).map(|trade| (trade.symbol * panel.bars + trade.signal_bar, trade)).collect()
}
