//! The remote storage: a folder, any S3 or Dropbox, behind one interface.
//!
//! [`remote_path`] maps each kind of local file to its path there. [`Remote::push`] uploads what changed,
//! [`Remote::verify`] proves that it arrived, [`Remote::restore`] downloads it.

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

/// The files on the remote, by local path (relative to the workdir, with `/`).
pub type Manifest = HashMap<String, ManifestEntry>;

/// One file as it was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// Bytes uploaded.
    pub size: u64,
    /// Of the bytes that were uploaded, lower-case hexadecimal.
    pub sha256: String,
    /// Path on the remote, without a leading slash.
    pub remote_path: String,
    /// The remote's own hash of this content. Without it, verification reads the file back.
    #[serde(default)]
    pub etag: Option<String>,
}

/// Progress of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Files done, with success or not.
    pub files_done: usize,
    /// Files to do.
    pub files_total: usize,
    /// Bytes transferred so far.
    pub bytes: u64,
}

/// Called after every file, from any thread.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// A file that could not be transferred.
#[derive(Debug)]
pub struct TransferFailure {
    /// Local path, relative to the workdir.
    pub path: String,
    /// The reason.
    pub error: SyncError,
}

impl Remote {
    /// Creates the folder `{root}/{date}/`, which is the first action of a run.
    ///
    /// # Errors
    /// [`SyncError::Remote`] if the remote cannot be reached or written.
    pub async fn create_dated_folder(&self, date: NaiveDate) -> Result<String, SyncError> {
        let folder = format!("{}/{date}/", self.root);
        self.operator.create_dir(&folder).await.map_err(|e| SyncError::remote("create the folder", &folder, &e))?;
        Ok(folder)
    }

    /// Deletes the day's files of one kind.
    ///
    /// # Errors
    /// [`SyncError::Remote`] if the remote cannot be reached or written.
    pub async fn delete_kind(&self, kind: Kind, date: NaiveDate) -> Result<(), SyncError> {
        let folder = format!("{}/", kind.remote_prefix(date, &self.root));
        let removed = self.operator.delete_with(&folder).recursive(true).await;
        removed.map_err(|e| SyncError::remote("delete", &folder, &e))
    }

    /// Writes, reads and deletes a small file, which proves that the remote works.
    ///
    /// # Errors
    /// [`SyncError::Remote`] with the step that failed, [`SyncError::Corrupted`] if other bytes came back.
    pub async fn probe(&self) -> Result<(), SyncError> {
        let path = format!("{}/probe-{}", self.root, uuid::Uuid::new_v4());
        let content = path.clone().into_bytes();
        self.operator.write(&path, content.clone()).await.map_err(|e| SyncError::remote("write", &path, &e))?;
        let read = self.operator.read(&path).await.map_err(|e| SyncError::remote("read", &path, &e));
        self.operator.delete(&path).await.map_err(|e| SyncError::remote("delete", &path, &e))?;
        if read?.to_vec() != content {
            return Err(SyncError::Corrupted { path });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
