//! How good trades were: returns, risk, drawdown, trade statistics and costs; how much of it may be luck; and what doing
//! nothing would have earned.
//!
//! The market never closes: a year has 365 days, and a day without a trade is a return of 0.

mod account;
mod bootstrap;
mod calibration;
mod calmar;
mod costs;
mod drawdown;
mod evidence;
mod groups;
mod holding;
mod luck;
mod moments;
mod normal;
mod returns;
mod sharpe;
mod sortino;
mod student;
mod trades;

use serde::Serialize;

pub use account::{Account, Entry};
pub use bootstrap::{Interval, sharpe_interval};
pub use calibration::{Calibration, CalibrationBin};
pub use calmar::calmar;
pub use costs::CostTotals;
pub use drawdown::{Drawdowns, drawdowns};
pub use evidence::Evidence;
pub use groups::{Breakdown, GroupStatistics, with_refused};
pub use holding::Holding;
pub use luck::{
    deflated_sharpe, expected_maximum, probabilistic_sharpe, published_deflated_sharpe, variance_without_skill,
};
pub use moments::{Moments, deviation};
pub use normal::{normal_cdf, normal_quantile};
pub use returns::{DAYS_PER_YEAR, annualised_return, mean};
pub use sharpe::sharpe;
pub use sortino::sortino;
pub use student::student_cdf;
pub use trades::TradeStatistics;

/// Everything step 6C asks of a model's or the portfolio's trades.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Metrics {
    /// Final over starting equity − 1.
    pub total_return: f64,
    /// Mean of the daily returns.
    pub mean_daily_return: f64,
    /// (1 + total)^(365/days) − 1.
    pub annualised_return: f64,
    pub sharpe: f64,
    pub sortino: f64,
    pub calmar: f64,
    pub drawdown: Drawdowns,
    pub trades: TradeStatistics,
    pub costs: CostTotals,
    /// Days of the account.
    pub days: usize,
}

impl Metrics {
    /// Judges an account.
    pub fn of(account: &Account) -> Self {
        let daily = account.daily_returns();
        let total_return = account.final_equity() / account.start_equity - 1.0;
        let annual = annualised_return(total_return, daily.len());
        let drawdown = drawdowns(&account.curve);
        Self {
            total_return,
            mean_daily_return: mean(&daily),
            annualised_return: annual,
            sharpe: sharpe(&daily),
            sortino: sortino(&daily),
            calmar: calmar(annual, drawdown.max),
            drawdown,
            trades: TradeStatistics::of(&account.entries),
            costs: CostTotals::of(&account.entries),
            days: daily.len(),
        }
    }
}
