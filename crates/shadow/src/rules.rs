//! The trade rules: how positions are entered and exited, and what they cost.

use super::{BarrierParams, CostParams, ExitReason, MarketType, Side, Trade};
use huracan_bars::{HOUR_MS, Panel, Timeframe};
use huracan_base::units::BPS;

/// Barriers and costs of every trade.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Stop distance in multiples of `atr_14` at the signal, for signals without a distance of their own.
    pub stop_atr: f64,
    /// Take-profit distance in multiples of `atr_14` at the signal, for signals without a distance of their own.
    pub take_atr: f64,
    /// Bars after which a trade is closed at the open.
    pub max_hold: usize,
    /// Fee each way, basis points.
    pub fee_bps: f64,
    /// Whole spread, basis points; half is paid each way.
    pub spread_bps: f64,
    /// Slippage each way where the notional equals the value traded in the bar, basis points.
    pub slippage_k: f64,
    /// Largest slippage each way, basis points.
    pub slippage_cap_bps: f64,
    /// Funding per bar held, basis points; 0 on spot markets.
    pub funding_bps_per_bar: f64,
    /// Size of trades whose signals have none of their own, quote currency.
    pub notional: f64,
}

impl Rules {
    /// The rules for these parameters, market and timeframe.
    pub fn new(barriers: &BarrierParams, costs: &CostParams, market: MarketType, timeframe: Timeframe) -> Self {
        let funding = match market {
            MarketType::Spot => 0.0,
            MarketType::Perp => costs.funding_bps_per_8h * timeframe.ms() as f64 / (8 * HOUR_MS) as f64,
        };
        Self {
            stop_atr: barriers.stop_atr,
            take_atr: barriers.take_atr,
            max_hold: barriers.max_hold as usize,
            fee_bps: costs.fee_bps,
            spread_bps: costs.spread_bps,
            slippage_k: costs.slippage_k,
            slippage_cap_bps: costs.slippage_cap_bps,
            funding_bps_per_bar: funding,
            notional: costs.notional,
        }
    }

    /// Slippage one way, basis points: k·√(notional / value traded in the bar), at most the cap. In a bar without
    /// volume it is the cap.
    pub fn slippage_bps(&self, notional: f64, close: f64, volume: f64) -> f64 {
        let value = close * volume;
        if value <= 0.0 {
            return self.slippage_cap_bps;
        }
        let slippage = self.slippage_k * (notional / value).sqrt();
        if slippage > self.slippage_cap_bps { self.slippage_cap_bps } else { slippage }
    }

    /// Fees of a trade: each way once.
    #[inline(always)]
    fn fees_bps(&self) -> f64 {
        2.0 * self.fee_bps
    }

    #[inline(always)]
    fn funding_bps(&self, hold_bars: usize) -> f64 {
        self.funding_bps_per_bar * hold_bars as f64
    }

    /// The net result: gross result less fees and slippage both ways, spread, and funding.
    #[inline(always)]
    pub(super) fn net_bps(&self, gross_bps: f64, slippage_bps: f64, hold_bars: usize) -> f64 {
        gross_bps - self.fees_bps() - self.spread_bps - slippage_bps - self.funding_bps(hold_bars)
    }
}

/// The gross result: side × (exit/entry − 1), basis points.
#[inline(always)]
pub(super) fn gross_bps(side: Side, entry_price: f64, exit_price: f64) -> f64 {
    side.sign() * (exit_price / entry_price - 1.0) * BPS
}

/// One symbol's bars, on the panel's grid.
#[derive(Debug, Clone, Copy)]
pub struct Bars<'a> {
    /// Opening prices.
    pub open: &'a [f64],
    /// Highest prices.
    pub high: &'a [f64],
    /// Lowest prices.
    pub low: &'a [f64],
    /// Closing prices.
    pub close: &'a [f64],
    /// Traded volume, base units.
    pub volume: &'a [f64],
}

impl<'a> Bars<'a> {
    /// The bars of one symbol of a panel.
    ///
    /// # Panics
    /// Where the panel has no such symbol.
    pub fn of(panel: &'a Panel, symbol: usize) -> Self {
        Self {
            open: panel.row(&panel.open, symbol),
            high: panel.row(&panel.high, symbol),
            low: panel.row(&panel.low, symbol),
            close: panel.row(&panel.close, symbol),
            volume: panel.row(&panel.volume, symbol),
        }
    }
}

