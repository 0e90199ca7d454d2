//! Bringing back what the remote has.

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
use super::{Failure, Manifest, ManifestEntry, OnProgress, Progress, Remote, SyncError};
use crate::files::Unfinished;
use crate::settings::RemoteKind;
use crate::text::hex;

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
    /// What now lies here and there alike, for the manifest: it need not go up again.
    pub known: Manifest,
}

enum Outcome {
    Written(ManifestEntry),
    Same(ManifestEntry),
    KeptNewer,
}

impl Remote {
    /// Downloads the files of `scope` into `workdir`, in pieces, each file whole or not at all.
    ///
    /// What arrives has the size that the remote tells, and Dropbox's content hash.
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
                Ok(Outcome::Written(entry)) => {
                    restored.known.insert(path.clone(), entry);
                    restored.written.push(path);
                }
                Ok(Outcome::Same(entry)) => {
                    restored.known.insert(path, entry);
                    restored.same += 1;
                }
                Ok(Outcome::KeptNewer) => restored.kept_newer.push(path),
                Err(error) => restored.failed.push(Failure { path, error }),
            }
        }
        restored.refused.sort();
        restored.bytes = bytes.into_inner();
        Ok(restored)
    }

    /// The days that the remote has a folder of, the newest first.
    ///
    /// # Errors
    /// [`SyncError::Remote`] when the remote cannot be listed.
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

    /// Whether the remote has a file of this kind, of the day where each has its own.
    ///
    /// # Errors
    /// [`SyncError::Remote`] when the remote cannot be listed.
    pub async fn has(&self, kind: Kind, date: NaiveDate) -> Result<bool, SyncError> {
        let listed = self.list(&kind.remote_prefix(date, &self.root)).await?;
        Ok(listed.iter().any(|entry| local_path(entry.path(), kind, date, &self.root).is_some()))
    }

    /// Every file below a folder of the remote; none where there is no such folder.
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
        let there = match self.kind {
            // A listed folder tells neither size nor age.
            RemoteKind::Folder => {
                let looked = self.operator.stat(entry.path()).await;
                looked.map_err(|e| SyncError::remote("look at", entry.path(), &e))?
            }
            RemoteKind::S3 | RemoteKind::Dropbox => entry.metadata().clone(),
        };
        let known = |sha256| ManifestEntry {
            size: there.content_length(),
            sha256,
            remote_path: entry.path().to_owned(),
            etag: there.etag().map(str::to_owned),
        };
        let here = match std::fs::metadata(&path) {
            Ok(meta) => Some(meta),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(SyncError::local(&path, error)),
        };
        let keep = here.as_ref().is_some_and(|_| !overwrite_newer) && !is_newer_there(&path, &there)?;
        let equally_long = here.is_some_and(|meta| meta.len() == there.content_length());
        if equally_long && self.kind == RemoteKind::Dropbox {
            let (hash, _) = read_local(path.clone(), ContentHash::default(), ContentHash::update).await?;
            if Some(hash.finish().as_str()) == there.etag() {
                return Ok(Outcome::Same(known(digest_local(path).await?.1)));
            }
        } else if equally_long {
            let sha256 = digest_local(path.clone()).await?.1;
            if sha256 == digest_remote(&self.operator, entry.path(), there.content_length()).await? {
                return Ok(Outcome::Same(known(sha256)));
            }
        }
        if keep {
            return Ok(Outcome::KeptNewer);
        }
        let sha256 = self.download(entry.path(), &there, &path).await?;
        bytes.fetch_add(there.content_length(), Ordering::Relaxed);
        Ok(Outcome::Written(known(sha256)))
    }

    /// Brings a file here, in pieces; gives back its SHA-256.
    async fn download(&self, remote_path: &str, there: &Metadata, path: &Path) -> Result<String, SyncError> {
        let mut unfinished = Unfinished::begin(path)?;
        let (mut sha256, mut content_hash) = (Sha256::new(), ContentHash::default());
        read_remote(&self.operator, remote_path, there.content_length(), |piece| {
            sha256.update(piece);
            if self.kind == RemoteKind::Dropbox {
                content_hash.update(piece);
            }
            Ok(unfinished.write(piece)?)
        })
        .await?;
        if self.kind == RemoteKind::Dropbox && Some(content_hash.finish().as_str()) != there.etag() {
            return Err(SyncError::Mangled { path: remote_path.to_owned() });
        }
        unfinished.finish()?;
        Ok(hex(&sha256.finalize()))
    }
}

fn is_newer_there(path: &Path, there: &Metadata) -> Result<bool, SyncError> {
    let here = std::fs::metadata(path).and_then(|meta| meta.modified());
    let here = here.map_err(|error| SyncError::local(path, error))?;
    Ok(there.last_modified().is_some_and(|time| SystemTime::from(time) > here))
}
