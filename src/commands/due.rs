//! What the schedule owes: a start that nobody was there for, or a run that was cut off.

use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};

use super::Ending;
use crate::brain::{Brain, RunRow, RunStatus};
use crate::exit::Failure;
use crate::pipeline::copies;
use crate::settings::Settings;
use crate::sync::{Credentials, Remote};

/// What is to be done before the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// No run has begun since the last start.
    Missed,
    /// The run of this day, begun since the last start, was cut off.
    Unfinished(NaiveDate),
}

/// What is due when the last start of the schedule was at `start`; nothing in a brain without runs, whose first start
/// is the next one.
///
/// # Errors
/// A brain that cannot be opened or read.
pub fn due<'a>(settings: &'a Settings, workdir: &'a Path, start: DateTime<Utc>) -> Ending<'a, Option<Due>> {
    Box::pin(find(settings, workdir, start))
}

async fn find(settings: &Settings, workdir: &Path, start: DateTime<Utc>) -> Result<Option<Due>, Failure> {
    let workdir = std::path::absolute(workdir)?;
    // A machine that took another's place knows of no run before it has that one's library.
    if copies::is_without_brain(settings, &workdir).await? {
        let remote = Remote::open(&settings.sync, &workdir, &Credentials::from_environment())?;
        copies::bring_back(settings, &workdir, &remote, Utc::now().date_naive()).await?;
    }
    let brain = Brain::open(&settings.brain.url, &workdir, settings.brain.connections).await?;
    let latest = brain.latest_run(None).await;
    brain.close().await;
    Ok(latest?.and_then(|run| judge(&run, start)))
}

fn judge(latest: &RunRow, start: DateTime<Utc>) -> Option<Due> {
    if latest.started < start {
        return Some(Due::Missed);
    }
    // A run that failed by itself would fail again.
    matches!(latest.status, RunStatus::Running | RunStatus::Interrupted).then_some(Due::Unfinished(latest.date))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::brain::time_of_ms;

    #[test]
    fn a_start_without_a_run_is_missed_and_a_run_that_was_cut_off_is_unfinished() {
        let date = NaiveDate::from_ymd_opt(2025, 11, 8).unwrap();
        let run = |started_ms: i64, status| {
            let mut run = RunRow::new("a run".to_owned(), date);
            (run.started, run.status) = (time_of_ms(started_ms), status);
            run
        };
        let start = time_of_ms(1000);
        assert_eq!(judge(&run(999, RunStatus::Done), start), Some(Due::Missed));
        assert_eq!(judge(&run(999, RunStatus::Interrupted), start), Some(Due::Missed));
        assert_eq!(judge(&run(1000, RunStatus::Interrupted), start), Some(Due::Unfinished(date)));
        assert_eq!(judge(&run(1000, RunStatus::Running), start), Some(Due::Unfinished(date)));
        for ended in [RunStatus::Done, RunStatus::Partial, RunStatus::Failed] {
            assert_eq!(judge(&run(1000, ended), start), None);
        }
    }
}
