//! Judges an account's trades: metrics, statistical evidence, buy-and-hold benchmark and verdict.

use std::ops::Range;

use serde_json::{Map, Value, json};

use super::verdict::ForwardEvidence;
use super::{Performance, TrainerParams, Verdict};
use huracan_bars::{DAY_MS, Panel};
use huracan_decide::{SignalVotes, Voter};
use huracan_features::{Features, Regime, columns};
use huracan_metrics::{
    Account, Breakdown, Evidence, Holding, Metrics, Moments, deflated_sharpe, q_values, with_refused,
};
use huracan_risk::{Ledger, Offer};
use huracan_shadow::{Rules, Side, Trade};

/// Name of the group of trades whose regime is not known.
const UNKNOWN: &str = "unknown";

/// The measures of one model's account.
pub struct Measured {
    pub metrics: Metrics,
    pub evidence: Evidence,
    /// Buy-and-hold benchmark of the coin over the same days; `None` if it has no price.
    pub holding: Option<Holding>,
}

/// Measures one symbol's model by the account that took all of its out-of-fold trades. `atr` is `[symbols × bars]`.
pub fn measure(
    params: &TrainerParams,
    panel: &Panel,
    (rules, atr): (&Rules, &[f64]),
    symbol: usize,
    windows: &[Range<usize>],
    account: &Account,
) -> Measured {
    Measured {
        metrics: Metrics::of(account),
        evidence: Evidence::of_model(account, tries(params), params.seed),
        holding: Holding::of(panel, symbol, windows, atr, rules),
    }
}

/// An account to judge.
pub struct Judged<'a> {
    pub account: &'a Account,
    pub metrics: &'a Metrics,
    /// What the symbol's earlier models have done since they were handed over, if enough is known.
    pub forward: Option<ForwardEvidence>,
}

