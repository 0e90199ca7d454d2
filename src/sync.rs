//! The remote: a folder, any S3 or Dropbox, behind one set of calls.
//!
//! Each kind of local file has its place there ([`remote_path`]); [`Remote::push`] uploads what changed,
//! [`Remote::verify`] proves that it arrived, [`Remote::restore`] brings it back.

mod dropbox;
mod error;
mod open;
mod paths;
mod push;
mod restore;
mod transfer;
mod transport;
mod verify;
mod walk;

use std::collections::HashMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

pub use error::SyncError;
pub use open::{Credentials, Remote};
pub use paths::{DATABASES, Kind, local_path, remote_path};
pub use push::{Push, Pushed};
pub use restore::{Restored, Scope};
pub use verify::{Difference, Verified};
pub use walk::local_files;

/// What is known to lie on the remote, by local path (relative to the workdir, with `/`).
pub type Manifest = HashMap<String, ManifestEntry>;

/// One file as it was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestEntry {
    pub size: u64,
    /// Of the bytes that were uploaded, lower-case hexadecimal.
    pub sha256: String,
    pub remote_path: String,
    /// What the remote called this content; without it, verification reads the file back.
    #[serde(default)]
    pub etag: Option<String>,
}

/// How far a transfer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub files_done: usize,
    pub files_total: usize,
    /// Bytes moved so far.
    pub bytes: u64,
}

/// Called after every file, from any thread.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// A file that could not be transferred, and why.
#[derive(Debug)]
pub struct Failure {
    /// Local path, relative to the workdir.
    pub path: String,
    pub error: SyncError,
}

impl Remote {
    /// Makes `{root}/{date}/`: the first thing that a run does.
    ///
    /// # Errors
    /// [`SyncError::Remote`] when the remote cannot be reached or written.
    pub async fn create_dated_folder(&self, date: NaiveDate) -> Result<String, SyncError> {
        let folder = format!("{}/{date}/", self.root);
        self.operator.create_dir(&folder).await.map_err(|e| SyncError::remote("create the folder", &folder, &e))?;
        Ok(folder)
    }

    /// Removes the day's files of one kind.
    ///
    /// # Errors
    /// [`SyncError::Remote`] when the remote cannot be reached or written.
    pub async fn forget(&self, kind: Kind, date: NaiveDate) -> Result<(), SyncError> {
        let folder = format!("{}/", kind.remote_prefix(date, &self.root));
        let removed = self.operator.delete_with(&folder).recursive(true).await;
        removed.map_err(|e| SyncError::remote("delete", &folder, &e))
    }

    /// Writes, reads back and deletes a small file: proof that the remote can be used.
    ///
    /// # Errors
    /// [`SyncError::Remote`] with the step that failed.
    pub async fn probe(&self) -> Result<(), SyncError> {
        let path = format!("{}/probe-{}", self.root, uuid::Uuid::new_v4());
        let content = path.clone().into_bytes();
        self.operator.write(&path, content.clone()).await.map_err(|e| SyncError::remote("write", &path, &e))?;
        let read = self.operator.read(&path).await.map_err(|e| SyncError::remote("read", &path, &e));
        self.operator.delete(&path).await.map_err(|e| SyncError::remote("delete", &path, &e))?;
        if read?.to_vec() != content {
            return Err(SyncError::Mangled { path });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
