//! The tiles with the results of the day, and the charts of the accounts.

use std::collections::BTreeSet;

use super::text::{bps, grouped, interval, number, percent, probability, signed_percent, tone};
use super::verdicts::evidence_note;
use crate::chart::{Kind, curve, drawdown, points_json};
use crate::{AccountResult, ReportData, ReportError};

/// Sizes of a chart for a wide screen and for a phone, so that its text is readable on both.
const WIDE: (u32, u32) = (1080, 300);
const NARROW: (u32, u32) = (420, 260);
const WIDE_DRAWDOWN: (u32, u32) = (1080, 190);
const NARROW_DRAWDOWN: (u32, u32) = (420, 180);

pub(super) struct Tile {
    pub name: &'static str,
    pub value: String,
    pub note: String,
    pub tone: &'static str,
    /// Tooltip.
    pub title: String,
}

pub(super) struct Chart {
    pub title: &'static str,
    /// Name of the account.
    pub whose: &'static str,
    pub unit: &'static str,
    pub wide: String,
    pub narrow: String,
    /// Names and points of the curves as JSON, for values under the pointer.
    pub series: String,
    /// Whether the buy-and-hold curve is drawn too.
    pub has_holding: bool,
}

pub(super) fn tiles(data: &ReportData) -> Vec<Tile> {
    let (totals, account) = (&data.totals, &data.account);
    let tile = |name, value: String, note: String, tone| Tile { name, value, note, tone, title: String::new() };
    let failed = if totals.failed == 0 { String::new() } else { format!(", {} failed", totals.failed) };
    let holding = &totals.holding;
    let tries = account.evidence.tries.max(1);
    let all = &data.all_models;
    vec![
        tile(
            "Approved",
            format!("{} of {}", totals.approved, totals.symbols),
            format!("{} rejected{failed}", totals.rejected),
            if totals.approved > 0 { "good" } else { "" },
        ),
        tile(
            "Return",
            signed_percent(account.total_return),
            format!("net of costs; holding {}", signed_percent(holding.total_return)),
            tone(account.total_return),
        ),
        tile("Sharpe", number(account.sharpe), sharpe_note(data), tone(account.sharpe)),
        Tile {
            title: evidence_note(&account.evidence),
            ..tile(
                "Not luck",
                probability(account.evidence.deflated_sharpe),
                format!("deflated Sharpe, {tries} tr{}", if tries == 1 { "y" } else { "ies" }),
                "",
            )
        },
        tile(
            "Largest drawdown",
            percent(account.max_drawdown),
            format!("from a peak; holding {}", percent(holding.max_drawdown)),
            "",
        ),
        tile(
            "Trades",
            grouped(account.trades as f64),
            format!("{} won; {} refused", percent(account.win_rate), grouped(account.refused as f64)),
            "",
        ),
        tile("Net per trade, bps", bps(account.net_bps), per_trade(account), tone(account.net_bps)),
        tile(
            "All models, bps",
            bps(all.net_bps),
            format!("{} trades, approved or not; {}", grouped(all.trades as f64), per_trade(all)),
            tone(all.net_bps),
        ),
    ]
}

/// What a trade earned before costs, and what they took.
fn per_trade(account: &AccountResult) -> String {
    format!("gross {}, costs {}", bps(account.gross_bps), bps(account.cost_bps.map(|cost| -cost)))
}

/// The two accounts beside each other: name of the row, account as it would have gone, account of all models.
pub(super) fn accounts(data: &ReportData) -> Vec<[String; 3]> {
    let row =
        |name: &str, of: &dyn Fn(&AccountResult) -> String| [name.to_owned(), of(&data.account), of(&data.all_models)];
    let with_error = |value: Option<f64>, error: Option<f64>| match error {
        Some(error) if value.is_some() => format!("{} ± {error:.1}", bps(value)),
        _ => bps(value),
    };
    vec![
        row("Trades taken", &|own| grouped(own.trades as f64)),
        row("Trades refused", &|own| grouped(own.refused as f64)),
        row("Win rate", &|own| percent(own.win_rate)),
        row("Predicted edge per trade, bps", &|own| bps(own.predicted_bps)),
        row("Realised of it, bps", &|own| with_error(own.realised_bps, own.error_bps)),
        row("Gross per trade, bps", &|own| bps(own.gross_bps)),
        row("Costs per trade, bps", &|own| bps(own.cost_bps.map(|cost| -cost))),
        row("Net per trade, bps", &|own| with_error(own.net_bps, own.net_error_bps)),
        row("Return", &|own| signed_percent(own.total_return)),
        row("Sharpe ratio", &|own| number(own.sharpe)),
        row("95 % of the Sharpe ratio", &|own| interval(&own.evidence)),
        row("t by days", &|own| number(own.evidence.t_statistic)),
        row("Largest drawdown", &|own| percent(own.max_drawdown)),
    ]
}

/// What the account traded by: the approvals over time, in words.
pub(super) fn approvals(data: &ReportData) -> String {
    let with = data.approvals.iter().filter(|row| !row.approved.is_empty()).count();
    let coins: BTreeSet<&String> = data.approvals.iter().flat_map(|row| &row.approved).collect();
    match (data.approvals.len(), with) {
        (0, _) => "There was no fold boundary.".to_owned(),
        (all, 0) => format!(
            "At none of the {all} fold boundaries was a model approved from what was known by then, so this account did not trade."
        ),
        (all, with) => format!(
            "At {with} of {all} fold boundaries at least one model was approved from what was known by then; {} coins were approved at some time.",
            coins.len()
        ),
    }
}

fn sharpe_note(data: &ReportData) -> String {
    let (range, holding) = (interval(&data.account.evidence), number(data.totals.holding.sharpe));
    let range = if range.is_empty() { "annualised".to_owned() } else { format!("95%: {range}") };
    format!("{range}; holding {holding}")
}

pub(super) fn charts(data: &ReportData) -> Result<Vec<Chart>, ReportError> {
    let (drawdowns, holding_drawdowns) = (drawdown(&data.account_equity), drawdown(&data.holding));
    let kinds = [
        ("Equity", "account", &data.account_equity, &data.holding, Kind::Equity, WIDE, NARROW),
        ("Drawdown", "account", &drawdowns, &holding_drawdowns, Kind::Drawdown, WIDE_DRAWDOWN, NARROW_DRAWDOWN),
        ("Equity", "all models", &data.equity, &data.holding, Kind::Equity, WIDE, NARROW),
    ];
    let suffix = if data.simulated { " (simulated)" } else { "" };
    kinds
        .into_iter()
        .map(|(title, whose, points, holding, kind, wide, narrow)| {
            let what = format!(
                "{title} of the {} over time{suffix}",
                if whose == "account" { whose } else { "account of all models" }
            );
            let (own, other) = (points_json(points), points_json(holding));
            Ok(Chart {
                title,
                whose,
                unit: if title == "Equity" { "multiples of the start" } else { "below the highest equity so far" },
                wide: curve(points, holding, kind, wide, &what)?,
                narrow: curve(points, holding, kind, narrow, &what)?,
                series: format!(
                    "[{{\"name\":\"{whose}\",\"points\":{own}}},{{\"name\":\"holding\",\"points\":{other}}}]"
                ),
                has_holding: holding.iter().filter(|point| point.1.is_finite()).count() > 1,
            })
        })
        .collect()
}
