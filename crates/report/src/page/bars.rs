//! Bar lists: counts, money and times, each with a name, a length, a value and an explanation.

use super::text::{counted, grouped, percent, words};
use super::words::explanation;
use crate::{Importance, ReportData};

/// Maximum number of features shown.
const MAX_FEATURES: usize = 15;

pub(super) struct Bar {
    pub name: String,
    pub value: String,
    /// Explanation of the name; empty if it needs none.
    pub note: &'static str,
    /// Length, per cent of the longest bar.
    pub length: String,
    pub tone: &'static str,
}

/// The money of all trades, step by step from gross to net; each cost also as a share of the gross profit.
pub(super) fn costs(data: &ReportData) -> Vec<Bar> {
    let costs = &data.costs;
    if data.totals.trades == 0 {
        return Vec::new();
    }
    let shares = &data.totals.cost_shares;
    let money =
        |name: &str, value: f64| (name.to_owned(), value, grouped(value), if value < 0.0 { "bad" } else { "good" }, "");
    let cost = |name: &str, value: f64, share: Option<f64>| {
        let share = share.map(|share| format!(" ({})", percent(Some(share)))).unwrap_or_default();
        (name.to_owned(), -value, grouped(-value) + &share, "cost", "")
    };
    bars(vec![
        money("gross", costs.gross),
        cost("fee", costs.fee, shares.fee),
        cost("spread", costs.spread, shares.spread),
        cost("slippage", costs.slippage, shares.slippage),
        cost("funding", costs.funding, shares.funding),
        money("net", costs.net),
    ])
}

pub(super) fn exits(data: &ReportData) -> Vec<Bar> {
    let all: u64 = data.exit_reasons.iter().map(|(_, count)| count).sum();
    counts(data.exit_reasons.iter().map(|(reason, count)| (reason.as_str(), *count as f64)), all as f64)
}

/// Bars of the test windows by decision.
pub(super) fn waits(data: &ReportData) -> Vec<Bar> {
    let decisions = &data.decisions;
    let waits = decisions.waits.iter().map(|(reason, count)| (reason.as_str(), *count as f64));
    let all = waits.chain((decisions.bars > 0).then_some(("signal", decisions.signals as f64)));
    counts(all, decisions.bars as f64)
}

/// Trades offered to the portfolio: taken, or the reason for the refusal.
pub(super) fn refusals(data: &ReportData) -> Vec<Bar> {
    let risk = &data.risk;
    let offered = risk.taken + risk.refused;
    if offered == 0 {
        return Vec::new();
    }
    let refused = risk.refusals.iter().map(|(reason, count)| (reason.as_str(), *count as f64));
    counts(std::iter::once(("taken", risk.taken as f64)).chain(refused), offered as f64)
}

/// How far the trees are believed whose importance is shown, in words.
pub(super) fn importance_note(data: &ReportData) -> String {
    let all = data.symbols.len();
    match data.importance_believed {
        None => "The mean of all models.".to_owned(),
        Some(0) => "Nothing of the trees is believed: these are the trees that were trained, and they decide nothing."
            .to_owned(),
        Some(believed) => format!(
            "The mean of the {believed} of {all} models of whose trees something is believed: those of the pool and the coin's own, each as far as it is believed."
        ),
    }
}

pub(super) fn features(data: &ReportData) -> Vec<Bar> {
    let row = |feature: &Importance| (feature.feature.clone(), feature.share, percent(Some(feature.share)), "", "");
    bars(data.importance.iter().take(MAX_FEATURES).map(row).collect())
}

pub(super) fn steps(data: &ReportData) -> Vec<Bar> {
    let row =
        |(step, seconds): &(String, f64)| (step.clone(), *seconds, huracan_host::text::duration(*seconds), "", "");
    bars(data.seconds.iter().map(row).collect())
}

fn counts<'a>(rows: impl Iterator<Item = (&'a str, f64)>, all: f64) -> Vec<Bar> {
    bars(rows.map(|(name, count)| (words(name), count, counted(count, all), "", explanation(name))).collect())
}

fn bars(rows: Vec<(String, f64, String, &'static str, &'static str)>) -> Vec<Bar> {
    let longest = rows.iter().map(|(_, size, ..)| size.abs()).filter(|size| size.is_finite()).fold(0.0, f64::max);
    rows.into_iter()
        .map(|(name, size, value, tone, note)| {
            let share = if longest > 0.0 && size.is_finite() { 100.0 * size.abs() / longest } else { 0.0 };
            Bar { name, value, note, length: format!("{share:.1}"), tone }
        })
        .collect()
}
