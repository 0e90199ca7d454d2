//! Sizing one order, or refusing it.

use std::fmt;

use super::{Limits, Money, Offer};
use huracan_base::units::BPS;
use huracan_shadow::Side;

/// Minimum notional of an order, account currency.
pub const MIN_NOTIONAL: f64 = 1.0;

/// Minimum share that the caps must leave of the size that an account without open positions would take.
pub const MIN_SIZE_SHARE: f64 = 0.01;

/// A proposed entry, before it is sized. It contains nothing that is known only after the entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    /// Index of the trade in the list that is followed.
    pub trade: usize,
    /// Row of the symbol in the panel.
    pub symbol: usize,
    /// Long or short.
    pub side: Side,
    /// Bar at whose open the trade would be entered.
    pub bar: usize,
    /// Price at entry, quote currency.
    pub entry_price: f64,
    /// Price of the stop, quote currency.
    pub stop_price: f64,
    /// How far the coin's price moves with the market; 1 where that is not known.
    pub beta: f64,
}

impl Order {
    /// The order that would enter a trade; `index` is the trade's position in the list that is followed.
    pub fn of(index: usize, offer: &Offer) -> Self {
        let trade = &offer.trade;
        Self {
            trade: index,
            symbol: trade.symbol,
            side: trade.side,
            bar: trade.entry_bar,
            entry_price: trade.entry_price,
            stop_price: trade.stop_price,
            beta: if offer.beta.is_finite() { offer.beta } else { 1.0 },
        }
    }

    /// What a unit of notional adds to the exposure to the market: side × beta.
    fn slope(&self) -> f64 {
        self.side.sign() * self.beta
    }

    /// [`Offer::merit`] of the order, with this edge.
    pub fn merit(&self, edge_bps: f64) -> f64 {
        let merit = self.stop_distance().map_or(f64::NAN, |distance| edge_bps / (distance * BPS));
        if merit.is_nan() { f64::NEG_INFINITY } else { merit }
    }

    /// Loss at the stop over the notional; `None` if the stop is not a price on the losing side.
    pub fn stop_distance(&self) -> Option<f64> {
        let distance = self.side.sign() * (self.entry_price - self.stop_price) / self.entry_price;
        (self.entry_price > 0.0 && distance > 0.0 && distance.is_finite()).then_some(distance)
    }
}

/// The limit that determined a size: the tightest of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SizeLimit {
    /// Risk per trade.
    PerTrade,
    /// Maximum exposure of one coin.
    CoinShare,
    /// Maximum exposure of all coins.
    Leverage,
    /// Maximum risk of all open positions.
    OpenRisk,
    /// Maximum net exposure to the market.
    Correlation,
}

impl SizeLimit {
    /// All limits.
    pub const ALL: [Self; 5] = [Self::PerTrade, Self::CoinShare, Self::Leverage, Self::OpenRisk, Self::Correlation];

    /// The name in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::PerTrade => "per_trade",
            Self::CoinShare => "coin_share",
            Self::Leverage => "leverage",
            Self::OpenRisk => "open_risk",
            Self::Correlation => "correlation",
        }
    }

    fn refusal(self) -> Refusal {
        match self {
            Self::PerTrade => Refusal::Dust,
            Self::CoinShare => Refusal::CoinShare,
            Self::Leverage => Refusal::Leverage,
            Self::OpenRisk => Refusal::OpenRisk,
            Self::Correlation => Refusal::Correlation,
        }
    }
}

/// Why an order was refused, in the order in which the rules are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The kill switch is on.
    KillSwitch,
    /// Equity is 0 or negative.
    NoEquity,
    /// The day's loss has reached its limit.
    DailyStop,
    /// Equity has fallen too far from the day's highest.
    DrawdownBreaker,
    /// Equity has fallen too far from the highest of the last days.
    DrawdownLimit,
    /// The stop is not on the losing side of the entry.
    StopDistance,
    /// Defence mode is on, and `defence_factor` is 0.
    VolatilityBreaker,
    /// The size would be below [`MIN_NOTIONAL`] even without open positions.
    Dust,
    /// The coin's open positions leave too little of its maximum exposure.
    CoinShare,
    /// The open positions leave too little of the maximum leverage.
    Leverage,
    /// The day's losses and the stops of the open positions leave too little of the daily loss limit.
    OpenRisk,
    /// The open positions leave too little of the maximum net exposure to the market.
    Correlation,
}

impl Refusal {
    /// All reasons, in the order in which they are checked.
    pub const ALL: [Self; 12] = [
        Self::KillSwitch,
        Self::NoEquity,
        Self::DailyStop,
        Self::DrawdownBreaker,
        Self::DrawdownLimit,
        Self::StopDistance,
        Self::VolatilityBreaker,
        Self::Dust,
        Self::CoinShare,
        Self::Leverage,
        Self::OpenRisk,
        Self::Correlation,
    ];

    /// The name under which it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::KillSwitch => "kill_switch",
            Self::NoEquity => "no_equity",
            Self::DailyStop => "daily_stop",
            Self::DrawdownBreaker => "drawdown_breaker",
            Self::DrawdownLimit => "drawdown_limit",
            Self::StopDistance => "stop_distance",
            Self::VolatilityBreaker => "volatility_breaker",
            Self::Dust => "dust",
            Self::CoinShare => "coin_share",
            Self::Leverage => "leverage",
            Self::OpenRisk => "open_risk",
            Self::Correlation => "correlation",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An order that passed every rule, with its size. Only this crate can construct one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RiskApproved {
    order: Order,
    notional: Money,
    risk: Money,
    size_limit: SizeLimit,
    streak_factor: f64,
    defence_factor: f64,
    equity: Money,
}

impl RiskApproved {
    /// The order that was approved.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// Size of the position.
    pub fn notional(&self) -> Money {
        self.notional
    }

