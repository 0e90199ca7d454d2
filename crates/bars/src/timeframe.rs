//! The length of a bar.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Milliseconds per hour.
pub const HOUR_MS: i64 = 3_600_000;
/// Milliseconds per day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// The length of a bar, from one minute to one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timeframe {
    minutes: u32,
}

/// Each timeframe's name and minutes.
const NAMES: &[(&str, u32)] = &[
    ("1m", 1),
    ("3m", 3),
    ("5m", 5),
    ("15m", 15),
    ("30m", 30),
    ("1h", 60),
    ("2h", 120),
    ("4h", 240),
    ("6h", 360),
    ("8h", 480),
    ("12h", 720),
    ("1d", 1440),
];

/// The text is not a supported timeframe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("choose one of: 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d")]
pub struct TimeframeError;

impl Timeframe {
    /// One hour.
    pub const H1: Self = Self { minutes: 60 };
    /// One day.
    pub const D1: Self = Self { minutes: 1440 };

    /// Milliseconds from one bar's open to the next.
    pub fn ms(self) -> i64 {
        i64::from(self.minutes) * 60_000
    }

    /// Bars in `days` whole days.
    pub fn bars_in_days(self, days: u32) -> usize {
        (i64::from(days) * DAY_MS / self.ms()) as usize
    }

    /// Whole days, at least one, that so many bars fit into: the length of the blocks by which errors are counted. Trades whose
    /// labels last so many bars overlap within a day and beyond it, so a block is as long as a label.
    pub fn block_days(self, bars: usize) -> i64 {
        ((bars as i64 * self.ms() + DAY_MS - 1) / DAY_MS).max(1)
    }

    /// The same in milliseconds.
    pub fn block_ms(self, bars: usize) -> i64 {
        self.block_days(bars) * DAY_MS
    }

    /// Bars in a year of 365 days; the market never closes.
    pub fn bars_per_year(self) -> f64 {
        (365 * DAY_MS / self.ms()) as f64
    }

    /// The timeframe whose bars are `ms` milliseconds long, if it is supported.
    pub fn from_ms(ms: i64) -> Option<Self> {
        NAMES.iter().map(|&(_, minutes)| Self { minutes }).find(|t| t.ms() == ms)
    }
}

impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, minutes)| *minutes == self.minutes).map_or("?", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for Timeframe {
    type Err = TimeframeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NAMES.iter().find(|(name, _)| *name == text).map(|&(_, minutes)| Self { minutes }).ok_or(TimeframeError)
    }
}

impl TryFrom<String> for Timeframe {
    type Error = TimeframeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Timeframe> for String {
    fn from(timeframe: Timeframe) -> Self {
        timeframe.to_string()
    }
}
