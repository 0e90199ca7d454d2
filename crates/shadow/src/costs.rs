//! What trades cost in each symbol's own market.

use std::ops::Range;

use super::{Rules, Side, SlippageRule, Trade};
use huracan_bars::Panel;
use huracan_base::units::BPS;

/// Costs of one symbol's trades: the rules, and what the symbol's market changes about them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoinCosts<'a> {
    /// The rules of all symbols.
    pub(super) rules: &'a Rules,
    /// Fee each way, basis points.
    pub(super) fee_bps: f64,
    /// Spread where a tick is not wider, basis points.
    pub(super) spread_bps: f64,
    /// Smallest step of the price, quote currency; 0 if it is not known.
    pub(super) tick: f64,
    /// Sum of the funding rates up to each bar's open, basis points, NaN where they are not known; empty without a
    /// history that counts.
    pub(super) funding_bps: &'a [f64],
}

impl<'a> CoinCosts<'a> {
    /// The costs of one symbol of a panel.
    ///
    /// # Panics
    /// Where the panel has no such symbol.
    pub fn of(panel: &'a Panel, symbol: usize, rules: &'a Rules) -> Self {
        let terms = panel.terms[symbol].plausible();
        let quoted_bps = terms.spread_bps.unwrap_or(0.0);
        Self {
            rules,
            fee_bps: terms.taker_fee_bps.filter(|_| rules.exchange_fees).unwrap_or(rules.fee_bps),
            spread_bps: if quoted_bps > rules.spread_bps { quoted_bps } else { rules.spread_bps },
            tick: terms.tick.unwrap_or(0.0),
            funding_bps: if rules.pays_known_funding { &panel.funding_bps[symbol] } else { &[] },
        }
    }

    /// The same for bars that are counted from the start of a window.
    pub(super) fn within(self, window: Range<usize>) -> Self {
        let funding_bps = if self.funding_bps.is_empty() { &[] } else { &self.funding_bps[window] };
        Self { funding_bps, ..self }
    }

    /// What a trade realised of the edge that was predicted for it, basis points: its result before costs, less the funding
    /// that is known. An edge is half the difference of what both sides earn net: costs that are the same on both sides cancel
    /// from it, known funding does not.
    ///
    /// # Panics
    /// Where the panel of these costs has no such bars.
    pub fn realised_bps(&self, trade: &Trade) -> f64 {
        trade.gross_bps - self.known_funding_bps(trade.side, trade.entry_bar, trade.exit_bar).unwrap_or(0.0)
    }

    /// The rules of all symbols.
    pub fn rules(&self) -> &'a Rules {
        self.rules
    }

    /// Fee one way, basis points.
    pub fn fee_bps(&self) -> f64 {
        self.fee_bps
    }

    /// Fees of a trade: each way once.
    #[inline(always)]
    pub(super) fn fees_bps(&self) -> f64 {
        2.0 * self.fee_bps
    }

    /// The whole spread at this price, basis points: the largest of the setting, the quoted spread and one tick.
    #[inline(always)]
    pub fn spread_bps(&self, price: f64) -> f64 {
        let tick_bps = self.tick / price * BPS;
        if tick_bps > self.spread_bps { tick_bps } else { self.spread_bps }
    }

    /// Spread of a trade: half of it each way, at the price there.
    #[inline(always)]
    pub(super) fn spreads_bps(&self, entry_price: f64, exit_price: f64) -> f64 {
        0.5 * self.spread_bps(entry_price) + 0.5 * self.spread_bps(exit_price)
    }

    /// Slippage one way where the notional equals the value traded in the bar, basis points: a multiple of the volatility
    /// at the signal, or `slippage_k` where that does not count or is NaN.
    #[inline(always)]
    pub fn slippage_factor_bps(&self, volatility_bps: f64) -> f64 {
        let factor = self.rules.slippage_atr * volatility_bps;
        if self.rules.slippage == SlippageRule::Volatility && !factor.is_nan() { factor } else { self.rules.slippage_k }
    }

    /// Slippage one way, basis points: factor · √(notional / value traded in the bar), at most the cap. In a bar without
    /// volume it is the cap.
    pub fn slippage_bps(&self, factor_bps: f64, notional: f64, close: f64, volume: f64) -> f64 {
        self.capped(factor_bps, root_of_share(notional, close, volume))
    }

    /// [`Self::slippage_bps`] for a bar's [`root_of_share`].
    #[inline(always)]
    pub(super) fn capped(&self, factor_bps: f64, root_of_share: f64) -> f64 {
        let slippage = factor_bps * root_of_share;
        // NaN, as in a bar without volume, is the cap too.
        if slippage <= self.rules.slippage_cap_bps { slippage } else { self.rules.slippage_cap_bps }
    }

    /// What holding a position costs from the open of its entry bar to that of `exit_bar`, basis points: the funding that
    /// was paid (below 0 if it was received) where its history is known; otherwise flat funding by the bar, and for a
    /// short what borrowing the coins costs.
    ///
    /// # Panics
    /// Where there are no such bars, or the exit is before the entry.
    #[inline(always)]
    pub fn holding_bps(&self, side: Side, entry_bar: usize, exit_bar: usize) -> f64 {
        match self.known_funding_bps(side, entry_bar, exit_bar) {
            Some(paid) => paid,
            None => self.flat_holding_bps(side, exit_bar - entry_bar),
        }
    }

    /// The funding that a position paid from the open of its entry bar to that of `exit_bar`, basis points, below 0 if it was
    /// received; `None` where the history does not cover both opens.
    ///
    /// # Panics
    /// Where there are no such bars.
    #[inline(always)]
    pub fn known_funding_bps(&self, side: Side, entry_bar: usize, exit_bar: usize) -> Option<f64> {
        if self.funding_bps.is_empty() {
            return None;
        }
        let (before, after) = (self.funding_bps[entry_bar], self.funding_bps[exit_bar]);
        let paid = match side {
            Side::Long => after - before,
            Side::Short => before - after,
        };
        (!paid.is_nan()).then_some(paid)
    }

    /// What holding a position for so many bars costs where no history of funding is known, basis points.
    #[inline(always)]
    pub fn flat_holding_bps(&self, side: Side, bars: usize) -> f64 {
        let per_bar = match side {
            Side::Long => self.rules.funding_bps_per_bar,
            Side::Short => self.rules.funding_bps_per_bar + self.rules.borrow_bps_per_bar,
        };
        per_bar * bars as f64
    }
}

/// √(notional / value traded in a bar); NaN in a bar without volume.
#[inline(always)]
pub(super) fn root_of_share(notional: f64, close: f64, volume: f64) -> f64 {
    let value = close * volume;
    if value <= 0.0 { f64::NAN } else { (notional / value).sqrt() }
}
