//! Step 9, in the background of all others: four schedules that upload what changed, each a task of its own.
//!
//! None can delay or fail the run: errors are logged and the upload is retried at the next turn, and the end of the run uploads
//! and verifies everything.

use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::CommandFailure;
use super::uploads::{FileSelection, Uploads};
use crate::settings::SyncEvery;
use crate::sync::{Kind, Manifest};

/// Time for uploads in progress when the schedules end. Files that are aborted are uploaded with the last push.
const LIMIT: Duration = Duration::from_secs(20);

struct Schedule {
    name: &'static str,
    kinds: &'static [Kind],
    /// Pause before the first turn.
    first: Duration,
    /// Pause between two turns.
    every: Duration,
    /// Quick turns between the full ones; none if every turn is full.
    quick: Option<Quick>,
}

/// Turns that only upload files changed lately.
#[derive(Clone, Copy)]
struct Quick {
    /// How long ago a file may have changed.
    within: Duration,
    /// Pause between two full turns.
    full_every: Duration,
}

fn schedules(every: &SyncEvery) -> [Schedule; 4] {
    let seconds = Duration::from_secs_f64;
    let plain =
        |name, kinds, every| Schedule { name, kinds, first: seconds(every), every: seconds(every), quick: None };
    [
        plain("learning", &[Kind::Learning], every.learning_s),
        Schedule {
            // The settings are uploaded at the start of the run.
            first: Duration::ZERO,
            ..plain("logs", &[Kind::Config, Kind::Logs, Kind::Monitoring, Kind::Reports], every.logs_s)
        },
        plain("models", &[Kind::Models, Kind::Exports], every.models_s),
        Schedule {
            quick: Some(Quick { within: seconds(every.new_within_s), full_every: seconds(every.candles_s) }),
            ..plain("candles", &[Kind::Candles], every.new_candles_s)
        },
    ]
}

/// The schedules while they run. Dropping this aborts them.
pub struct Background {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Background {
    pub fn start(uploads: &Uploads, every: &SyncEvery) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for schedule in schedules(every) {
            tasks.spawn(run_schedule(schedule, uploads.clone(), stopped.clone()));
        }
        Self { stop, tasks }
    }

    /// Starts no further upload, and waits for those in progress.
    pub async fn stop(mut self) {
        // Fails only if all tasks have ended.
        let _ = self.stop.send(true);
        let ended = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Err(error) = ended {
                    tracing::error!("a background upload panicked: {error}");
                }
            }
        };
        if timeout(LIMIT, ended).await.is_err() {
            self.tasks.shutdown().await;
            tracing::warn!("background uploads took too long; the last push uploads their files");
        }
    }

    /// Aborts the uploads in progress: none arrives after this.
    pub async fn abort(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn run_schedule(schedule: Schedule, uploads: Uploads, mut stop: watch::Receiver<bool>) {
    let mut last_full = Instant::now();
    let mut pause = schedule.first;
    // Read from the brain once: no other task uploads files of these kinds.
    let mut known = None;
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep(pause) => {}
        }
        let begun = Instant::now();
        let recent = schedule.quick.filter(|quick| begun - last_full < quick.full_every).map(|quick| quick.within);
        match upload(&schedule, recent, &uploads, &mut known, &stop).await {
            Ok(()) if recent.is_none() => last_full = begun,
            Ok(()) => {}
            Err(failure) => {
                known = None;
                tracing::warn!(schedule = schedule.name, "background upload: {}", failure.error);
            }
        }
        pause = schedule.every;
    }
}

/// One turn. With `recent`, only files that changed within it.
async fn upload(
    schedule: &Schedule,
    recent: Option<Duration>,
    uploads: &Uploads,
    known: &mut Option<Manifest>,
    stop: &watch::Receiver<bool>,
) -> Result<(), CommandFailure> {
    if known.is_none() {
        *known = Some(uploads.manifest().await?);
    }
    let known = known.get_or_insert_default();
    let changed_since = recent.and_then(|within| SystemTime::now().checked_sub(within));
    let selection = FileSelection { kinds: schedule.kinds, changed_since, stop: Some(stop) };
    let mut pushed = uploads.push(&selection, known, &|_| {}).await?;
    for failure in &pushed.failed {
        tracing::warn!(schedule = schedule.name, "{} was not uploaded: {}", failure.path, failure.error);
    }
    tracing::info!(
        schedule = schedule.name,
        full = recent.is_none(),
        uploaded = pushed.uploaded.len(),
        unchanged = pushed.unchanged,
        bytes = pushed.bytes,
        "background upload"
    );
    known.extend(std::mem::take(&mut pushed.uploaded));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn every_kind_of_file_has_one_schedule_with_the_intervals_of_the_contract() {
        let schedules = schedules(&Settings::defaults().sync.every);
        for kind in Kind::SCHEDULED {
            assert_eq!(schedules.iter().filter(|schedule| schedule.kinds.contains(&kind)).count(), 1, "{kind:?}");
        }
        let minutes = schedules.map(|schedule| (schedule.name, schedule.every.as_secs() / 60));
        assert_eq!(minutes, [("learning", 5), ("logs", 5), ("models", 30), ("candles", 5)]);
        let quick = super::schedules(&Settings::defaults().sync.every)[3].quick.unwrap();
        assert_eq!((quick.full_every.as_secs(), quick.within.as_secs()), (7200, 600));
    }
}
