//! Parameters of the account and its rules.

use serde::{Deserialize, Serialize};

/// The account, what a trade may risk, and when breakers trip.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct RiskParams {
    pub per_trade: f64,
    pub daily_stop: f64,
    pub drawdown_stop: f64,
    pub max_leverage: f64,
    pub max_coin_share: f64,
    pub streak_losses: u32,
    pub streak_factor: f64,
    pub streak_wins: u32,
    pub volatility_percentile: f64,
    pub volatility_days: u32,
    pub defence_factor: f64,
    pub account_currency: String,
    pub quote_per_account: f64,
    pub equity: f64,
}

impl Default for RiskParams {
    /// The built-in settings.
    fn default() -> Self {
        Self {
            per_trade: 0.01,
            daily_stop: 0.025,
            drawdown_stop: 0.03,
            max_leverage: 2.0,
            max_coin_share: 0.25,
            streak_losses: 3,
            streak_factor: 0.5,
            streak_wins: 2,
            volatility_percentile: 0.95,
            volatility_days: 30,
            defence_factor: 0.5,
            account_currency: "GBP".to_owned(),
            quote_per_account: 1.27,
            equity: 10000.0,
        }
    }
}
