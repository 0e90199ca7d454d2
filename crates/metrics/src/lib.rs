//! Performance statistics of shadow trades: returns, risk ratios, drawdowns, trade statistics, costs, the probability
//! that a result is luck, and the buy-and-hold benchmark.
//!
//! The market never closes: a year has 365 days, and a day without a trade has a return of 0.

mod account;
mod bootstrap;
mod calibration;
mod calmar;
mod clusters;
mod costs;
mod drawdown;
mod edge;
mod evidence;
mod fdr;
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
pub use clusters::{LEAST_CLUSTERS, clustered_error, clustered_t};
pub use costs::CostTotals;
pub use drawdown::{Drawdowns, drawdowns};
pub use edge::{EdgeBin, EdgeFit, EdgeMonth, PredictedEdge, month_of};
pub use evidence::Evidence;
pub use fdr::q_values;
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
pub use student::{student_cdf, student_quantile};
pub use trades::TradeStatistics;

/// The performance of one account, that of a model or of the portfolio.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Metrics {
    /// Final equity / starting equity − 1.
    pub total_return: f64,
    /// Arithmetic mean of the daily returns.
    pub mean_daily_return: f64,
    /// (1 + total return)^(365/days) − 1.
    pub annualised_return: f64,
    /// Annualised Sharpe ratio of the daily returns, see [`sharpe()`].
    pub sharpe: f64,
    /// Annualised Sortino ratio of the daily returns, see [`sortino()`].
    pub sortino: f64,
    /// Annualised return over the largest drawdown, see [`calmar()`].
    pub calmar: f64,
    /// Drawdowns of the daily equity curve.
    pub drawdown: Drawdowns,
    /// Statistics of the single trades.
    pub trades: TradeStatistics,
    /// Costs of all trades.
    pub costs: CostTotals,
    /// Number of days in the account's history.
    pub days: usize,
}

impl Metrics {
    /// Computes all statistics of an account.
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
