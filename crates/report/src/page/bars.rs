//! Lists of bars: counts, money and time, each with its name, length, value and meaning.

use super::text::{counted, grouped, percent, words};
use super::words::meaning;
use crate::{Importance, ReportData};

/// Features shown at most.
const FEATURES: usize = 15;

pub(super) struct Bar {
    pub name: String,
    pub value: String,
    /// What the name means; empty where it says so itself.
    pub note: &'static str,
    /// Length in per cent of the longest.
    pub length: String,
    pub tone: &'static str,
}

/// The money of all trades, step by step from gross to net, with the share of the gross profit that each cost ate.
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

/// Bars of the test windows by what became of them.
pub(super) fn waits(data: &ReportData) -> Vec<Bar> {
    let decisions = &data.decisions;
    let waits = decisions.waits.iter().map(|(reason, count)| (reason.as_str(), *count as f64));
    let all = waits.chain((decisions.bars > 0).then_some(("signal", decisions.signals as f64)));
    counts(all, decisions.bars as f64)
}

/// What became of the trades that the portfolio was asked to take.
pub(super) fn refusals(data: &ReportData) -> Vec<Bar> {
    let risk = &data.risk;
    let asked = risk.taken + risk.refused;
    if asked == 0 {
        return Vec::new();
    }
    let refused = risk.refusals.iter().map(|(reason, count)| (reason.as_str(), *count as f64));
    counts(std::iter::once(("taken", risk.taken as f64)).chain(refused), asked as f64)
}

pub(super) fn features(data: &ReportData) -> Vec<Bar> {
    let row = |feature: &Importance| (feature.feature.clone(), feature.share, percent(Some(feature.share)), "", "");
    bars(data.importance.iter().take(FEATURES).map(row).collect())
}

pub(super) fn steps(data: &ReportData) -> Vec<Bar> {
    let row =
        |(step, seconds): &(String, f64)| (step.clone(), *seconds, huracan_host::text::duration(*seconds), "", "");
    bars(data.seconds.iter().map(row).collect())
}

fn counts<'a>(rows: impl Iterator<Item = (&'a str, f64)>, all: f64) -> Vec<Bar> {
    bars(rows.map(|(name, count)| (words(name), count, counted(count, all), "", meaning(name))).collect())
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
