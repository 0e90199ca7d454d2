//! What an account may risk.

use super::RiskParams;

/// The rules that one account trades by; shares are of its equity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Account currency.
    pub start_equity: f64,
    /// Lost if a trade's stop is hit.
    pub per_trade: f64,
    /// Notional of all open positions.
    pub max_leverage: f64,
    /// Notional of one coin's open positions.
    pub max_coin_share: f64,
    /// Lost if every stop is hit: the daily loss limit.
    pub max_open_risk: f64,
    /// None where an account shall take every trade that it can size.
    pub breakers: Option<BreakerLimits>,
}

/// When trading stops or shrinks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerLimits {
    /// Net loss booked in a day, share of the day's starting equity, that ends entries for the day.
    pub daily_stop: f64,
    /// Fall from the day's highest equity at a close, share of it, that ends entries for the day.
    pub drawdown_stop: f64,
    pub streak_losses: u32,
    pub streak_factor: f64,
    pub streak_wins: u32,
    /// Quantile of the market's volatility above which sizes are multiplied by `defence_factor`.
    pub volatility_percentile: f64,
    pub volatility_days: u32,
    pub defence_factor: f64,
}

impl Limits {
    /// The portfolio's limits: everything on.
    pub fn of(risk: &RiskParams) -> Self {
        Self {
            start_equity: risk.equity,
            per_trade: risk.per_trade,
            max_leverage: risk.max_leverage,
            max_coin_share: risk.max_coin_share,
            max_open_risk: risk.daily_stop,
            breakers: Some(BreakerLimits {
                daily_stop: risk.daily_stop,
                drawdown_stop: risk.drawdown_stop,
                streak_losses: risk.streak_losses,
                streak_factor: risk.streak_factor,
                streak_wins: risk.streak_wins,
                volatility_percentile: risk.volatility_percentile,
                volatility_days: risk.volatility_days,
                defence_factor: risk.defence_factor,
            }),
        }
    }

    /// The same sizing and caps without breakers: a model is judged by every trade that it asks for.
    pub fn alone(self) -> Self {
        Self { breakers: None, ..self }
    }
}
