//! What a schedule has to do at once: catch up a missed start, or resume a run that was cut off.

use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};

use super::CommandFuture;
use crate::brain::{Brain, RunRow, RunStatus};
use crate::exit::CommandFailure;
use crate::pipeline::copies;
use crate::settings::Settings;
use crate::sync::{Credentials, Remote};

/// What is due before the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// No run has started since the last start time.
    Missed,
    /// The run of this day, started since the last start time, was cut off.
    Unfinished(NaiveDate),
}

/// What is due if the schedule's last start time was `start`. Nothing is due without any runs in the brain: the first
/// one then starts at the next start time.
///
/// # Errors
/// A brain that cannot be opened or read.
pub fn due<'a>(settings: &'a Settings, workdir: &'a Path, start: DateTime<Utc>) -> CommandFuture<'a, Option<Due>> {
    Box::pin(find(settings, workdir, start))
}

async fn find(settings: &Settings, workdir: &Path, start: DateTime<Utc>) -> Result<Option<Due>, CommandFailure> {
    let workdir = std::path::absolute(workdir)?;
    // A new machine that replaces another one finds the earlier runs only in the brain on the remote.
    if copies::is_brain_missing(settings, &workdir).await? {
        let remote = Remote::open(&settings.sync, &workdir, &Credentials::from_environment())?;
        copies::restore_missing(settings, &workdir, &remote, Utc::now().date_naive()).await?;
    }
    let brain = Brain::open(&settings.brain.url, &workdir, settings.brain.connections).await?;
    let latest = brain.latest_run(None).await;
    brain.close().await;
    Ok(latest?.and_then(|run| due_after(&run, start)))
}

fn due_after(latest: &RunRow, start: DateTime<Utc>) -> Option<Due> {
    if latest.started < start {
        return Some(Due::Missed);
    }
    // A run that failed would fail again.
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
        assert_eq!(due_after(&run(999, RunStatus::Done), start), Some(Due::Missed));
        assert_eq!(due_after(&run(999, RunStatus::Interrupted), start), Some(Due::Missed));
        assert_eq!(due_after(&run(1000, RunStatus::Interrupted), start), Some(Due::Unfinished(date)));
        assert_eq!(due_after(&run(1000, RunStatus::Running), start), Some(Due::Unfinished(date)));
        for ended in [RunStatus::Done, RunStatus::Partial, RunStatus::Failed] {
            assert_eq!(due_after(&run(1000, ended), start), None);
        }
    }
}
