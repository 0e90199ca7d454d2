//! What all symbols share: their returns side by side, and the calendar of the panel's grid.

use super::cross::Returns;
use crate::market::{DAY_MS, HOUR_MS, Panel};

/// Inputs of every symbol's features that are not its own.
pub struct Shared {
    pub returns: Returns,
    /// Hour of the day, day of the week and weekend of each bar's open, `[bars]` each.
    pub calendar: [Vec<f64>; 3],
}

impl Shared {
    pub fn new(panel: &Panel) -> Self {
        Self { returns: Returns::new(panel), calendar: calendar(panel) }
    }
}

fn calendar(panel: &Panel) -> [Vec<f64>; 3] {
    let times = || (0..panel.bars).map(|bar| panel.time_ms(bar));
    // 1970-01-01 was a Thursday, day 3 of a week that begins on Monday.
    let day = |time: i64| (time.div_euclid(DAY_MS) + 3).rem_euclid(7);
    [
        times().map(|time| (time.rem_euclid(DAY_MS) / HOUR_MS) as f64).collect(),
        times().map(|time| day(time) as f64).collect(),
        times().map(|time| if day(time) >= 5 { 1.0 } else { 0.0 }).collect(),
    ]
}
