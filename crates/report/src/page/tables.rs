//! Tables of groups, voters, patterns and hyperparameters, with every number as text.

use super::text::{NONE, bps, grouped, number, percent, share, signed_share, words};
use crate::typography::minus;
use crate::{ConsensusRow, Group, PatternEntry, PatternResult, ReportData, SearchRow, VoterRow};

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

/// Breakdowns without a section of their own.
pub(super) fn other_groups(data: &ReportData) -> Vec<(&str, Vec<GroupCells>)> {
    data.groups
        .iter()
        .filter(|breakdown| !["symbol", "engine"].contains(&breakdown.by.as_str()) && !breakdown.groups.is_empty())
        .map(|breakdown| (breakdown.by.as_str(), group_rows(&breakdown.groups)))
        .collect()
}

/// What each mode's signals earned: mode, trades, gross, net.
pub(super) fn modes(data: &ReportData) -> Vec<[String; 4]> {
    let net = |row: &ConsensusRow| match row.error_bps {
        Some(error) => format!("{} ± {error:.1}", bps(row.net_bps)),
        None => bps(row.net_bps),
    };
    let name = |mode: &str| match mode {
        "model" => "models alone".to_owned(),
        "both" => "models and consensus".to_owned(),
        _ => "consensus alone".to_owned(),
    };
    let row = |row: &ConsensusRow| [name(&row.mode), grouped(row.trades as f64), bps(row.gross_bps), net(row)];
    data.consensus.modes.iter().map(row).collect()
}

/// Whether the consensus adds anything, in words.
pub(super) fn consensus_verdict(data: &ReportData) -> String {
    let gain = &data.consensus;
    match (gain.gain_bps, gain.error_bps) {
        (Some(by), Some(error)) if by > 2.0 * error => format!(
            "The consensus earns its place: trades that it confirms earn {by:.1} ± {error:.1} bps more than those that it does not."
        ),
        (Some(by), Some(error)) => format!(
            "The consensus adds nothing that these trades show: those that it confirms earn {} ± {error:.1} bps more than those that it does not.",
            minus(format!("{by:.1}"))
        ),
        _ => "There are too few trades of the models to tell what the consensus adds.".to_owned(),
    }
}

/// Voter, family, hit rate (%), trades, win rate (%), mean net (bps), t.
pub(super) fn voters(data: &ReportData) -> Vec<[String; 7]> {
    let cells = |row: &VoterRow| {
        [
            words(&row.voter),
            words(&row.family),
            share(row.hit_rate),
            grouped(row.trades as f64),
            share(row.win_rate),
            bps(row.mean_net_bps),
            number(row.t_statistic),
        ]
    };
    data.voters.iter().map(cells).collect()
}

/// A sentence on the consensus.
pub(super) fn consensus(data: &ReportData) -> String {
    let decisions = &data.decisions;
    let share = |count: u64| percent(Some(count as f64 / decisions.bars.max(1) as f64));
    let (buy, sell) = (share(decisions.beyond_buy), share(decisions.beyond_sell));
    let confidence = percent(decisions.confidence.map(|confidence| confidence / 100.0));
    format!(
        "The consensus score is beyond its threshold to buy in {buy} of the bars, and to sell in {sell}; its mean \
         confidence there is {confidence}."
    )
}

/// A sentence on the highest use of each cap.
pub(super) fn caps(data: &ReportData) -> String {
    let risk = &data.risk;
    format!(
        "Highest use of the caps: {} times the equity in all coins, {} of it in one coin, {} of it at risk if every \
         stop were hit, and a net exposure to the market of {} times the equity.",
        number(Some(risk.peak_leverage)),
        percent(Some(risk.peak_coin_share)),
        percent(Some(risk.peak_open_risk)),
        number(Some(risk.peak_beta_exposure))
    )
}

/// Head, folds whose parameters changed, gain on validation rows and on test rows (%), rounds trained (multiple of
/// those with the parameters of the settings).
pub(super) fn search(data: &ReportData) -> Vec<[String; 5]> {
    let cells = |row: &SearchRow| {
        [
            words(&row.head),
            format!("{} of {}", row.changed, row.folds),
            signed_share(Some(row.validation_gain)),
            signed_share(Some(row.test_gain)),
            if row.cost.is_finite() { format!("{:.1}×", row.cost) } else { NONE.into() },
        ]
    };
    data.search.iter().map(cells).collect()
}

/// A learned pattern.
pub(super) struct PatternRow<'a> {
    pub entry: &'a PatternEntry,
    /// Bars, win rate (%) and net return (bps), the last two with the value of all bars in brackets: on the training,
    /// then on the test windows.
    pub windows: [[String; 3]; 2],
    pub q_value: String,
}

impl<'a> PatternRow<'a> {
    fn of(entry: &'a PatternEntry) -> Self {
        let cells = |result: &PatternResult| {
            [
                grouped(result.rows as f64),
                format!("{} ({})", share(result.win_rate), share(result.base_win_rate)),
                format!("{} ({})", bps(result.mean_net_bps), bps(result.base_net_bps)),
            ]
        };
        Self {
            entry,
            windows: [cells(&entry.train), cells(&entry.test)],
            q_value: format!("{:.3}", entry.test_q_value),
        }
    }
}

pub(super) fn patterns(data: &ReportData) -> Vec<PatternRow<'_>> {
    data.patterns.list.iter().filter(|entry| entry.learned).map(PatternRow::of).collect()
}

pub(super) fn patterns_note(data: &ReportData) -> String {
    let patterns = &data.patterns;
    let learned = patterns.list.iter().filter(|entry| entry.learned).count();
    format!(
        "{learned} of {} candidates were confirmed on the test windows; all {} possible patterns count as tests.",
        patterns.list.iter().filter(|entry| entry.candidate).count(),
        grouped(patterns.tests)
    )
}
