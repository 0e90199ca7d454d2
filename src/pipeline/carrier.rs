//! The task that uploads checkpoints during training.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use chrono::NaiveDate;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::identity::RunIdentity;
use super::services::Services;
use crate::sync::{Kind, Manifest, Push, Remote, local_files};

/// Pause between two scans of the folder.
const PAUSE: Duration = Duration::from_secs(3);
/// Size and modification time of each uploaded file, to recognise files that changed since.
pub type SentFiles = HashMap<String, (u64, SystemTime)>;

/// The task that uploads checkpoints as they appear.
#[derive(Debug)]
pub struct CheckpointUploader {
    finish: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl CheckpointUploader {
    pub fn start(folders: CheckpointFolders, sent: SentFiles) -> Self {
        let (finish, finish_requested) = oneshot::channel();
        Self { finish, task: tokio::spawn(upload(folders, sent, finish_requested)) }
    }

    /// Aborts the task without waiting for its end.
    pub fn abort(self) {
        self.task.abort();
    }

    /// Aborts the task and waits for its end: no upload arrives after this.
    pub async fn abort_and_wait(self) {
        self.task.abort();
        // The result is only that it was aborted.
        let _ = self.task.await;
    }

    /// Uploads what is new once more, and ends. Aborts at `until`.
    pub async fn finish(self, until: Instant) {
        let Self { finish, mut task } = self;
        drop(finish);
        if tokio::time::timeout_at(until.into(), &mut task).await.is_err() {
            task.abort();
            tracing::warn!("not all checkpoints were uploaded in time; --resume trains the missing ones again");
        }
    }
}

/// The local folder of the checkpoints and the remote one.
pub struct CheckpointFolders {
    remote: Remote,
    workdir: PathBuf,
    date: NaiveDate,
}

impl CheckpointFolders {
    pub fn of(run: &RunIdentity, services: &Services) -> Self {
        Self { remote: services.remote.clone(), workdir: run.workdir.clone(), date: run.date }
    }

    /// The local checkpoints that were not uploaded yet in their present state.
    pub fn unsent(&self, sent: &SentFiles) -> SentFiles {
        let files = local_files(&self.workdir, &[Kind::Checkpoints]).unwrap_or_default();
        let now = files.into_iter().filter_map(|file| {
            let meta = std::fs::metadata(self.workdir.join(&file)).ok()?;
            Some((file, (meta.len(), meta.modified().ok()?)))
        });
        now.filter(|(file, state)| sent.get(file) != Some(state)).collect()
    }
}

async fn upload(folders: CheckpointFolders, mut sent: SentFiles, mut finish_requested: oneshot::Receiver<()>) {
    loop {
        // Before the scan: a file that appears after this is found by the next one.
        let is_last = finish_requested.try_recv() != Err(oneshot::error::TryRecvError::Empty);
        let mut unsent = folders.unsent(&sent);
        if !unsent.is_empty() {
            let files = unsent.keys().cloned().collect();
            let nothing = Manifest::new();
            let push = Push::new(&folders.workdir, folders.date, &[], &nothing);
            let mut pushed = folders.remote.push_files(push, files, &|_| {}).await;
            // The file of an unfinished network is deleted when its symbol is complete.
            pushed.failed.retain(|failure| folders.workdir.join(&failure.path).exists());
            if let Some(first) = pushed.failed.first() {
                tracing::warn!(files = pushed.failed.len(), "checkpoints are not on the remote yet: {}", first.error);
            }
            unsent.retain(|file, _| !pushed.failed.iter().any(|failure| failure.path == *file));
            tracing::debug!(files = pushed.uploaded.len(), bytes = pushed.bytes, "checkpoints uploaded");
            sent.extend(unsent);
        }
        if is_last {
            return;
        }
        // A dropped sender ends the pause as well.
        let _ = tokio::time::timeout(PAUSE, &mut finish_requested).await;
    }
}
