//! One order: how large it may be, or why there is none.

use std::fmt;

use super::{Limits, Money};
use huracan_shadow::{Side, Trade};

/// Notional below which an order is not worth its paperwork, account currency.
pub const LEAST_NOTIONAL: f64 = 1.0;

/// What the caps must leave of the size that an account without open positions would take.
pub const LEAST_SHARE: f64 = 0.01;

/// What is asked for: a trade's entry, before it has a size. Nothing here lies after the entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    /// Place of the trade in the list that was followed.
    pub trade: usize,
    /// Row of the symbol in the panel.
    pub symbol: usize,
    pub side: Side,
    /// Bar at whose open it would be entered.
    pub bar: usize,
    pub entry_price: f64,
    pub stop_price: f64,
}

impl Order {
    pub fn of(place: usize, trade: &Trade) -> Self {
        Self {
            trade: place,
            symbol: trade.symbol,
            side: trade.side,
            bar: trade.entry_bar,
            entry_price: trade.entry_price,
            stop_price: trade.stop_price,
        }
    }

    /// Loss at the stop over the notional; none where the stop is no price on the losing side.
    pub fn stop_distance(&self) -> Option<f64> {
        let distance = self.side.sign() * (self.entry_price - self.stop_price) / self.entry_price;
        (self.entry_price > 0.0 && distance > 0.0 && distance.is_finite()).then_some(distance)
    }
}

/// What a size was bound by: the smallest of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bound {
    PerTrade,
    CoinShare,
    Leverage,
    OpenRisk,
}

impl Bound {
    pub const ALL: [Self; 4] = [Self::PerTrade, Self::CoinShare, Self::Leverage, Self::OpenRisk];

    pub fn name(self) -> &'static str {
        match self {
            Self::PerTrade => "per_trade",
            Self::CoinShare => "coin_share",
            Self::Leverage => "leverage",
            Self::OpenRisk => "open_risk",
        }
    }

    fn refusal(self) -> Refusal {
        match self {
            Self::PerTrade => Refusal::Dust,
            Self::CoinShare => Refusal::CoinShare,
            Self::Leverage => Refusal::Leverage,
            Self::OpenRisk => Refusal::OpenRisk,
        }
    }
}

/// Why there is no order, in the order in which the questions are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    KillSwitch,
    /// Nothing is left, or less.
    NoEquity,
    /// The day has lost its limit.
    DailyStop,
    /// The day has fallen too far from its highest equity.
    DrawdownBreaker,
    /// The stop does not lie on the losing side of the entry.
    StopDistance,
    /// The market is wild, and `defence_factor` is 0.
    VolatilityBreaker,
    /// The size is below [`LEAST_NOTIONAL`], whatever else is open.
    Dust,
    /// The coin's open positions leave too little of its share.
    CoinShare,
    /// All open positions leave too little of the leverage.
    Leverage,
    /// The stops of all open positions leave too little of the daily loss limit.
    OpenRisk,
}

impl Refusal {
    pub const ALL: [Self; 10] = [
        Self::KillSwitch,
        Self::NoEquity,
        Self::DailyStop,
        Self::DrawdownBreaker,
        Self::StopDistance,
        Self::VolatilityBreaker,
        Self::Dust,
        Self::CoinShare,
        Self::Leverage,
        Self::OpenRisk,
    ];

    /// The name that is stored and counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::KillSwitch => "kill_switch",
            Self::NoEquity => "no_equity",
            Self::DailyStop => "daily_stop",
            Self::DrawdownBreaker => "drawdown_breaker",
            Self::StopDistance => "stop_distance",
            Self::VolatilityBreaker => "volatility_breaker",
            Self::Dust => "dust",
            Self::CoinShare => "coin_share",
            Self::Leverage => "leverage",
            Self::OpenRisk => "open_risk",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An order that every rule allows, with its size. Only this room makes one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RiskApproved {
    order: Order,
    notional: Money,
    risk: Money,
    bound: Bound,
    streak_factor: f64,
    defence_factor: f64,
    equity: Money,
}

impl RiskApproved {
    pub fn order(&self) -> &Order {
        &self.order
    }

    pub fn notional(&self) -> Money {
        self.notional
    }

