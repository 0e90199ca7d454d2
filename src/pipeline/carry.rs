//! Checkpoints travel: they go to the remote while training goes on, so that a machine that is taken away leaves its
//! work to the next one, and a resumed run finds them there.
//!
//! They lie in the day's folder on the remote until the run has ended well.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use chrono::NaiveDate;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Failure;
use super::day::Day;
use super::sync::Uploads;
use crate::exit::Code;
use crate::sync::{Kind, Manifest, Push, Remote, Scope, local_files};

/// Pause between two looks at what training has left.
const PAUSE: Duration = Duration::from_secs(3);
/// Longest time that bringing checkpoints back, or the last upload of a run that failed, may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Size and time of change: what tells a file from one that was sent.
type Sent = HashMap<String, (u64, SystemTime)>;

/// The task that uploads checkpoints as they appear.
#[derive(Debug)]
pub struct Carrier {
    last: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Carrier {
    fn start(place: Place, sent: Sent) -> Self {
        let (last, asked) = oneshot::channel();
        Self { last, task: tokio::spawn(carry(place, sent, asked)) }
    }

    /// Looks once more, and ends; cut off at `until`.
    async fn finish(self, until: Instant) {
        let Self { last, mut task } = self;
        drop(last);
        if tokio::time::timeout_at(until.into(), &mut task).await.is_err() {
            task.abort();
            tracing::warn!("not every checkpoint was uploaded in time; --resume trains those that are missing again");
        }
    }
}

struct Place {
    remote: Remote,
    workdir: PathBuf,
    date: NaiveDate,
}

impl Place {
    fn of(day: &Day) -> Self {
        Self { remote: day.remote.clone(), workdir: day.workdir.clone(), date: day.date }
    }

    /// The checkpoints here that were not sent yet, as they are now.
    fn news(&self, sent: &Sent) -> Sent {
        let files = local_files(&self.workdir, &[Kind::Checkpoints]).unwrap_or_default();
        let now = files.into_iter().filter_map(|file| {
            let meta = std::fs::metadata(self.workdir.join(&file)).ok()?;
            Some((file, (meta.len(), meta.modified().ok()?)))
        });
        now.filter(|(file, state)| sent.get(file) != Some(state)).collect()
    }
}

async fn carry(place: Place, mut sent: Sent, mut asked: oneshot::Receiver<()>) {
    loop {
        // A file that appears after this is met by the next look.
        let last = asked.try_recv() != Err(oneshot::error::TryRecvError::Empty);
        let mut news = place.news(&sent);
        if !news.is_empty() {
            let files = news.keys().cloned().collect();
            let nothing = Manifest::new();
            let push = Push::new(&place.workdir, place.date, &[], &nothing);
            let mut pushed = place.remote.push_files(push, files, &|_| {}).await;
            // A network under way is gone once its symbol is whole.
            pushed.failed.retain(|failure| place.workdir.join(&failure.path).exists());
            if let Some(first) = pushed.failed.first() {
                tracing::warn!(files = pushed.failed.len(), "checkpoints are not on the remote yet: {}", first.error);
            }
            news.retain(|file, _| !pushed.failed.iter().any(|failure| failure.path == *file));
            tracing::debug!(files = pushed.uploaded.len(), bytes = pushed.bytes, "checkpoints uploaded");
            sent.extend(news);
        }
        if last {
            return;
        }
        // Asked, or told by a drop: either way the next look is the last one.
        let _ = tokio::time::timeout(PAUSE, &mut asked).await;
    }
}

/// Brings back what a resumed run had trained elsewhere, and begins to upload what this one trains.
pub async fn begin(day: &mut Day) -> Result<(), Failure> {
    let place = Place::of(day);
    let mut sent = Sent::new();
    if day.resumed {
        let step = day.begin("checkpoints", None).await?;
        let scope = Scope { kinds: vec![Kind::Checkpoints], date: day.date, overwrite_newer: false };
        let here = place.news(&sent).len();
        let restored = tokio::time::timeout(PATIENCE, day.remote.restore(&day.workdir, &scope, &|_| {})).await;
        let (known, faults) = match restored {
            Ok(Ok(restored)) => {
                let faults = restored.failed.iter().map(|failure| failure.error.to_string()).collect();
                (restored.known, faults)
            }
            Ok(Err(error)) => (Manifest::new(), vec![error.to_string()]),
            Err(_) => (Manifest::new(), vec![format!("the remote took more than {} s", PATIENCE.as_secs())]),
        };
        // What could not be brought back is trained again.
        for fault in faults {
            tracing::warn!("checkpoints: {fault}");
        }
        // What lies there need not go there.
        sent = place.news(&Sent::new());
        sent.retain(|file, _| known.contains_key(file));
        step.note(&format!("{} on the remote, {here} here", known.len()));
        day.end(step, json!({ "restored": known.len() })).await?;
    } else {
        // Those of earlier runs.
        sent = place.news(&sent);
    }
    day.carrier = Some(Carrier::start(place, sent));
    Ok(())
}

/// Ends the uploads beside the run: after one that ended well nobody needs its checkpoints on the remote; one that failed, or
/// was asked to leave, brings there what it can, what was trained first.
pub async fn end(day: &mut Day, failed: Option<Code>) {
    if let Some(background) = day.background.take() {
        background.cut_off().await;
    }
    let Some(carrier) = day.carrier.take() else { return };
    let stop = day.stop.clone();
    match failed {
        Some(Code::Killed) => carrier.task.abort(),
        Some(Code::Interrupted) => leave(day, carrier, stop.upload_until()).await,
        // Whoever is in a hurry by now does not wait for this.
        Some(_) => tokio::select! {
            biased;
            _ = stop.killed() => {}
            _ = stop.overdue() => {}
            () = leave(day, carrier, Instant::now() + PATIENCE) => {}
        },
        None => tokio::select! {
            biased;
            _ = stop.killed() => {}
            _ = stop.overdue() => {}
            () = forget(day, carrier) => {}
        },
    }
}

async fn leave(day: &Day, carrier: Carrier, until: Instant) {
    carrier.finish(until).await;
    match tokio::time::timeout_at(until.into(), Uploads::of(day).leave()).await {
        Ok(Ok(files)) => tracing::info!(files, "uploaded before leaving"),
        Ok(Err(failure)) => tracing::warn!("not everything was uploaded before leaving: {}", failure.error),
        Err(_) => tracing::warn!("not everything could be uploaded in time; sync brings the rest"),
    }
}

async fn forget(day: &Day, carrier: Carrier) {
    carrier.task.abort();
    // An upload under way must not land after the last look.
    let _ = carrier.task.await;
    let why = match tokio::time::timeout(PATIENCE, day.remote.forget(Kind::Checkpoints, day.date)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("the remote took more than {} s", PATIENCE.as_secs()),
    };
    tracing::warn!("checkpoints stay on the remote, and may be removed there: {why}");
}
