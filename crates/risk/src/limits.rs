//! Limits on what an account may risk.

use super::{Money, RiskParams};

/// The risk limits of one account. Shares are shares of its equity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Starting equity, account currency.
    pub start_equity: f64,
    /// Share of equity lost if a trade's stop is hit.
    pub per_trade: f64,
    /// Maximum notional of all open positions over equity.
    pub max_leverage: f64,
    /// Maximum notional of one coin's open positions over equity.
    pub max_coin_share: f64,
    /// Maximum share of equity lost if every stop is hit: the daily loss limit. With breakers, what the day has lost
    /// already is taken from it.
    pub max_open_risk: f64,
    /// Maximum net sum of notional × side × beta over equity, whatever its sign; infinite for no such cap.
    pub max_beta_exposure: f64,
    /// Circuit breakers; `None` for an account that takes every trade it can size.
    pub breakers: Option<BreakerLimits>,
}

/// When trading stops, or sizes are reduced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerLimits {
    /// Net loss booked in a day, as a share of the day's starting equity, that ends entries for the day.
    pub daily_stop: f64,
    /// Fall from the day's highest equity at a close, as a share of it, that ends entries for the day.
    pub drawdown_stop: f64,
    /// Number of days whose highest equity at a close counts for `drawdown_limit`.
    pub drawdown_days: u32,
    /// Fall from that highest equity, as a share of it, beyond which there are no entries.
    pub drawdown_limit: f64,
    /// Losses in a row of one coin after which its sizes are multiplied by `streak_factor`.
    pub streak_losses: u32,
    /// Factor on the sizes of a coin after a streak of losses.
    pub streak_factor: f64,
    /// Wins in a row of the coin that restore its usual size.
    pub streak_wins: u32,
    /// Quantile of the market's volatility above which sizes are multiplied by `defence_factor`.
    pub volatility_percentile: f64,
    /// Length of the window of that quantile, days.
    pub volatility_days: u32,
    /// Factor on sizes in defence mode; 0 refuses all entries.
    pub defence_factor: f64,
}

impl BreakerLimits {
    /// Whether a day's booked result ends its entries.
    pub(super) fn stops_the_day(&self, start_equity: Money, booked: Money) -> bool {
        booked < Money::ZERO && -booked.value() >= start_equity.value() * self.daily_stop
    }

    /// Whether equity has fallen so far from the day's highest that it ends the day's entries.
    pub(super) fn falls_in_a_day(&self, high: Money, equity: Money) -> bool {
        high > Money::ZERO && (high - equity).value() >= high.value() * self.drawdown_stop
    }
}

/// Whether equity is further below `high` than the share `limit` of it.
pub(super) fn is_too_low(high: Money, equity: Money, limit: f64) -> bool {
    high > Money::ZERO && (high - equity).value() > high.value() * limit
}

impl Limits {
    /// The portfolio's limits, with all breakers.
    pub fn of(risk: &RiskParams) -> Self {
        Self {
            start_equity: risk.equity,
            per_trade: risk.per_trade,
            max_leverage: risk.max_leverage,
            max_coin_share: risk.max_coin_share,
            max_open_risk: risk.daily_stop,
            max_beta_exposure: risk.max_beta_exposure,
            breakers: Some(BreakerLimits {
                daily_stop: risk.daily_stop,
                drawdown_stop: risk.drawdown_stop,
                drawdown_days: risk.drawdown_days,
                drawdown_limit: risk.drawdown_limit,
                streak_losses: risk.streak_losses,
                streak_factor: risk.streak_factor,
                streak_wins: risk.streak_wins,
                volatility_percentile: risk.volatility_percentile,
                volatility_days: risk.volatility_days,
                defence_factor: risk.defence_factor,
            }),
        }
    }

    /// The same sizes and caps for an account of one coin, without breakers, and without the cap on what several coins
    /// have in common. Models are judged this way, by every trade that they propose.
    pub fn without_breakers(self) -> Self {
        Self { breakers: None, max_beta_exposure: f64::INFINITY, ..self }
    }
}
