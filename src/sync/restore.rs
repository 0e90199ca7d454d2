//! Bringing back what the remote has.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use chrono::NaiveDate;
use futures::StreamExt;
use opendal::{Entry, ErrorKind};

use super::paths::{Kind, local_path, remote_path};
use super::{Failure, OnProgress, Progress, Remote, SyncError};
use crate::files::write_atomic;

/// What to bring back.
#[derive(Debug, Clone)]
pub struct Scope {
    pub kinds: Vec<Kind>,
    /// Day whose folder is read; candles are shared by all days.
    pub date: NaiveDate,
    /// Replaces local files that are newer than the remote's, too.
    pub overwrite_newer: bool,
}

/// What a restore did; paths are local ones, sorted.
#[derive(Debug, Default)]
pub struct Restored {
    pub written: Vec<String>,
    /// Local files with the same content already.
    pub same: usize,
    /// Local files kept because they are newer, or the remote does not say how old its own is.
    pub kept_newer: Vec<String>,
    /// Names on the remote that no synced file has, such as one with `..`: left alone.
    pub refused: Vec<String>,
    pub failed: Vec<Failure>,
    pub bytes: u64,
}

enum Outcome {
    Written,
    Same,
    KeptNewer,
}

impl Remote {
    /// Downloads the files of `scope` into `workdir`, each one whole or not at all.
    ///
    /// # Errors
    /// [`SyncError::Remote`] when the remote cannot be listed; failures of single files are in the result.
    pub async fn restore(
        &self,
        workdir: &Path,
        scope: &Scope,
        progress: OnProgress<'_>,
    ) -> Result<Restored, SyncError> {
        let mut restored = Restored::default();
        let mut wanted = Vec::new();
        for kind in &scope.kinds {
            for entry in self.list(&kind.remote_prefix(scope.date, &self.root)).await? {
                match local_path(entry.path(), *kind, scope.date, &self.root) {
                    Some(local) => wanted.push((local, entry)),
                    None => restored.refused.push(entry.path().to_owned()),
                }
            }
        }
        let files_total = wanted.len();
        let (done, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
        let mut outcomes: Vec<_> = futures::stream::iter(wanted)
            .map(|(local, entry)| {
                let (done, bytes) = (&done, &bytes);
                async move {
                    let outcome = self.restore_one(workdir, &local, &entry, scope.overwrite_newer, bytes).await;
                    let files_done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    progress(Progress { files_done, files_total, bytes: bytes.load(Ordering::Relaxed) });
                    (local, outcome)
                }
            })
            .buffer_unordered(self.concurrency)
            .collect()
            .await;
        outcomes.sort_by(|a, b| a.0.cmp(&b.0));
        for (path, outcome) in outcomes {
            match outcome {
                Ok(Outcome::Written) => restored.written.push(path),
                Ok(Outcome::Same) => restored.same += 1,
                Ok(Outcome::KeptNewer) => restored.kept_newer.push(path),
                Err(error) => restored.failed.push(Failure { path, error }),
            }
        }
        restored.refused.sort();
        restored.bytes = bytes.into_inner();
        Ok(restored)
    }

    /// One file from the remote, by its local path; none when it is not there.
    ///
    /// # Errors
    /// [`SyncError::Outside`] for a path that is not synced, [`SyncError::Remote`] when it cannot be read.
    pub async fn fetch(&self, local: &str, date: NaiveDate) -> Result<Option<Vec<u8>>, SyncError> {
        let path = remote_path(local, date, &self.root).ok_or_else(|| SyncError::Outside { path: local.to_owned() })?;
        match self.operator.read(&path).await {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SyncError::remote("read", &path, &error)),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Entry>, SyncError> {
        let folder = format!("{prefix}/");
        match self.operator.list_with(&folder).recursive(true).await {
            Ok(mut entries) => {
                entries.retain(|entry| entry.metadata().is_file());
                Ok(entries)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(SyncError::remote("list", &folder, &error)),
        }
    }

    async fn restore_one(
        &self,
        workdir: &Path,
        local: &str,
        entry: &Entry,
        overwrite_newer: bool,
        bytes: &AtomicU64,
    ) -> Result<Outcome, SyncError> {
        let path = workdir.join(local);
        let here = match tokio::fs::read(&path).await {
            Ok(content) => Some(content),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(SyncError::local(&path, error)),
        };
        let there = self.operator.read(entry.path()).await;
        let there = there.map_err(|e| SyncError::remote("read", entry.path(), &e))?.to_vec();
        if here.as_ref() == Some(&there) {
            return Ok(Outcome::Same);
        }
        if here.is_some() && !overwrite_newer && !self.is_newer_there(&path, entry).await? {
            return Ok(Outcome::KeptNewer);
        }
        bytes.fetch_add(there.len() as u64, Ordering::Relaxed);
        write_atomic(&path, &there)?;
        Ok(Outcome::Written)
    }

    async fn is_newer_there(&self, path: &Path, entry: &Entry) -> Result<bool, SyncError> {
        let here = std::fs::metadata(path).and_then(|meta| meta.modified());
        let here = here.map_err(|error| SyncError::local(path, error))?;
        let there = match entry.metadata().last_modified() {
            Some(time) => Some(time),
            None => {
                let meta = self.operator.stat(entry.path()).await;
                meta.map_err(|e| SyncError::remote("look at", entry.path(), &e))?.last_modified()
            }
        };
        Ok(there.is_some_and(|time| SystemTime::from(time) > here))
    }
}
