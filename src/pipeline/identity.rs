//! Which run this is.

use std::path::PathBuf;

use chrono::NaiveDate;

use crate::brain::RunRow;
use crate::settings::Settings;

/// What identifies a run. It does not change from the first step to the last.
pub struct RunIdentity {
    pub settings: Settings,
    /// Absolute.
    pub workdir: PathBuf,
    /// The run's day.
    pub date: NaiveDate,
    /// Its row in the brain.
    pub row: RunRow,
    /// The market's time: only bars that closed before it count.
    pub now_ms: i64,
    /// Whether the prices are simulated.
    pub simulated: bool,
    /// Whether this process resumes the run.
    pub resumed: bool,
}
