//! When breakers held, as lanes over the time of the portfolio.

use chrono::DateTime;

use super::text::{grouped, words};
use super::words::meaning;
use crate::ReportData;

/// Spans closer than this share of the lane, per cent, are drawn as one: what lies between is thinner than a pixel.
const NEAR: f64 = 0.1;

pub(super) struct Lane {
    pub name: String,
    pub note: &'static str,
    pub tripped: String,
    pub held_hours: String,
    /// What a reader that sees no lane is told.
    pub label: String,
    pub spans: Vec<Span>,
}

/// Where a span lies, per cent of the lane, and its times.
pub(super) struct Span {
    pub left: String,
    pub width: String,
    pub title: String,
}

/// First and last day of the lanes; none without a portfolio.
pub(super) fn days(data: &ReportData) -> Option<[String; 2]> {
    let (from, to) = ends(data)?;
    Some([day(from), day(to)])
}

pub(super) fn lanes(data: &ReportData) -> Vec<Lane> {
    let Some((from, to)) = ends(data) else { return Vec::new() };
    let place = |ms: i64| 100.0 * (ms.clamp(from, to) - from) as f64 / (to - from).max(1) as f64;
    data.risk
        .trips
        .iter()
        .map(|(name, times)| {
            let own = || data.risk.breakers.iter().filter(|span| &span.breaker == name);
            let held_hours = grouped(own().map(|span| (span.to_ms - span.from_ms) as f64 / 3_600_000.0).sum());
            let tripped = grouped(*times as f64);
            let span = |(from_ms, to_ms): (i64, i64)| Span {
                left: format!("{:.2}", place(from_ms)),
                width: format!("{:.2}", place(to_ms) - place(from_ms)),
                title: format!("{} to {}", time(from_ms), time(to_ms)),
            };
            let mut drawn: Vec<(i64, i64)> = Vec::new();
            for own in own() {
                match drawn.last_mut() {
                    Some((_, end)) if place(own.from_ms) - place(*end) < NEAR => *end = own.to_ms.max(*end),
                    _ => drawn.push((own.from_ms, own.to_ms)),
                }
            }
            Lane {
                name: words(name),
                note: meaning(name),
                label: format!("{}: tripped {tripped} times, held for {held_hours} hours in all", words(name)),
                tripped,
                held_hours,
                spans: drawn.into_iter().map(span).collect(),
            }
        })
        .collect()
}

fn ends(data: &ReportData) -> Option<(i64, i64)> {
    let times = || data.equity.iter().map(|point| point.0);
    Some((times().min()?, times().max()?))
}

fn day(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).map(|time| time.format("%-d %b %Y").to_string()).unwrap_or_default()
}

fn time(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).map(|time| time.format("%-d %b %H:%M").to_string()).unwrap_or_default()
}
