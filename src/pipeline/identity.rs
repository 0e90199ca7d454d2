//! Which run this is.

use std::path::PathBuf;

use chrono::NaiveDate;

use crate::brain::RunRow;
use crate::settings::Settings;

/// What a run is known by from its first step to its last.
pub struct RunIdentity {
    pub settings: Settings,
    /// Absolute.
    pub workdir: PathBuf,
    /// The day that it stands for.
    pub date: NaiveDate,
    /// Its row in the brain.
    pub row: RunRow,
    /// The market's time: only bars that closed before it count.
    pub now_ms: i64,
    /// Whether its prices are invented.
    pub simulated: bool,
    /// Whether it had begun before, and goes on here.
    pub resumed: bool,
}
