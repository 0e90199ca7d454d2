//! Uploads what changed.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use chrono::NaiveDate;
use futures::StreamExt;
use tokio::sync::watch;

use super::paths::{Kind, day_in_name, remote_path};
use super::transfer::{apart, digest_local, upload};
use super::walk::local_files;
use super::{Manifest, ManifestEntry, OnProgress, Progress, Remote, SyncError, TransferFailure};

/// The arguments of a push: what to upload, and where to.
#[derive(Clone, Copy)]
pub struct Push<'a> {
    /// Folder that local paths are relative to.
    pub workdir: &'a Path,
    /// Day whose folder on the remote gets the files.
    pub date: NaiveDate,
    /// Kinds of files to upload.
    pub kinds: &'a [Kind],
    /// The files that are on the remote already.
    pub known: &'a Manifest,
    /// Skips files that have not changed since then.
    pub changed_since: Option<SystemTime>,
    /// Once true, no further file is started.
    pub stop: Option<&'a watch::Receiver<bool>>,
    /// Called as soon as a file is on the remote, so that an aborted push can be recorded as well.
    pub on_uploaded: &'a (dyn Fn(&str, &ManifestEntry) + Send + Sync),
}

impl<'a> Push<'a> {
    /// A push of all files of `kinds`, without a callback.
    pub fn new(workdir: &'a Path, date: NaiveDate, kinds: &'a [Kind], known: &'a Manifest) -> Self {
        Self { workdir, date, kinds, known, changed_since: None, stop: None, on_uploaded: &|_, _| {} }
    }

    fn is_selected(&self, local: &str) -> bool {
        let Some(since) = self.changed_since else { return true };
        let changed = fs::metadata(self.workdir.join(local)).and_then(|meta| meta.modified());
        // A file of unknown age is not skipped.
        changed.map_or(true, |changed| changed >= since)
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| *stop.borrow())
    }
}

/// The result of a push.
#[derive(Debug, Default)]
pub struct Pushed {
    /// The uploaded files, to be added to the manifest.
    pub uploaded: Manifest,
    /// Files whose content the remote has already.
    pub unchanged: usize,
    /// Files that failed, sorted by path.
    pub failed: Vec<TransferFailure>,
    /// Bytes uploaded.
    pub bytes: u64,
}

enum Outcome {
    Uploaded(ManifestEntry),
    Unchanged,
}

impl Remote {
    /// Uploads every file of the push's kinds that its manifest does not have with the same SHA-256.
    ///
    /// A file of another day's folder is uploaded again into that of a new day, so that each day is complete. Only files with
    /// another day in their name (logs, exports) stay in that day's folder. If a file fails, the others continue.
    ///
    /// # Errors
    /// [`SyncError::Local`] if a local folder cannot be listed. Failures of single files are in the result.
    pub async fn push(&self, push: Push<'_>, progress: OnProgress<'_>) -> Result<Pushed, SyncError> {
        let mut files = local_files(push.workdir, push.kinds)?;
        files.retain(|local| push.is_selected(local));
        Ok(self.push_files(push, files, progress).await)
    }

    /// Like [`Remote::push`], but only for the given local paths. Failures are in the result.
    pub async fn push_files(&self, push: Push<'_>, files: Vec<String>, progress: OnProgress<'_>) -> Pushed {
        let files_total = files.len();
        let (done, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
        let outcomes: Vec<_> = futures::stream::iter(files.into_iter().take_while(|_| !push.is_stopped()))
            .map(|local| {
                let (done, bytes, push) = (&done, &bytes, &push);
                async move {
                    let outcome = self.push_one(push, &local).await;
                    if let Ok(Outcome::Uploaded(entry)) = &outcome {
                        (push.on_uploaded)(&local, entry);
                        bytes.fetch_add(entry.size, Ordering::Relaxed);
                    }
                    let files_done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    progress(Progress { files_done, files_total, bytes: bytes.load(Ordering::Relaxed) });
                    (local, outcome)
                }
            })
            .buffer_unordered(self.concurrency)
            .collect()
            .await;

        let mut pushed = Pushed { bytes: bytes.into_inner(), ..Pushed::default() };
        for (path, outcome) in outcomes {
            match outcome {
                Ok(Outcome::Uploaded(entry)) => {
                    pushed.uploaded.insert(path, entry);
                }
                Ok(Outcome::Unchanged) => pushed.unchanged += 1,
                Err(error) => pushed.failed.push(TransferFailure { path, error }),
            }
        }
        pushed.failed.sort_by(|a, b| a.path.cmp(&b.path));
        pushed
    }

    async fn push_one(&self, push: &Push<'_>, local: &str) -> Result<Outcome, SyncError> {
        let path = push.workdir.join(local);
        let target = remote_path(local, push.date, &self.root)
            .ok_or_else(|| SyncError::OutsideWorkdir { path: local.to_owned() })?;
        if let Some(known) = push.known.get(local) {
            let has_moved = known.remote_path != target && day_in_name(local).is_none_or(|day| day == push.date);
            if !has_moved {
                let (size, sha256) = digest_local(path.clone()).await?;
                if size == known.size && sha256 == known.sha256 {
                    return Ok(Outcome::Unchanged);
                }
            }
        }
        let remote = self.clone();
        apart(async move { upload(&remote, &path, &target).await }).await.map(Outcome::Uploaded)
    }
}
