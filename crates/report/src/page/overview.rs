//! The tiles with the results of the day, and the charts of the portfolio.

use super::text::{grouped, interval, number, percent, probability, signed_percent, tone};
use super::verdicts::evidence_note;
use crate::chart::{Kind, curve, drawdown, points_json};
use crate::{ReportData, ReportError};

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
    pub unit: &'static str,
    pub wide: String,
    pub narrow: String,
    /// Names and points of the curves as JSON, for values under the pointer.
    pub series: String,
    /// Whether the buy-and-hold curve is drawn too.
    pub has_holding: bool,
}

pub(super) fn tiles(data: &ReportData) -> Vec<Tile> {
    let totals = &data.totals;
    let tile = |name, value: String, note: String, tone| Tile { name, value, note, tone, title: String::new() };
    let failed = if totals.failed == 0 { String::new() } else { format!(", {} failed", totals.failed) };
    let holding = &totals.holding;
    let costs = &data.costs;
    let paid = costs.fee + costs.spread + costs.slippage + costs.funding;
    let tries = totals.evidence.tries.max(1);
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
            title: evidence_note(&totals.evidence),
            ..tile(
                "Not luck",
                probability(totals.evidence.deflated_sharpe),
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
    let (range, holding) = (interval(&data.totals.evidence), number(data.totals.holding.sharpe));
    let range = if range.is_empty() { "annualised".to_owned() } else { format!("95%: {range}") };
    format!("{range}; holding {holding}")
}

pub(super) fn charts(data: &ReportData) -> Result<Vec<Chart>, ReportError> {
    let (drawdowns, holding_drawdowns) = (drawdown(&data.equity), drawdown(&data.holding));
    let kinds = [
        ("Equity", "multiples of the start", &data.equity, &data.holding, Kind::Equity, WIDE, NARROW),
        (
            "Drawdown",
            "below the highest equity so far",
            &drawdowns,
            &holding_drawdowns,
            Kind::Drawdown,
            WIDE_DRAWDOWN,
            NARROW_DRAWDOWN,
        ),
    ];
    let suffix = if data.simulated { " (simulated)" } else { "" };
    kinds
        .into_iter()
        .map(|(title, unit, points, holding, kind, wide, narrow)| {
            let what = format!("{title} of the portfolio over time{suffix}");
            let (own, other) = (points_json(points), points_json(holding));
            Ok(Chart {
                title,
                unit,
                wide: curve(points, holding, kind, wide, &what)?,
                narrow: curve(points, holding, kind, narrow, &what)?,
                series: format!(
                    "[{{\"name\":\"portfolio\",\"points\":{own}}},{{\"name\":\"holding\",\"points\":{other}}}]"
                ),
                has_holding: holding.iter().filter(|point| point.1.is_finite()).count() > 1,
            })
        })
        .collect()
}
