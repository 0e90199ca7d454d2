//! Tables of groups, engines, patterns and hyperparameters, every number as text.

use super::text::{NONE, bps, grouped, number, percent, share, signed_share, words};
use crate::{EngineRow, Group, PatternEntry, PatternSide, ReportData, SearchRow};

/// Name, trades, win rate (%), mean net (bps), t, profit factor, profit (currency), cost share (%).
pub(super) type GroupCells = [String; 8];

pub(super) fn group_rows(groups: &[Group]) -> Vec<GroupCells> {
    let row = |group: &Group| {
        [
            group.name.clone(),
            grouped(group.trades as f64),
            share(group.win_rate),
            bps(group.mean_net_bps),
            number(group.t_statistic),
            number(group.profit_factor),
            group.net_profit.map_or(NONE.into(), grouped),
            share(group.cost_share),
        ]
    };
    groups.iter().map(row).collect()
}

/// Breakdowns that have no section of their own.
pub(super) fn other_groups(data: &ReportData) -> Vec<(&str, Vec<GroupCells>)> {
    data.groups
        .iter()
        .filter(|breakdown| !["symbol", "engine"].contains(&breakdown.by.as_str()) && !breakdown.groups.is_empty())
        .map(|breakdown| (breakdown.by.as_str(), group_rows(&breakdown.groups)))
        .collect()
}

/// Engine, family, hit rate (%), trades, win rate (%), mean net (bps), t.
pub(super) fn engines(data: &ReportData) -> Vec<[String; 7]> {
    let cells = |row: &EngineRow| {
        [
            words(&row.engine),
            words(&row.family),
            share(row.hit_rate),
            grouped(row.trades as f64),
            share(row.win_rate),
            bps(row.mean_net_bps),
            number(row.t_statistic),
        ]
    };
    data.engines.iter().map(cells).collect()
}

/// The consensus in a sentence.
pub(super) fn consensus(data: &ReportData) -> String {
    let decisions = &data.decisions;
    let share = |count: u64| percent(Some(count as f64 / decisions.bars.max(1) as f64));
    let (buy, sell) = (share(decisions.beyond_buy), share(decisions.beyond_sell));
    let confidence = percent(decisions.confidence.map(|confidence| confidence / 100.0));
    format!(
        "The score exceeds its threshold to buy in {buy} of the bars, to sell in {sell}; mean confidence there {confidence}."
    )
}

/// How much of each cap was used at most, in a sentence.
pub(super) fn caps(data: &ReportData) -> String {
    let risk = &data.risk;
    format!(
        "At most {} times the equity in all coins, {} of it in one coin, {} of it lost if every stop were hit.",
        number(Some(risk.peak_leverage)),
        percent(Some(risk.peak_coin_share)),
        percent(Some(risk.peak_open_risk))
    )
}

/// Head, folds moved, gain on validation rows and on test rows (%), rounds trained (times the settings' own).
pub(super) fn search(data: &ReportData) -> Vec<[String; 5]> {
    let cells = |row: &SearchRow| {
        [
            words(&row.head),
            format!("{} of {}", row.moved, row.folds),
            signed_share(Some(row.validation_gain)),
            signed_share(Some(row.test_gain)),
            if row.cost.is_finite() { format!("{:.1}×", row.cost) } else { NONE.into() },
        ]
    };
    data.search.iter().map(cells).collect()
}

/// A learned pattern. Bars, win rate (%) and net return (bps), each with that of all bars in brackets: on the training,
/// then on the test windows.
pub(super) struct PatternRow<'a> {
    pub entry: &'a PatternEntry,
    pub parts: [[String; 3]; 2],
    pub q_value: String,
}

impl<'a> PatternRow<'a> {
    fn of(entry: &'a PatternEntry) -> Self {
        let part = |side: &PatternSide| {
            [
                grouped(side.rows as f64),
                format!("{} ({})", share(side.win_rate), share(side.base_win_rate)),
                format!("{} ({})", bps(side.mean_net_bps), bps(side.base_net_bps)),
            ]
        };
        Self { entry, parts: [part(&entry.train), part(&entry.test)], q_value: format!("{:.3}", entry.test_q_value) }
    }
}

pub(super) fn patterns(data: &ReportData) -> Vec<PatternRow<'_>> {
    data.patterns.list.iter().filter(|entry| entry.learned).map(PatternRow::of).collect()
}

pub(super) fn patterns_note(data: &ReportData) -> String {
    let patterns = &data.patterns;
    let learned = patterns.list.iter().filter(|entry| entry.learned).count();
    format!(
        "{learned} of {} candidates held on the test windows; {} patterns could have been looked at, and all of them count.",
        patterns.list.iter().filter(|entry| entry.candidate).count(),
        grouped(patterns.tests)
    )
}