    /// Lost at the stop, before costs.
    pub fn risk(&self) -> Money {
        self.risk
    }

    /// The smallest of the caps at that moment.
    pub fn bound(&self) -> Bound {
        self.bound
    }

    /// 1 but after a streak of losses.
    pub fn streak_factor(&self) -> f64 {
        self.streak_factor
    }

    /// 1 but in defence mode.
    pub fn defence_factor(&self) -> f64 {
        self.defence_factor
    }

    /// The account's equity at that moment.
    pub fn equity(&self) -> Money {
        self.equity
    }
}

/// An order that a rule forbids.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RiskRefused {
    pub order: Order,
    pub reason: Refusal,
    /// What an account without open positions would have taken; 0 where it did not come to a size.
    pub wanted: Money,
    /// What the caps left of it.
    pub room: Money,
    pub equity: Money,
}

impl RiskRefused {
    pub(super) fn unsized_one(order: Order, reason: Refusal, equity: Money) -> Self {
        Self { order, reason, wanted: Money::ZERO, room: Money::ZERO, equity }
    }
}

/// The account at the moment of a decision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub equity: Money,
    /// What the daily loss limit is a share of.
    pub daily_base: Money,
    pub exposure: Money,
    pub coin_exposure: Money,
    pub open_risk: Money,
    pub streak_factor: f64,
    pub defence_factor: f64,
}

/// Sizes an order, or refuses it: risk per trade over the stop's distance, at most what each cap leaves, times the
/// factors of the breakers.
pub(super) fn approve(order: Order, standing: &Standing, limits: &Limits) -> Result<RiskApproved, RiskRefused> {
    let Standing { equity, streak_factor, defence_factor, .. } = *standing;
    let refuse = |reason, wanted, room| Err(RiskRefused { order, reason, wanted, room, equity });
    if equity <= Money::ZERO {
        return refuse(Refusal::NoEquity, Money::ZERO, Money::ZERO);
    }
    let Some(distance) = order.stop_distance() else {
        return refuse(Refusal::StopDistance, Money::ZERO, Money::ZERO);
    };
    let share = |share: f64| Money::down(equity.value() * share);
    let at_risk = |risk: Money| Money::down(risk.value() / distance);
    let per_trade = share(limits.per_trade);
    let open_risk = Money::down(standing.daily_base.value() * limits.max_open_risk);
    let (coin, leverage) = (share(limits.max_coin_share), share(limits.max_leverage));
    let wanted = at_risk(per_trade).min(coin).min(leverage).min(at_risk(open_risk));

    let risk_left = open_risk - standing.open_risk;
    let rooms = [
        (at_risk(per_trade), Bound::PerTrade),
        (coin - standing.coin_exposure, Bound::CoinShare),
        (leverage - standing.exposure, Bound::Leverage),
        (at_risk(risk_left), Bound::OpenRisk),
    ];
    let (room, bound) = rooms.into_iter().fold(rooms[0], |least, room| if room.0 < least.0 { room } else { least });
    let factor = streak_factor * defence_factor;
    // Never more than the amount: beyond nine thousand million a number may round up.
    let scaled = |amount: Money| Money::down(amount.value() * factor).min(amount);
    if defence_factor <= 0.0 {
        return refuse(Refusal::VolatilityBreaker, wanted, room);
    }
    let least = Money::rounded(LEAST_NOTIONAL);
    if scaled(wanted) < least {
        return refuse(Refusal::Dust, wanted, room);
    }
    if room.value() < wanted.value() * LEAST_SHARE || scaled(room) < least {
        return refuse(bound.refusal(), wanted, room.max(Money::ZERO));
    }

    // A stop's loss is rounded up, so that the caps on risk hold to the last millionth.
    let (mut notional, most) = (scaled(room), per_trade.min(risk_left));
    let lost = |notional: Money| Money::up(notional.value() * distance);
    let mut risk = lost(notional);
    while risk > most && notional > Money::ZERO {
        notional -= Money::up((risk - most).value() / distance).max(Money::LEAST);
        risk = lost(notional);
    }
    if notional < least {
        return refuse(bound.refusal(), wanted, notional.max(Money::ZERO));
    }
    Ok(RiskApproved { order, notional, risk, bound, streak_factor, defence_factor, equity })
}
