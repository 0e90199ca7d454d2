//! The days of test windows.

use std::ops::Range;

use huracan_bars::{DAY_MS, Panel};

/// Start (ms UTC) of every day that the windows touch, ascending.
pub fn days(panel: &Panel, windows: &[Range<usize>]) -> Vec<i64> {
    let floor = |ms: i64| ms - ms.rem_euclid(DAY_MS);
    let mut days: Vec<i64> = windows
        .iter()
        .filter(|window| !window.is_empty())
        .flat_map(|window| {
            let (first, last) = (floor(panel.time_ms(window.start)), floor(panel.time_ms(window.end - 1)));
            (first..=last).step_by(DAY_MS as usize)
        })
        .collect();
    days.sort_unstable();
    days.dedup();
    days
}