/// One verdict per account: each by itself, and by the false-discovery rate among all of them and all tries.
/// `portfolio_p_value` is that of the account of all models; NaN if undefined.
pub fn verdicts(params: &TrainerParams, accounts: &[Judged<'_>], portfolio_p_value: f64) -> Vec<Verdict<()>> {
    let moments: Vec<Option<Moments>> = accounts
        .iter()
        .map(|own| Moments::of(&own.account.entries.iter().map(|entry| entry.trade.net_bps).collect::<Vec<_>>()))
        .collect();
    let q_values = q_values_of(params, moments.iter().map(p_value));
    let one = |((own, moments), q_value): ((&Judged<'_>, &Option<Moments>), f64)| {
        let metrics = own.metrics;
        let traded = |value: f64| if metrics.trades.count > 0 { value } else { f64::NAN };
        let deflated = |moments| deflated_sharpe(moments, tries(params));
        let performance = Performance {
            sharpe: traded(metrics.sharpe),
            win_rate: traded(metrics.trades.win_rate),
            max_drawdown: metrics.drawdown.max,
            trades: metrics.trades.count,
            deflated_sharpe: moments.as_ref().map_or(f64::NAN, deflated),
            q_value,
            portfolio_p_value,
            forward: own.forward,
        };
        Verdict::judge((), &performance, &params.approve, &params.verdict)
    };
    accounts.iter().zip(&moments).zip(q_values).map(one).collect()
}

/// The q-value of each model: its p-values are those of the evidence.
pub fn model_q_values<'a>(params: &TrainerParams, evidence: impl Iterator<Item = &'a Evidence>) -> Vec<f64> {
    q_values_of(params, evidence.map(|own| own.p_value.unwrap_or(f64::NAN)))
}

/// The q-value of each model among all of them and all tries.
fn q_values_of(params: &TrainerParams, p_values: impl Iterator<Item = f64>) -> Vec<f64> {
    let p_values: Vec<f64> = p_values.collect();
    q_values(&p_values, p_values.len() as f64 * tries_per_model(params))
}

/// Probability of so good a result without skill; NaN if undefined.
pub fn p_value(moments: &Option<Moments>) -> f64 {
    moments.as_ref().map_or(f64::NAN, |moments| 1.0 - deflated_sharpe(moments, 1))
}

/// Number of tests that each model stands for: its configurations, and the nights on which it was tried before.
fn tries_per_model(params: &TrainerParams) -> f64 {
    tries(params) as f64 * params.nights.max(1.0)
}

/// Evidence of the account that took all symbols' trades.
pub fn portfolio(params: &TrainerParams, account: &Account) -> Evidence {
    Evidence::of_portfolio(account, tries(params), params.seed)
}

/// Number of configurations from which a model was chosen.
fn tries(params: &TrainerParams) -> usize {
    params.models.search.configurations.max(1)
}

/// Metrics without a column of their own, for `model_performance.more`, `daily_metrics.more` and a model's metadata;
/// null where a value is undefined.
pub fn further_metrics(metrics: &Metrics, evidence: &Evidence, holding: Option<&Holding>) -> Map<String, Value> {
    let interval = evidence.interval;
    let Value::Object(map) = json!({
        "days": metrics.days,
        "observations": evidence.observations,
        "tries": evidence.tries,
        "deflated_sharpe": evidence.deflated_sharpe,
        "published_deflated_sharpe": evidence.published_deflated_sharpe,
        "probabilistic_sharpe": evidence.probabilistic_sharpe,
        "observed_sharpe": evidence.observed_sharpe,
        "t_statistic": evidence.t_statistic,
        "p_value": evidence.p_value,
        "skewness": evidence.skewness,
        "kurtosis": evidence.kurtosis,
        "sharpe_low": interval.map(|interval| interval.low),
        "sharpe_high": interval.map(|interval| interval.high),
        "holding_sharpe": holding.map(|holding| holding.sharpe),
        "holding_max_drawdown": holding.map(|holding| holding.max_drawdown),
        "fee_share": metrics.costs.fee_share,
        "spread_share": metrics.costs.spread_share,
        "slippage_share": metrics.costs.slippage_share,
        "funding_share": metrics.costs.funding_share,
    }) else {
        return Map::new();
    };
    map
}

/// Statistics of the trades that the portfolio took or refused by symbol, by side, by market regime at the signal, and by
/// voter that supported them, with the portfolio's money. `voices` has one entry per offer. Trades span at most `horizon_bars`.
pub fn breakdowns(
    (panel, horizon_bars): (&Panel, usize),
    features: &Features,
    offers: &[Offer],
    voices: &[SignalVotes],
    portfolio: &Ledger,
) -> Vec<(&'static str, Breakdown)> {
    let decided = portfolio.decided();
    let trades: Vec<Trade> = decided.iter().map(|&index| offers[index].trade).collect();
    let entries = with_refused(&trades, &portfolio.account, |trade| panel.time_ms(trade.entry_bar).div_euclid(DAY_MS));
    let block_days = panel.timeframe.block_days(horizon_bars);
    let code = |trade: &Trade| features.value(trade.symbol, trade.signal_bar, columns::MARKET_REGIME);
    let regime = |i: usize| [Regime::from_code(code(&trades[i])).map_or(UNKNOWN, Regime::name)];
    let supporters = |i: usize| voices[decided[i]].supporters(trades[i].side.sign()).collect::<Vec<usize>>();
    vec![
        (
            "symbol",
            Breakdown::by(&entries, block_days, |i| [trades[i].symbol], |&symbol| panel.symbols[symbol].clone()),
        ),
        ("side", Breakdown::by(&entries, block_days, |i| [trades[i].side], Side::to_string)),
        ("regime", Breakdown::by(&entries, block_days, regime, |name| (*name).to_owned())),
        (
            "engine",
            Breakdown::by(&entries, block_days, supporters, |&voter: &usize| Voter::ALL[voter].name().to_owned()),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn tests_are_counted_over_configurations_coins_and_nights() {
        // Configurations of the search, p-values of the coins, nights, and the q-value of the first coin: its p-value times all
        // tests, where no other coin is better.
        let table: [(usize, &[f64], f64, f64); 8] = [
            (0, &[0.001], 1.0, 0.001),
            (1, &[0.001], 1.0, 0.001),
            (10, &[0.001], 1.0, 0.01),
            (0, &[0.001, 0.9, 0.9, 0.9], 1.0, 0.004),
            (0, &[0.001], 2.5, 0.0025),
            (10, &[0.001, 0.9, 0.9, 0.9], 2.5, 0.1),
            // A run never stands for less than itself.
            (0, &[0.001, f64::NAN], 0.2, 0.002),
            // Two coins that are equally good share the tests.
            (10, &[0.001, 0.001], 2.0, 0.02),
        ];
        for (configurations, p_values, nights, known) in table {
            let mut params = fixtures::params();
            (params.models.search.configurations, params.nights) = (configurations, nights);
            let found = q_values_of(&params, p_values.iter().copied())[0];
            assert!((found - known).abs() < 1e-12, "{configurations} {p_values:?} {nights}: {found}");
        }
    }
}
