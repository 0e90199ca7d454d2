//! Downloads files from the remote.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt};
use opendal::{Entry, ErrorKind, Metadata};
use sha2::{Digest, Sha256};

use super::dropbox::ContentHash;
use super::paths::{Kind, local_path};
use super::transfer::{digest_local, digest_remote, read_local, read_remote};
use super::{Manifest, ManifestEntry, OnProgress, Progress, Remote, SyncError, TransferFailure};
use crate::files::AtomicFile;
use crate::settings::RemoteKind;
use crate::text::hex;

/// What to restore.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Kinds of files.
    pub kinds: Vec<Kind>,
    /// Day whose folder is read. Candles are shared by all days.
    pub date: NaiveDate,
    /// Whether local files that are newer than those of the remote are replaced as well.
    pub overwrite_newer: bool,
}

/// The result of a restore. Paths are local, sorted.
#[derive(Debug, Default)]
pub struct Restored {
    /// Files that were downloaded.
    pub written: Vec<String>,
    /// Local files that had the same content already.
    pub same: usize,
    /// Local files that were kept because they are newer, or because the remote does not report the age of its own.
    pub kept_newer: Vec<String>,
    /// Remote paths that no synced file has, such as one with `..`. They were skipped.
    pub refused: Vec<String>,
    /// Files that failed.
    pub failed: Vec<TransferFailure>,
    /// Bytes downloaded.
    pub bytes: u64,
    /// Files that are now the same locally and on the remote, for the manifest: they need no upload.
    pub known: Manifest,
}

enum Outcome {
    Written(ManifestEntry),
    Same(ManifestEntry),
    KeptNewer,
}

impl Remote {
    /// Downloads the files of `scope` into `workdir`, in pieces. Each file appears complete or not at all.
    ///
    /// Checks the size that the remote reports, and Dropbox's content hash.
    ///
    /// # Errors
    /// [`SyncError::Remote`] if the remote cannot be listed. Failures of single files are in the result.
    pub async fn restore(
        &self,
        workdir: &Path,
        scope: &Scope,
        progress: OnProgress<'_>,
    ) -> Result<Restored, SyncError> {
        let mut restored = Restored::default();
        let mut files = Vec::new();
        for kind in &scope.kinds {
            for entry in self.list(&kind.remote_prefix(scope.date, &self.root)).await? {
                match local_path(entry.path(), *kind, scope.date, &self.root) {
                    Some(local) => files.push((local, entry)),
                    None => restored.refused.push(entry.path().to_owned()),
                }
            }
        }
        let files_total = files.len();
        let (done, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
        let mut outcomes: Vec<_> = futures::stream::iter(files)
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
                Ok(Outcome::Written(entry)) => {
                    restored.known.insert(path.clone(), entry);
                    restored.written.push(path);
                }
                Ok(Outcome::Same(entry)) => {
                    restored.known.insert(path, entry);
                    restored.same += 1;
                }
                Ok(Outcome::KeptNewer) => restored.kept_newer.push(path),
                Err(error) => restored.failed.push(TransferFailure { path, error }),
            }
        }
        restored.refused.sort();
        restored.bytes = bytes.into_inner();
        Ok(restored)
    }

    /// The days with a folder on the remote, newest first.
    ///
    /// # Errors
    /// [`SyncError::Remote`] if the remote cannot be listed.
    pub async fn days(&self) -> Result<Vec<NaiveDate>, SyncError> {
        let folder = format!("{}/", self.root);
        let entries = match self.operator.list(&folder).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(SyncError::remote("list", &folder, &error)),
        };
        let mut days: Vec<NaiveDate> =
            entries.iter().filter_map(|entry| entry.name().trim_end_matches('/').parse().ok()).collect();
        days.sort_unstable_by(|a, b| b.cmp(a));
        days.dedup();
        Ok(days)
    }

    /// Whether the remote has a file of this kind and day.
    ///
    /// # Errors
    /// [`SyncError::Remote`] if the remote cannot be listed.
    pub async fn has(&self, kind: Kind, date: NaiveDate) -> Result<bool, SyncError> {
        let listed = self.list(&kind.remote_prefix(date, &self.root)).await?;
        Ok(listed.iter().any(|entry| local_path(entry.path(), kind, date, &self.root).is_some()))
    }

    /// All files below a remote folder; none if the folder does not exist.
    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<Entry>, SyncError> {
        let folder = format!("{prefix}/");
        let failed = |e: opendal::Error| SyncError::remote("list", &folder, &e);
        let lister = match self.operator.lister_with(&folder).recursive(true).await {
            Ok(lister) => lister,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let files = lister.try_filter(|entry| std::future::ready(entry.metadata().is_file()));
        match files.try_collect().await {
            Ok(files) => Ok(files),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(failed(error)),
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
        let remote = match self.kind {
            // The listing of a folder has neither size nor age.
            RemoteKind::Folder => {
                let found = self.operator.stat(entry.path()).await;
                found.map_err(|e| SyncError::remote("look at", entry.path(), &e))?
            }
            RemoteKind::S3 | RemoteKind::Dropbox => entry.metadata().clone(),
        };
        let known = |sha256| ManifestEntry {
            size: remote.content_length(),
            sha256,
            remote_path: entry.path().to_owned(),
            etag: remote.etag().map(str::to_owned),
        };
        let existing = match std::fs::metadata(&path) {
            Ok(meta) => Some(meta),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(SyncError::local(&path, error)),
        };
        let keep = existing.as_ref().is_some_and(|_| !overwrite_newer) && !is_remote_newer(&path, &remote)?;
        let same_size = existing.is_some_and(|meta| meta.len() == remote.content_length());
        if same_size && self.kind == RemoteKind::Dropbox {
            let (hash, _) = read_local(path.clone(), ContentHash::default(), ContentHash::update).await?;
            if Some(hash.finish().as_str()) == remote.etag() {
                return Ok(Outcome::Same(known(digest_local(path).await?.1)));
            }
        } else if same_size {
            let sha256 = digest_local(path.clone()).await?.1;
            if sha256 == digest_remote(&self.operator, entry.path(), remote.content_length()).await? {
                return Ok(Outcome::Same(known(sha256)));
            }
        }
        if keep {
            return Ok(Outcome::KeptNewer);
        }
        let sha256 = self.download(entry.path(), &remote, &path).await?;
        bytes.fetch_add(remote.content_length(), Ordering::Relaxed);
        Ok(Outcome::Written(known(sha256)))
    }

    /// Downloads a file in pieces. Returns its SHA-256.
    async fn download(&self, remote_path: &str, remote: &Metadata, path: &Path) -> Result<String, SyncError> {
        let mut file = AtomicFile::create(path)?;
        let (mut sha256, mut content_hash) = (Sha256::new(), ContentHash::default());
        read_remote(&self.operator, remote_path, remote.content_length(), |piece| {
            sha256.update(piece);
            if self.kind == RemoteKind::Dropbox {
                content_hash.update(piece);
            }
            Ok(file.write(piece)?)
        })
        .await?;
        if self.kind == RemoteKind::Dropbox && Some(content_hash.finish().as_str()) != remote.etag() {
            return Err(SyncError::Corrupted { path: remote_path.to_owned() });
        }
        file.commit()?;
        Ok(hex(&sha256.finalize()))
    }
}

fn is_remote_newer(path: &Path, remote: &Metadata) -> Result<bool, SyncError> {
    let local = std::fs::metadata(path).and_then(|meta| meta.modified());
    let local = local.map_err(|error| SyncError::local(path, error))?;
    Ok(remote.last_modified().is_some_and(|time| SystemTime::from(time) > local))
}
