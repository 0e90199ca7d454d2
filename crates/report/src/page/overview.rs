//! The figures of the day and the curves of the portfolio.

use super::text::{grouped, interval, number, percent, probability, signed_percent, tone};
use super::verdicts::luck_note;
use crate::chart::{Kind, curve, drawdown, readable};
use crate::{ReportData, ReportError};

/// Sizes of a chart for a wide screen and for a phone: text stays readable on both.
const WIDE: (u32, u32) = (1080, 300);
const NARROW: (u32, u32) = (420, 260);
const WIDE_FALL: (u32, u32) = (1080, 190);
const NARROW_FALL: (u32, u32) = (420, 180);

pub(super) struct Tile {
    pub name: &'static str,
    pub value: String,
    pub note: String,
    pub tone: &'static str,
    /// What the pointer is told.
    pub title: String,
}

pub(super) struct Chart {
    pub title: &'static str,
    pub unit: &'static str,
    pub wide: String,
    pub narrow: String,
    /// Curves by name and their points, for values under the pointer.
    pub series: String,
    /// Whether the coins that are held are drawn beside.
    pub beside: bool,
}

pub(super) fn tiles(data: &ReportData) -> Vec<Tile> {
    let totals = &data.totals;
    let tile = |name, value: String, note: String, tone| Tile { name, value, note, tone, title: String::new() };
    let failed = if totals.failed == 0 { String::new() } else { format!(", {} failed", totals.failed) };
    let holding = &totals.holding;
    let costs = &data.costs;
    let paid = costs.fee + costs.spread + costs.slippage + costs.funding;
    let tries = totals.luck.tries.max(1);
    vec![
        tile(
            "Approved",
            format!("{} of {}", totals.approved, totals.symbols),
            format!("{} rejected{failed}", totals.rejected),
            if totals.approved > 0 { "good" } else { "" },
        ),
        tile(
            "Return",
            signed_percent(totals.total_return),
            format!("net of costs; holding {}", signed_percent(holding.total_return)),
            tone(totals.total_return),
        ),
        tile("Sharpe", number(totals.sharpe), sharpe_note(data), tone(totals.sharpe)),
        Tile {
            title: luck_note(&totals.luck),
            ..tile(
                "Not luck",
                probability(totals.luck.deflated_sharpe),
                format!("deflated Sharpe, {tries} tr{}", if tries == 1 { "y" } else { "ies" }),
                "",
            )
        },
        tile(
            "Largest drawdown",
            percent(totals.max_drawdown),
            format!("from a peak; holding {}", percent(holding.max_drawdown)),
            "",
        ),
        tile(
            "Win rate",
            percent(totals.win_rate),
            format!("{} of {} trades taken", grouped(data.risk.taken as f64), grouped(totals.trades as f64)),
            "",
        ),
        tile(
            "Net profit",
            if totals.trades > 0 { grouped(costs.net) } else { super::text::NONE.into() },
            costs.currency.clone(),
            if totals.trades > 0 && costs.net < -0.5 { "bad" } else { "" },
        ),
        tile(
            "Cost share",
            percent(totals.cost_share),
            format!("of gross profit; {} {}", grouped(paid), costs.currency),
            "",
        ),
    ]
}

fn sharpe_note(data: &ReportData) -> String {
    let (range, holding) = (interval(&data.totals.luck), number(data.totals.holding.sharpe));
    let range = if range.is_empty() { "annualised".to_owned() } else { format!("95%: {range}") };
    format!("{range}; holding {holding}")
}

pub(super) fn charts(data: &ReportData) -> Result<Vec<Chart>, ReportError> {
    let (falls, held_falls) = (drawdown(&data.equity), drawdown(&data.holding));
    let kinds = [
        ("Equity", "multiples of the start", &data.equity, &data.holding, Kind::Equity, WIDE, NARROW),
        ("Drawdown", "below the highest equity so far", &falls, &held_falls, Kind::Drawdown, WIDE_FALL, NARROW_FALL),
    ];
    let invented = if data.simulated { " (simulated)" } else { "" };
    kinds
        .into_iter()
        .map(|(title, unit, points, beside, kind, wide, narrow)| {
            let what = format!("{title} of the portfolio over time{invented}");
            let (own, other) = (readable(points), readable(beside));
            Ok(Chart {
                title,
                unit,
                wide: curve(points, beside, kind, wide, &what)?,
                narrow: curve(points, beside, kind, narrow, &what)?,
                series: format!(
                    "[{{\"name\":\"portfolio\",\"points\":{own}}},{{\"name\":\"holding\",\"points\":{other}}}]"
                ),
                beside: beside.iter().filter(|point| point.1.is_finite()).count() > 1,
            })
        })
        .collect()
}
