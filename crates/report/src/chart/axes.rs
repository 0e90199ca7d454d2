//! Labels of the axes: positions on the time axis, and text of values.

use chrono::DateTime;

use crate::typography::minus;
use huracan_bars::{DAY_MS, HOUR_MS};

/// A Monday at midnight, ms since the epoch: weeks start there.
const MONDAY_MS: i64 = 4 * DAY_MS;
/// Allowed distances between labels, ms.
const STEPS_MS: [i64; 14] = [
    HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    4 * DAY_MS,
    7 * DAY_MS,
    14 * DAY_MS,
    28 * DAY_MS,
    56 * DAY_MS,
    91 * DAY_MS,
    182 * DAY_MS,
    364 * DAY_MS,
];

/// At most `max` round times (ms UTC) within `from..=to`, evenly spaced.
pub(super) fn ticks(from: i64, to: i64, max: usize) -> Vec<i64> {
    let span = to.saturating_sub(from).max(1);
    let fits = |step: &&i64| span / **step < max as i64;
    let step = STEPS_MS.iter().find(fits).copied().unwrap_or((span / max.max(1) as i64 / DAY_MS + 1) * DAY_MS);
    let offset = MONDAY_MS % step;
    let first = from + (offset - from).rem_euclid(step);
    (0..).map(|n| first + n * step).take_while(|time| *time <= to).take(max).collect()
}

/// A time as the label of an axis that spans `days` days.
pub(super) fn date(ms: i64, days: f64) -> String {
    let format = match days {
        days if days <= 1.5 => "%H:%M",
        days if days <= 4.0 => "%-d %b %H:%M",
        days if days <= 400.0 => "%-d %b",
        _ => "%b %Y",
    };
    DateTime::from_timestamp_millis(ms).map(|time| time.format(format).to_string()).unwrap_or_default()
}

/// Number of decimals needed to distinguish labels that are `step` apart.
pub(super) fn decimals(step: f64) -> usize {
    (-step.max(1e-9).log10()).ceil().clamp(0.0, 6.0) as usize
}

/// A multiple of the start; in scientific notation if it would be too long.
pub(super) fn multiple(value: f64, digits: usize) -> String {
    let text = if value.abs() < 1e5 { format!("{value:.digits$}") } else { format!("{value:.1e}") };
    minus(text)
}

/// A share in per cent, with a typographic minus sign, and no sign on zero.
pub(super) fn percent(share: f64, digits: usize) -> String {
    minus(format!("{:.digits$}%", 100.0 * share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_at_round_times_and_never_too_many() {
        let start = 1_715_904_000_000; // 17 May 2024, 00:00 UTC.
        for (hours, max, step_hours, count) in [(20, 8, 3, 7), (24 * 90, 9, 14 * 24, 6), (24 * 90, 4, 28 * 24, 3)] {
            let found = ticks(start, start + hours * HOUR_MS, max);
            assert_eq!(found.len(), count, "{hours} h: {found:?}");
            assert!(found.windows(2).all(|pair| pair[1] - pair[0] == step_hours * HOUR_MS));
            assert!(found.iter().all(|time| time % HOUR_MS == 0));
        }
        assert_eq!(date(ticks(start, start + 90 * DAY_MS, 9)[0], 90.0), "27 May", "a Monday");
        for (from, to) in [(0, 0), (i64::MIN / 4, i64::MAX / 4), (5, 6)] {
            assert!(ticks(from, to, 5).len() <= 5);
        }
    }

    #[test]
    fn a_multiple_is_short_enough_for_its_axis() {
        let all = [multiple(0.987, 2), multiple(-1.0, 1), multiple(99_999.0, 0), multiple(12_345_678.9, 0)];
        assert_eq!(all, ["0.99", "−1.0", "99999", "1.2e7"]);
    }

    #[test]
    fn a_share_has_a_typographic_minus_and_no_sign_on_zero() {
        let all = [percent(-0.0, 0), percent(-0.004, 0), percent(-0.1, 0), percent(0.0512, 1)];
        assert_eq!(all, ["0%", "0%", "−10%", "5.1%"]);
    }
}
