//! The task that brings checkpoints to the remote while training goes on.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use chrono::NaiveDate;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::identity::RunIdentity;
use super::services::Services;
use crate::sync::{Kind, Manifest, Push, Remote, local_files};

/// Pause between two looks at what training has left.
const PAUSE: Duration = Duration::from_secs(3);
/// Size and time of change: what tells a file from one that was sent.
pub type Sent = HashMap<String, (u64, SystemTime)>;

/// The task that uploads checkpoints as they appear.
#[derive(Debug)]
pub struct Carrier {
    last: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Carrier {
    pub fn start(place: Place, sent: Sent) -> Self {
        let (last, asked) = oneshot::channel();
        Self { last, task: tokio::spawn(carry(place, sent, asked)) }
    }

    /// Ends as soon as it can; nobody waits.
    pub fn abort(self) {
        self.task.abort();
    }

    /// Ends where it is; an upload under way does not land after this.
    pub async fn cut_off(self) {
        self.task.abort();
        // An aborted task ends with an error that says so.
        let _ = self.task.await;
    }

    /// Looks once more, and ends; cut off at `until`.
    pub async fn finish(self, until: Instant) {
        let Self { last, mut task } = self;
        drop(last);
        if tokio::time::timeout_at(until.into(), &mut task).await.is_err() {
            task.abort();
            tracing::warn!("not every checkpoint was uploaded in time; --resume trains those that are missing again");
        }
    }
}

/// Where checkpoints lie, and where they go.
pub struct Place {
    remote: Remote,
    workdir: PathBuf,
    date: NaiveDate,
}

impl Place {
    pub fn of(run: &RunIdentity, services: &Services) -> Self {
        Self { remote: services.remote.clone(), workdir: run.workdir.clone(), date: run.date }
    }

    /// The checkpoints here that were not sent yet, as they are now.
    pub fn news(&self, sent: &Sent) -> Sent {
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
