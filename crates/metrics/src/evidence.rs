//! Statistical evidence that a result is more than luck.

use std::collections::BTreeSet;

use serde::Serialize;

use super::account::Account;
use super::bootstrap::{Interval, LEVEL, RESAMPLES, sharpe_interval};
use super::clusters::{LEAST_CLUSTERS, clustered_t};
use super::luck::{deflated_sharpe, probabilistic_sharpe, published_deflated_sharpe, variance_without_skill};
use super::moments::Moments;

/// Significance statistics of a Sharpe ratio. Values are `None` where they are undefined: fewer than two observations,
/// or all of them equal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Evidence {
    /// Number of observations: trades of a model, days of a portfolio.
    pub observations: usize,
    /// Number of configurations from which the result was chosen.
    pub tries: usize,
    /// Sharpe ratio per observation, not annualised.
    pub observed_sharpe: Option<f64>,
    /// Skewness of the observations.
    pub skewness: Option<f64>,
    /// Kurtosis of the observations; 3 for a normal distribution.
    pub kurtosis: Option<f64>,
    /// Student's t of the mean against 0, by days; `None` with trades entered on fewer than [`LEAST_CLUSTERS`] of them.
    pub t_statistic: Option<f64>,
    /// Probability of so good a result without skill: 1 − [`deflated_sharpe`] of a single try.
    pub p_value: Option<f64>,
    /// Probability that the true Sharpe ratio is above 0, as published (see [`probabilistic_sharpe`]).
    pub probabilistic_sharpe: Option<f64>,
    /// The same, corrected for the number of tries, as published (see [`published_deflated_sharpe`]).
    pub published_deflated_sharpe: Option<f64>,
    /// The same, also corrected for few observations and heavy tails (see [`deflated_sharpe`]). The verdict uses this
    /// one.
    pub deflated_sharpe: Option<f64>,
    /// 95 % interval of the annualised Sharpe ratio of the daily returns.
    pub interval: Option<Interval>,
}

impl Evidence {
    /// Evidence for one model. The observations are its trades: they do not overlap, and days without a trade would add
    /// no information.
    pub fn of_model(account: &Account, tries: usize, seed: u64) -> Self {
        let net: Vec<f64> = account.entries.iter().map(|entry| entry.trade.net_bps).collect();
        let by_day = account.entries.iter().map(|entry| (entry.day, entry.trade.net_bps));
        Self::of(&net, clustered_t(by_day), &account.daily_returns(), tries, seed)
    }

    /// Evidence for a portfolio of many symbols. The observations are its days, because trades in the same hour win and
    /// lose together. Days without a trade count towards the mean, as towards the Sharpe ratio, but they are no evidence: the
    /// t-statistic needs enough days with trades.
    pub fn of_portfolio(account: &Account, tries: usize, seed: u64) -> Self {
        let daily = account.daily_returns();
        let traded: BTreeSet<i64> = account.entries.iter().map(|entry| entry.day).collect();
        let t = clustered_t((0..).zip(daily.iter().copied())).filter(|_| traded.len() >= LEAST_CLUSTERS);
        Self::of(&daily, t, &daily, tries, seed)
    }

    fn of(observations: &[f64], t_statistic: Option<f64>, daily: &[f64], tries: usize, seed: u64) -> Self {
        let tries = tries.max(1);
        let moments = Moments::of(observations);
        let finite = |of: &dyn Fn(&Moments) -> f64| moments.as_ref().map(of).filter(|value| value.is_finite());
        Self {
            observations: observations.len(),
            tries,
            observed_sharpe: finite(&Moments::sharpe),
            skewness: finite(&|m| m.skewness),
            kurtosis: finite(&|m| m.kurtosis),
            t_statistic,
            p_value: finite(&|m| 1.0 - deflated_sharpe(m, 1)),
            probabilistic_sharpe: finite(&|m| probabilistic_sharpe(m, 0.0)),
            published_deflated_sharpe: finite(&|m| {
                published_deflated_sharpe(m, tries, variance_without_skill(m.count))
            }),
            deflated_sharpe: finite(&|m| deflated_sharpe(m, tries)),
            interval: sharpe_interval(daily, RESAMPLES, LEVEL, seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Entry;
    use crate::trades::tests::entry;
    use huracan_bars::DAY_MS;

    fn account(net_bps: &[f64]) -> Account {
        let entries: Vec<_> = (0..).zip(net_bps).map(|(day, &bps)| Entry { day, ..entry(0, 100.0, bps) }).collect();
        let mut curve = vec![(0, 1000.0)];
        for (day, entry) in entries.iter().enumerate() {
            curve.push(((day as i64 + 1) * DAY_MS, curve[day].1 + entry.profit));
        }
        Account { start_equity: 1000.0, entries, refused: 0, curve }
    }

    #[test]
    fn observations_are_trades_for_a_model_and_days_for_a_portfolio() {
        let mut account = account(&[100.0, -50.0, 80.0, 20.0, -10.0]);
        // A month without a trade does not change the statistics of the trades.
        let last = *account.curve.last().unwrap();
        account.curve.extend((1..=30).map(|day| (last.0 + day * DAY_MS, last.1)));
        let (model, portfolio) = (Evidence::of_model(&account, 1, 1), Evidence::of_portfolio(&account, 1, 1));
        assert_eq!((model.observations, portfolio.observations), (5, 35));
        assert_eq!(model.t_statistic, None, "five days say too little");
        assert_eq!(portfolio.t_statistic, None, "idle days are no evidence");
        assert_eq!(model.interval, portfolio.interval);
        assert!(Evidence::of_model(&account, 50, 1).deflated_sharpe < model.deflated_sharpe);
    }

    #[test]
    fn ten_days_with_trades_have_a_t_statistic() {
        let net = [100.0, -50.0, 80.0, 20.0, -10.0, 30.0, -40.0, 60.0, -5.0, 15.0];
        let t = |net: &[f64]| Evidence::of_portfolio(&account(net), 1, 1).t_statistic;
        assert!(t(&net).is_some());
        assert_eq!(t(&net[1..]), None);
    }

    #[test]
    fn statistics_are_undefined_without_trades_and_for_equal_trades() {
        for net in [&[][..], &[5.0], &[5.0, 5.0, 5.0]] {
            let evidence = Evidence::of_model(&account(net), 0, 1);
            assert_eq!((evidence.observations, evidence.tries), (net.len(), 1));
            assert_eq!((evidence.deflated_sharpe, evidence.t_statistic, evidence.kurtosis), (None, None, None));
        }
    }
}
