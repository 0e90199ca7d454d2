//! The trade rules: how positions are entered and exited.

use super::{BarrierParams, CoinCosts, CostParams, ExitReason, MarketType, Side, SlippageRule, SpotShorts, Trade};
use huracan_bars::{DAY_MS, HOUR_MS, Panel, Timeframe};
use huracan_base::units::BPS;

/// Barriers and costs of every trade. What a symbol's own market changes is in [`CoinCosts`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Stop distance in multiples of `atr_14` at the signal, for signals without a distance of their own.
    pub stop_atr: f64,
    /// Take-profit distance in multiples of `atr_14` at the signal, for signals without a distance of their own.
    pub take_atr: f64,
    /// Bars after which a trade is closed at the open.
    pub max_hold: usize,
    /// Fee each way where the exchange states none, basis points.
    pub fee_bps: f64,
    /// Whether the exchange's own taker fee takes the place of `fee_bps`.
    pub exchange_fees: bool,
    /// Least spread, basis points; half is paid each way.
    pub spread_bps: f64,
    /// What slippage grows with.
    pub slippage: SlippageRule,
    /// Slippage each way where the notional equals the value traded in the bar, multiples of the volatility.
    pub slippage_atr: f64,
    /// The same in basis points, where the volatility does not count or is not known.
    pub slippage_k: f64,
    /// Largest slippage each way, basis points.
    pub slippage_cap_bps: f64,
    /// How much worse than the stop a stop is filled within a bar, basis points of the stop's price.
    pub stop_slippage_bps: f64,
    /// Funding per bar held where its history is not known, basis points; 0 on spot markets.
    pub funding_bps_per_bar: f64,
    /// Whether positions pay the panel's funding, where that is known: perpetuals only.
    pub pays_known_funding: bool,
    /// What a short pays for borrowed coins per bar held, basis points; 0 for perpetuals.
    pub borrow_bps_per_bar: f64,
    /// Whether short positions are entered. Otherwise a short signal closes a long position, and that is all.
    pub shorts: bool,
    /// Size of trades whose signals have none of their own, quote currency.
    pub notional: f64,
}

impl Rules {
    /// The rules for these parameters, market and timeframe.
    pub fn new(barriers: &BarrierParams, costs: &CostParams, market: MarketType, timeframe: Timeframe) -> Self {
        let bars = |ms: i64| timeframe.ms() as f64 / ms as f64;
        let (funding, borrow, shorts) = match (market, costs.spot_shorts) {
            (MarketType::Perp, _) => (costs.funding_bps_per_8h * bars(8 * HOUR_MS), 0.0, true),
            (MarketType::Spot, SpotShorts::Borrow) => (0.0, costs.borrow_bps_per_day * bars(DAY_MS), true),
            (MarketType::Spot, SpotShorts::None) => (0.0, 0.0, false),
        };
        Self {
            stop_atr: barriers.stop_atr,
            take_atr: barriers.take_atr,
            max_hold: barriers.max_hold as usize,
            fee_bps: costs.fee_bps,
            exchange_fees: costs.exchange_fees,
            spread_bps: costs.spread_bps,
            slippage: costs.slippage,
            slippage_atr: costs.slippage_atr,
            slippage_k: costs.slippage_k,
            slippage_cap_bps: costs.slippage_cap_bps,
            stop_slippage_bps: costs.stop_slippage_bps,
            funding_bps_per_bar: funding,
            pays_known_funding: market == MarketType::Perp,
            borrow_bps_per_bar: borrow,
            shorts,
            notional: costs.notional,
        }
    }

    /// Whether a position on this side may be entered.
    pub fn allows(&self, side: Side) -> bool {
        side == Side::Long || self.shorts
    }
}

impl Default for Rules {
    /// The rules of the default settings on a spot market with bars of one hour.
    fn default() -> Self {
        Self::new(&BarrierParams::default(), &CostParams::default(), MarketType::Spot, Timeframe::H1)
    }
}

/// The gross result: side × (exit/entry − 1), basis points.
#[inline(always)]
pub(super) fn gross_bps(side: Side, entry_price: f64, exit_price: f64) -> f64 {
    side.sign() * (exit_price / entry_price - 1.0) * BPS
}

/// ATR over close, basis points; NaN without an ATR.
pub fn volatility_bps(atr: f64, close: f64) -> f64 {
    atr / close * BPS
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
    /// ATR over close at the signal, basis points; NaN without an ATR.
    pub volatility_bps: f64,
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
    /// Enters at the open of the bar after the signal, with stop and take at these distances from the entry price. `atr`
    /// is the ATR at the signal.
    ///
    /// # Panics
    /// Where there is no bar after the signal.
    pub fn enter(bars: &Bars<'_>, signal_bar: usize, side: Side, stop: f64, take: f64, size: f64, atr: f64) -> Self {
        let entry_price = bars.open[signal_bar + 1];
        Self {
            side,
            signal_bar,
            entry_bar: signal_bar + 1,
            entry_price,
            stop_price: entry_price - side.sign() * stop,
            take_price: entry_price + side.sign() * take,
            size,
            volatility_bps: volatility_bps(atr, bars.close[signal_bar]),
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

    /// The price at which the stop is filled within `bar`: worse than the stop, but not beyond the bar's low (a short's:
    /// its high).
    #[inline(always)]
    pub(super) fn stop_fill(&self, bars: &Bars<'_>, bar: usize, rules: &Rules) -> f64 {
        let fill = self.stop_price - self.side.sign() * (self.stop_price * rules.stop_slippage_bps / BPS);
        let (worst, traded) = match self.side {
            Side::Long => (bars.low[bar], fill > bars.low[bar]),
            Side::Short => (bars.high[bar], fill < bars.high[bar]),
        };
        if traded { fill } else { worst }
    }

    /// The exit within `bar`, if there is one. The stop comes before the take.
    ///
    /// # Panics
    /// Where there is no such bar.
    #[inline(always)]
    pub fn exit_within(&self, bars: &Bars<'_>, bar: usize, rules: &Rules) -> Option<Exit> {
        let (worst, best) = match self.side {
            Side::Long => (bars.low[bar], bars.high[bar]),
            Side::Short => (bars.high[bar], bars.low[bar]),
        };
        if self.beyond_stop(worst) {
            Some(Exit { bar, price: self.stop_fill(bars, bar, rules), reason: ExitReason::StopLoss })
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
    pub fn close(&self, symbol: usize, exit: Exit, bars: &Bars<'_>, costs: &CoinCosts<'_>) -> Trade {
        let gross_bps = gross_bps(self.side, self.entry_price, exit.price);
        let factor_bps = costs.slippage_factor_bps(self.volatility_bps);
        let slippage = |bar: usize| costs.slippage_bps(factor_bps, self.size, bars.close[bar], bars.volume[bar]);
        let fee_bps = costs.fees_bps();
        let spread_bps = costs.spreads_bps(self.entry_price, exit.price);
        let slippage_bps = slippage(self.entry_bar) + slippage(exit.bar);
        let funding_bps = costs.holding_bps(self.side, self.entry_bar, exit.bar);
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
            fee_bps,
            spread_bps,
            slippage_bps,
            funding_bps,
            net_bps: gross_bps - fee_bps - spread_bps - slippage_bps - funding_bps,
        }
    }
}