    /// Loss if the stop is hit, before costs.
    pub fn risk(&self) -> Money {
        self.risk
    }

    /// Exposure to the market: notional × side × beta.
    pub fn beta_exposure(&self) -> Money {
        Money::rounded(self.notional.value() * self.order.slope())
    }

    /// The tightest limit at that moment.
    pub fn size_limit(&self) -> SizeLimit {
        self.size_limit
    }

    /// Factor on the size by the streak breaker; 1 unless it is active.
    pub fn streak_factor(&self) -> f64 {
        self.streak_factor
    }

    /// Factor on the size by defence mode; 1 unless it is on.
    pub fn defence_factor(&self) -> f64 {
        self.defence_factor
    }

    /// The account's equity at that moment.
    pub fn equity(&self) -> Money {
        self.equity
    }
}

/// An order that a rule refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RiskRefused {
    /// The order that was refused.
    pub order: Order,
    /// The first rule that refused it.
    pub reason: Refusal,
    /// Size that an account without open positions would have taken; 0 if the order was refused before it was sized.
    pub requested: Money,
    /// Size that the caps left available.
    pub available: Money,
    /// The account's equity at that moment.
    pub equity: Money,
}

impl RiskRefused {
    /// A refusal before the order was sized.
    pub(super) fn without_size(order: Order, reason: Refusal, equity: Money) -> Self {
        Self { order, reason, requested: Money::ZERO, available: Money::ZERO, equity }
    }
}

/// State of the account when an order is decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct AccountState {
    pub equity: Money,
    /// Equity to which the daily loss limit is relative.
    pub daily_base: Money,
    /// What the day has already lost of that limit.
    pub day_loss: Money,
    pub exposure: Money,
    pub coin_exposure: Money,
    pub open_risk: Money,
    /// Net sum of notional × side × beta.
    pub beta_exposure: Money,
    pub streak_factor: f64,
    pub defence_factor: f64,
}

/// Sizes or refuses an order. The size is the risk per trade over the stop distance, at most what each cap leaves,
/// times the factors of the breakers.
pub(super) fn approve(order: Order, state: &AccountState, limits: &Limits) -> Result<RiskApproved, RiskRefused> {
    let AccountState { equity, streak_factor, defence_factor, .. } = *state;
    let refuse = |reason, requested, available| Err(RiskRefused { order, reason, requested, available, equity });
    if equity <= Money::ZERO {
        return refuse(Refusal::NoEquity, Money::ZERO, Money::ZERO);
    }
    let Some(distance) = order.stop_distance() else {
        return refuse(Refusal::StopDistance, Money::ZERO, Money::ZERO);
    };
    let share = |share: f64| Money::down(equity.value() * share);
    let notional_for = |risk: Money| Money::down(risk.value() / distance);
    let per_trade = share(limits.per_trade);
    let open_risk = Money::down(state.daily_base.value() * limits.max_open_risk);
    let (coin, leverage) = (share(limits.max_coin_share), share(limits.max_leverage));
    let (slope, beta_exposure) = (order.slope(), share(limits.max_beta_exposure));
    // An order that does not move with the market may have any size.
    let notional_moving =
        |exposure: Money| Money::down(if slope == 0.0 { f64::INFINITY } else { exposure.value() / slope.abs() });
    let requested = notional_for(per_trade)
        .min(coin)
        .min(leverage)
        .min(notional_for(open_risk))
        .min(notional_moving(beta_exposure));

    let risk_left = open_risk - state.day_loss - state.open_risk;
    // Exposure in the direction of the order: it is negative where the order reduces the net exposure.
    let toward = if slope < 0.0 { -state.beta_exposure } else { state.beta_exposure };
    let caps = [
        (notional_for(per_trade), SizeLimit::PerTrade),
        (coin - state.coin_exposure, SizeLimit::CoinShare),
        (leverage - state.exposure, SizeLimit::Leverage),
        (notional_for(risk_left), SizeLimit::OpenRisk),
        (notional_moving(beta_exposure - toward), SizeLimit::Correlation),
    ];
    let (available, size_limit) =
        caps.into_iter().fold(caps[0], |tightest, cap| if cap.0 < tightest.0 { cap } else { tightest });
    let factor = streak_factor * defence_factor;
    // Capped at the amount itself, because beyond 9 billion the float may round up.
    let scaled = |amount: Money| Money::down(amount.value() * factor).min(amount);
    if defence_factor <= 0.0 {
        return refuse(Refusal::VolatilityBreaker, requested, available);
    }
    let min_notional = Money::rounded(MIN_NOTIONAL);
    if scaled(requested) < min_notional {
        return refuse(Refusal::Dust, requested, available);
    }
    if available.value() < requested.value() * MIN_SIZE_SHARE || scaled(available) < min_notional {
        return refuse(size_limit.refusal(), requested, available.max(Money::ZERO));
    }

    // The loss at the stop is rounded up, so that the caps on risk hold to the last millionth.
    let (mut notional, max_risk) = (scaled(available), per_trade.min(risk_left));
    let loss_at_stop = |notional: Money| Money::up(notional.value() * distance);
    let mut risk = loss_at_stop(notional);
    while risk > max_risk && notional > Money::ZERO {
        notional -= Money::up((risk - max_risk).value() / distance).max(Money::SMALLEST);
        risk = loss_at_stop(notional);
    }
    if notional < min_notional {
        return refuse(size_limit.refusal(), requested, notional.max(Money::ZERO));
    }
    Ok(RiskApproved { order, notional, risk, size_limit, streak_factor, defence_factor, equity })
}
