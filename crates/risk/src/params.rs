//! Parameters of the account and its risk rules (settings section `risk`).

use serde::{Deserialize, Serialize};

/// The account, the risk of each trade, and the circuit breakers.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct RiskParams {
    /// Share of equity lost if a trade's stop is hit.
    pub per_trade: f64,
    /// Loss in a day, as a share of equity, that ends trading for that day. Open risk may not exceed what the day has
    /// left of it.
    pub daily_stop: f64,
    /// Fall from the day's highest equity (open positions included), as a share of it, that ends trading for that day.
    pub drawdown_stop: f64,
    /// Number of days whose highest equity counts for `drawdown_limit`.
    pub drawdown_days: u32,
    /// Fall from the highest equity of these days, as a share of it, beyond which nothing is entered.
    pub drawdown_limit: f64,
    /// Maximum total exposure over equity.
    pub max_leverage: f64,
    /// Maximum exposure of one coin over equity.
    pub max_coin_share: f64,
    /// Maximum net exposure to the market over equity: the sum of notional × side × `market_beta`, whatever its sign.
    pub max_beta_exposure: f64,
    /// Losses in a row of a coin after which its trades get smaller.
    pub streak_losses: u32,
    /// Size of the coin's trades after such a streak, as a multiple of the usual size.
    pub streak_factor: f64,
    /// Wins in a row of the coin that restore its usual size.
    pub streak_wins: u32,
    /// Quantile of the market's recent volatility above which defence mode is on, 0.5 to 1.
    pub volatility_percentile: f64,
    /// Length of the window of that quantile, days.
    pub volatility_days: u32,
    /// Size of trades in defence mode, as a multiple of the usual size; 0 refuses all entries.
    pub defence_factor: f64,
    /// Currency of the money columns.
    pub account_currency: String,
    /// Units of quote currency per unit of account currency. Only live orders are sized by it: an account of a run trades units.
    pub quote_per_account: f64,
    /// Starting equity, account currency.
    pub equity: f64,
}

impl Default for RiskParams {
    /// The built-in defaults.
    fn default() -> Self {
        Self {
            per_trade: 0.01,
            daily_stop: 0.025,
            drawdown_stop: 0.03,
            drawdown_days: 30,
            drawdown_limit: 0.1,
            max_leverage: 2.0,
            max_coin_share: 0.25,
            max_beta_exposure: 1.0,
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
