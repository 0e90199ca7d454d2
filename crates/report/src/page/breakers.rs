//! Periods of active breakers, as lanes over the time of the portfolio.

use chrono::DateTime;
use huracan_bars::HOUR_MS;

use super::text::{grouped, words};
use super::words::explanation;
use crate::{BreakerSpan, ReportData};

/// Spans that are closer than this, per cent of the lane, are drawn as one: the gap is thinner than a pixel.
const MIN_GAP: f64 = 0.1;

pub(super) struct Lane {
    pub name: String,
    pub note: &'static str,
    pub tripped: String,
    pub active_hours: String,
    /// Text alternative for screen readers.
    pub label: String,
    pub spans: Vec<Span>,
}

/// Position of a span, per cent of the lane, and its times as text.
pub(super) struct Span {
    pub left: String,
    pub width: String,
    pub title: String,
}

/// First and last day of the lanes; `None` without a portfolio.
pub(super) fn days(data: &ReportData) -> Option<[String; 2]> {
    let (from, to) = ends(data)?;
    Some([day(from), day(to)])
}

pub(super) fn lanes(data: &ReportData) -> Vec<Lane> {
    let Some((from, to)) = ends(data) else { return Vec::new() };
    let position = |ms: i64| 100.0 * (ms.clamp(from, to) - from) as f64 / (to - from).max(1) as f64;
    data.risk
        .trips
        .iter()
        .map(|(name, times)| {
            let own = || data.risk.breakers.iter().filter(|span| &span.breaker == name);
            let active_hours = grouped(active_ms(own()) as f64 / HOUR_MS as f64);
            let tripped = grouped(*times as f64);
            let span = |(from_ms, to_ms): (i64, i64)| Span {
                left: format!("{:.2}", position(from_ms)),
                width: format!("{:.2}", position(to_ms) - position(from_ms)),
                title: format!("{} to {}", time(from_ms), time(to_ms)),
            };
            let mut drawn: Vec<(i64, i64)> = Vec::new();
            for own in own() {
                match drawn.last_mut() {
                    Some((_, end)) if position(own.from_ms) - position(*end) < MIN_GAP => *end = own.to_ms.max(*end),
                    _ => drawn.push((own.from_ms, own.to_ms)),
                }
            }
            Lane {
                name: words(name),
                note: explanation(name),
                label: format!("{}: tripped {tripped} times, active for {active_hours} hours in total", words(name)),
                tripped,
                active_hours,
                spans: drawn.into_iter().map(span).collect(),
            }
        })
        .collect()
}

/// Milliseconds within at least one of the spans, which are ordered by their start: those of several coins may overlap.
fn active_ms<'a>(spans: impl Iterator<Item = &'a BreakerSpan>) -> i64 {
    let (mut active, mut until) = (0, i64::MIN);
    for span in spans {
        active += (span.to_ms - span.from_ms.max(until)).max(0);
        until = until.max(span.to_ms);
    }
    active
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_that_several_spans_share_count_once() {
        let span = |from_ms, to_ms| BreakerSpan { breaker: "streak_breaker".into(), from_ms, to_ms };
        let spans = [span(0, 10), span(2, 5), span(8, 12), span(20, 21)];
        assert_eq!((active_ms(spans.iter()), active_ms([].iter())), (13, 0));
    }
}