/// An open position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// Direction.
    pub side: Side,
    /// Bar at whose close the signal came.
    pub signal_bar: usize,
    /// Bar at whose open the position was entered.
    pub entry_bar: usize,
    /// Price at the entry.
    pub entry_price: f64,
    /// Price of the stop.
    pub stop_price: f64,
    /// Price of the take-profit.
    pub take_price: f64,
    /// Notional, quote currency.
    pub size: f64,
}

/// How a position was closed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exit {
    /// Bar of the exit.
    pub bar: usize,
    /// Price of the exit.
    pub price: f64,
    /// Why it was closed.
    pub reason: ExitReason,
}

impl Position {
    /// Enters at the open of the bar after the signal, with stop and take at these distances from the entry price.
    ///
    /// # Panics
    /// Where there is no bar after the signal.
    pub fn enter(bars: &Bars<'_>, signal_bar: usize, side: Side, stop: f64, take: f64, size: f64) -> Self {
        let entry_price = bars.open[signal_bar + 1];
        Self {
            side,
            signal_bar,
            entry_bar: signal_bar + 1,
            entry_price,
            stop_price: entry_price - side.sign() * stop,
            take_price: entry_price + side.sign() * take,
            size,
        }
    }

    /// The exit at the open of `bar`, if there is one. The first of these reasons that holds: reversal, time, open at
    /// or beyond the stop, open at or beyond the take.
    ///
    /// # Panics
    /// Where there is no such bar, or it is before the entry.
    #[inline(always)]
    pub fn exit_at_open(&self, bars: &Bars<'_>, bar: usize, reversal: bool, max_hold: usize) -> Option<Exit> {
        let price = bars.open[bar];
        let reason = if reversal {
            ExitReason::SignalReversal
        } else if bar - self.entry_bar >= max_hold {
            ExitReason::Time
        } else if self.beyond_stop(price) {
            ExitReason::StopLoss
        } else if self.beyond_take(price) {
            ExitReason::TakeProfit
        } else {
            return None;
        };
        Some(Exit { bar, price, reason })
    }

    /// The exit within `bar`, if there is one. The stop comes before the take.
    ///
    /// # Panics
    /// Where there is no such bar.
    #[inline(always)]
    pub fn exit_within(&self, bars: &Bars<'_>, bar: usize) -> Option<Exit> {
        let (worst, best) = match self.side {
            Side::Long => (bars.low[bar], bars.high[bar]),
            Side::Short => (bars.high[bar], bars.low[bar]),
        };
        if self.beyond_stop(worst) {
            Some(Exit { bar, price: self.stop_price, reason: ExitReason::StopLoss })
        } else if self.beyond_take(best) {
            Some(Exit { bar, price: self.take_price, reason: ExitReason::TakeProfit })
        } else {
            None
        }
    }

    #[inline(always)]
    pub(super) fn beyond_stop(&self, price: f64) -> bool {
        match self.side {
            Side::Long => price <= self.stop_price,
            Side::Short => price >= self.stop_price,
        }
    }

    #[inline(always)]
    pub(super) fn beyond_take(&self, price: f64) -> bool {
        match self.side {
            Side::Long => price >= self.take_price,
            Side::Short => price <= self.take_price,
        }
    }

    /// The finished trade with every cost.
    ///
    /// # Panics
    /// Where there is no such bar as the exit's, or it is before the entry.
    pub fn close(&self, symbol: usize, exit: Exit, bars: &Bars<'_>, rules: &Rules) -> Trade {
        let gross_bps = gross_bps(self.side, self.entry_price, exit.price);
        let slippage = |bar: usize| rules.slippage_bps(self.size, bars.close[bar], bars.volume[bar]);
        let slippage_bps = slippage(self.entry_bar) + slippage(exit.bar);
        let hold_bars = exit.bar - self.entry_bar;
        Trade {
            symbol,
            side: self.side,
            signal_bar: self.signal_bar,
            entry_bar: self.entry_bar,
            entry_price: self.entry_price,
            exit_bar: exit.bar,
            exit_price: exit.price,
            stop_price: self.stop_price,
            take_price: self.take_price,
            size: self.size,
            exit_reason: exit.reason,
            gross_bps,
            fee_bps: rules.fees_bps(),
            spread_bps: rules.spread_bps,
            slippage_bps,
            funding_bps: rules.funding_bps(hold_bars),
            net_bps: rules.net_bps(gross_bps, slippage_bps, hold_bars),
        }
    }
}
