//! The result of a trade of a sweep, for any end that it may have.

use std::ops::Range;

use super::parts::to_parts;
use crate::rules::gross_bps;
use crate::{Bars, CoinCosts, Side};

/// Result of a trade, in units of 1/[`PARTS_PER_BP`](super::PARTS_PER_BP) basis points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Outcome {
    pub net: i32,
    pub gross: i32,
}

/// One symbol's bars within a window, and what a fill in each costs.
pub(super) struct Market<'a> {
    pub bars: Bars<'a>,
    pub count: usize,
    pub root_of_share: &'a [f64],
    pub costs: CoinCosts<'a>,
}

/// What the result of a trade depends on besides its end.
#[derive(Clone, Copy)]
pub(super) struct Entered {
    pub side: Side,
    /// Bar of the entry.
    pub bar: usize,
    pub factor_bps: f64,
}

impl Market<'_> {
    /// The result of a trade that ends in `bar` at `price`, in the order of operations of [`Position::close`](crate::Position::close).
    pub fn outcome(&self, entered: Entered, bar: usize, price: f64) -> Outcome {
        let Entered { side, bar: entry, factor_bps } = entered;
        let entry_price = self.bars.open[entry];
        let gross_bps = gross_bps(side, entry_price, price);
        let slippage = |bar: usize| self.costs.capped(factor_bps, self.root_of_share[bar]);
        let net_bps = gross_bps
            - self.costs.fees_bps()
            - self.costs.spreads_bps(entry_price, price)
            - (slippage(entry) + slippage(bar))
            - self.costs.holding_bps(side, entry, bar);
        Outcome { net: to_parts(net_bps), gross: to_parts(gross_bps) }
    }
}

impl<'a> Bars<'a> {
    pub(super) fn within(self, window: Range<usize>) -> Self {
        let cut = |column: &'a [f64]| &column[window.clone()];
        Self {
            open: cut(self.open),
            high: cut(self.high),
            low: cut(self.low),
            close: cut(self.close),
            volume: cut(self.volume),
        }
    }
}
