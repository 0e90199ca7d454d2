//! Uploading what changed.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use chrono::NaiveDate;
use futures::StreamExt;

use super::paths::{Kind, day_in_name, remote_path};
use super::transfer::{digest_local, upload};
use super::walk::local_files;
use super::{Failure, Manifest, ManifestEntry, OnProgress, Progress, Remote, SyncError};

/// What one push did.
#[derive(Debug, Default)]
pub struct Pushed {
    /// New entries: the caller adds them to its manifest. Complete up to the failures.
    pub uploaded: Manifest,
    /// Files whose content the remote already has.
    pub unchanged: usize,
    pub failed: Vec<Failure>,
    pub bytes: u64,
}

enum Outcome {
    Uploaded(ManifestEntry),
    Unchanged,
}

impl Remote {
    /// Uploads every file of `kinds` below `workdir` that the manifest does not know with the same SHA-256.
    ///
    /// A known file goes again into the folder of a new day, so that each day is complete; only files whose name
    /// bears another day (logs, exports) stay in that day's folder. One file failing does not stop the others.
    ///
    /// # Errors
    /// [`SyncError::Local`] when a local folder cannot be listed; failures of single files are in the result.
    pub async fn push_all(
        &self,
        workdir: &Path,
        date: NaiveDate,
        kinds: &[Kind],
        known: &Manifest,
        progress: OnProgress<'_>,
    ) -> Result<Pushed, SyncError> {
        let files = local_files(workdir, kinds)?;
        Ok(self.push_files(workdir, date, files, known, progress).await)
    }

    /// The same for the files named alone, by their local paths; what cannot be done is in the result.
    pub async fn push_files(
        &self,
        workdir: &Path,
        date: NaiveDate,
        files: Vec<String>,
        known: &Manifest,
        progress: OnProgress<'_>,
    ) -> Pushed {
        let files_total = files.len();
        let (done, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
        let outcomes: Vec<_> = futures::stream::iter(files)
            .map(|local| {
                let (done, bytes) = (&done, &bytes);
                async move {
                    let outcome = self.push_one(workdir, &local, date, known.get(&local)).await;
                    if let Ok(Outcome::Uploaded(entry)) = &outcome {
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
                Err(error) => pushed.failed.push(Failure { path, error }),
            }
        }
        pushed.failed.sort_by(|a, b| a.path.cmp(&b.path));
        pushed
    }

    async fn push_one(
        &self,
        workdir: &Path,
        local: &str,
        date: NaiveDate,
        known: Option<&ManifestEntry>,
    ) -> Result<Outcome, SyncError> {
        let path = workdir.join(local);
        let target =
            remote_path(local, date, &self.root).ok_or_else(|| SyncError::Outside { path: local.to_owned() })?;
        if let Some(known) = known {
            let elsewhere = known.remote_path != target && day_in_name(local).is_none_or(|day| day == date);
            if !elsewhere {
                let (size, sha256) = digest_local(path.clone()).await?;
                if size == known.size && sha256 == known.sha256 {
                    return Ok(Outcome::Unchanged);
                }
            }
        }
        upload(self, &path, &target).await.map(Outcome::Uploaded)
    }
}
