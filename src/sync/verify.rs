//! Verifies that the remote has everything that was uploaded.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use opendal::{ErrorKind, Metadata};

use super::paths::{Kind, kind_of};
use super::transfer::{apart, digest_remote};
use super::walk::local_files;
use super::{Manifest, ManifestEntry, OnProgress, Progress, Remote, SyncError, TransferFailure};
use crate::settings::RemoteKind;

/// How a remote file differs from what was uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It has another size.
    Size {
        /// Bytes uploaded.
        expected: u64,
        /// Bytes on the remote.
        found: u64,
    },
    /// It has the same size and another content.
    Content,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { expected, found } => write!(f, "has {found} bytes instead of {expected}"),
            Self::Content => f.write_str("holds other bytes than were uploaded"),
        }
    }
}

/// The result of a verification. Paths are local, sorted.
#[derive(Debug, Default)]
pub struct Verified {
    /// Files that are on the remote as they were uploaded.
    pub correct: Vec<String>,
    /// Files that were uploaded and are no longer there.
    pub missing: Vec<String>,
    /// Files that differ from what was uploaded.
    pub differing: Vec<(String, Difference)>,
    /// Local files that the manifest does not contain.
    pub never_uploaded: Vec<String>,
    /// Files that could not be checked.
    pub unchecked: Vec<TransferFailure>,
}

impl Verified {
    /// Whether all files are correct.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
            && self.differing.is_empty()
            && self.never_uploaded.is_empty()
            && self.unchecked.is_empty()
    }
}

enum Finding {
    Correct,
    Missing,
    Differs(Difference),
}

impl Remote {
    /// Checks that every local file of `kinds` is on the remote with the size and the content that was uploaded.
    ///
    /// Files of a folder are read back and hashed. S3 and Dropbox are listed: S3 reports the ETag that it gave after checking
    /// the upload, Dropbox the hash of its content. Files without either are read back.
    ///
    /// # Errors
    /// [`SyncError::Local`] if a local folder cannot be listed, [`SyncError::Remote`] if the remote cannot be listed. Failures
    /// of single files are in the result.
    pub async fn verify(
        &self,
        workdir: &Path,
        kinds: &[Kind],
        manifest: &Manifest,
        progress: OnProgress<'_>,
    ) -> Result<Verified, SyncError> {
        let mut verified = Verified::default();
        let mut known = Vec::new();
        for local in local_files(workdir, kinds)? {
            match manifest.get(&local) {
                Some(entry) => known.push((local, entry)),
                None => verified.never_uploaded.push(local),
            }
        }
        let listed = match self.kind {
            RemoteKind::Folder => None,
            RemoteKind::S3 | RemoteKind::Dropbox => Some(self.listed(&known).await?),
        };
        let (done, files_total) = (AtomicUsize::new(0), known.len());
        let mut findings: Vec<_> = futures::stream::iter(known)
            .map(|(local, entry)| {
                let (done, listed) = (&done, listed.as_ref());
                async move {
                    let finding = self.check(entry, listed).await;
                    let files_done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    progress(Progress { files_done, files_total, bytes: 0 });
                    (local, finding)
                }
            })
            .buffer_unordered(self.concurrency)
            .collect()
            .await;
        findings.sort_by(|a, b| a.0.cmp(&b.0));
        for (path, finding) in findings {
            match finding {
                Ok(Finding::Correct) => verified.correct.push(path),
                Ok(Finding::Missing) => verified.missing.push(path),
                Ok(Finding::Differs(how)) => verified.differing.push((path, how)),
                Err(error) => verified.unchecked.push(TransferFailure { path, error }),
            }
        }
        Ok(verified)
    }

    /// Lists all remote folders that hold known files. Metadata by path.
    async fn listed(&self, known: &[(String, &ManifestEntry)]) -> Result<HashMap<String, Metadata>, SyncError> {
        let folders: BTreeSet<&str> =
            known.iter().map(|(local, entry)| top_folder(local, &entry.remote_path)).collect();
        let mut listed = HashMap::new();
        for folder in folders {
            let entries = self.list(folder).await?;
            listed.extend(entries.into_iter().map(|entry| (entry.path().to_owned(), entry.metadata().clone())));
        }
        Ok(listed)
    }

    async fn check(
        &self,
        entry: &ManifestEntry,
        listed: Option<&HashMap<String, Metadata>>,
    ) -> Result<Finding, SyncError> {
        let path = &entry.remote_path;
        let meta = match listed {
            Some(listed) => match listed.get(path) {
                Some(meta) => meta.clone(),
                None => return Ok(Finding::Missing),
            },
            None => match self.operator.stat(path).await {
                Ok(meta) => meta,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Finding::Missing),
                Err(error) => return Err(SyncError::remote("look at", path, &error)),
            },
        };
        let found = meta.content_length();
        if found != entry.size {
            return Ok(Finding::Differs(Difference::Size { expected: entry.size, found }));
        }
        let is_equal = match (self.kind, meta.etag(), &entry.etag) {
            (RemoteKind::S3 | RemoteKind::Dropbox, Some(now), Some(then)) => now == then,
            _ => {
                let (operator, path, size) = (self.operator.clone(), path.clone(), entry.size);
                apart(async move { digest_remote(&operator, &path, size).await }).await? == entry.sha256
            }
        };
        Ok(if is_equal { Finding::Correct } else { Finding::Differs(Difference::Content) })
    }
}

/// The remote folder of a file's kind, so that one listing covers all its files: the remote path without the part below the
/// kind's folder.
fn top_folder<'a>(local: &str, remote_path: &'a str) -> &'a str {
    let below = kind_of(local).and_then(|kind| local.strip_prefix(kind.local_folder()));
    let folder = below.and_then(|below| remote_path.strip_suffix(below));
    folder.unwrap_or_else(|| remote_path.rsplit_once('/').map_or("", |(folder, _)| folder))
}
