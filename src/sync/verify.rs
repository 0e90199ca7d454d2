//! Proof that the remote has everything, right.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use opendal::ErrorKind;

use super::paths::Kind;
use super::transfer::digest_remote;
use super::walk::local_files;
use super::{Failure, Manifest, ManifestEntry, OnProgress, Progress, Remote, SyncError};
use crate::settings::RemoteKind;

/// How a remote file differs from what was uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    Size { expected: u64, found: u64 },
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

/// What verification found; paths are local ones, sorted.
#[derive(Debug, Default)]
pub struct Verified {
    /// Files on the remote that are right.
    pub right: usize,
    /// Uploaded once, and gone.
    pub missing: Vec<String>,
    pub differing: Vec<(String, Difference)>,
    /// Local files that the manifest does not know.
    pub never_uploaded: Vec<String>,
    /// Files that could not be looked at.
    pub unknown: Vec<Failure>,
}

impl Verified {
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
            && self.differing.is_empty()
            && self.never_uploaded.is_empty()
            && self.unknown.is_empty()
    }
}

enum Finding {
    Right,
    Missing,
    Differs(Difference),
}

impl Remote {
    /// Looks at every local file of `kinds` on the remote: there, of the uploaded size, and of the uploaded content.
    ///
    /// A folder is read back and hashed; S3 answers with the ETag that it gave when it checked the upload; whatever
    /// gives no such answer is read back too.
    ///
    /// # Errors
    /// [`SyncError::Local`] when a local folder cannot be listed; all else is in the result.
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
        let (done, files_total) = (AtomicUsize::new(0), known.len());
        let mut findings: Vec<_> = futures::stream::iter(known)
            .map(|(local, entry)| {
                let done = &done;
                async move {
                    let finding = self.look(entry).await;
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
                Ok(Finding::Right) => verified.right += 1,
                Ok(Finding::Missing) => verified.missing.push(path),
                Ok(Finding::Differs(how)) => verified.differing.push((path, how)),
                Err(error) => verified.unknown.push(Failure { path, error }),
            }
        }
        Ok(verified)
    }

    async fn look(&self, entry: &ManifestEntry) -> Result<Finding, SyncError> {
        let path = &entry.remote_path;
        let meta = match self.operator.stat(path).await {
            Ok(meta) => meta,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Finding::Missing),
            Err(error) => return Err(SyncError::remote("look at", path, &error)),
        };
        let found = meta.content_length();
        if found != entry.size {
            return Ok(Finding::Differs(Difference::Size { expected: entry.size, found }));
        }
        let right = match (self.kind, meta.etag(), &entry.etag) {
            (RemoteKind::S3, Some(now), Some(then)) => now == then,
            _ => digest_remote(&self.operator, path, entry.size).await? == entry.sha256,
        };
        Ok(if right { Finding::Right } else { Finding::Differs(Difference::Content) })
    }
}
