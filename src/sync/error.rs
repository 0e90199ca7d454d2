//! Errors of the remote, with remedies.

use std::io;
use std::path::PathBuf;

use opendal::ErrorKind;

use crate::files::WriteError;

/// An error of the remote or of a transfer. Each message ends with a remedy.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// A secret is missing in the environment.
    #[error("{name} is not set; {remedy}")]
    MissingSecret {
        /// The environment variable.
        name: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A setting cannot be used.
    #[error("{key}: {problem}; {remedy}")]
    Setting {
        /// The setting.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The remote refused a request, or cannot be reached.
    #[error("the remote cannot {action} '{path}': {reason}; {remedy}")]
    Remote {
        /// What was tried, as a verb.
        action: &'static str,
        /// Path on the remote.
        path: String,
        /// OpenDAL's kind of error.
        kind: ErrorKind,
        /// The remote's message.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A file on the remote is not what was written.
    #[error("the remote returned other bytes than were written to '{path}'; check its storage before you trust it")]
    Corrupted {
        /// Path on the remote.
        path: String,
    },
    /// A path on the remote that would lead out of the workdir.
    #[error("the remote lists '{path}', which would leave the work folder; remove or rename it there")]
    OutsideWorkdir {
        /// The path.
        path: String,
    },
    /// A local file cannot be read.
    #[error("cannot read {}: {source}; check the file and its permissions", path.display())]
    Local {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A local file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl SyncError {
    pub(super) fn remote(action: &'static str, path: &str, error: &opendal::Error) -> Self {
        Self::Remote {
            action,
            path: path.to_owned(),
            kind: error.kind(),
            reason: crate::secret::redact(reason(error)),
            remedy: remedy(error),
        }
    }

    pub(super) fn local(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Local { path: path.into(), source }
    }
}

/// The message without the library's context, which repeats the path and lists whole responses.
fn reason(error: &opendal::Error) -> String {
    let message = error.message().lines().next().unwrap_or("").trim();
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    if message.is_empty() { format!("{}{source}", error.kind()) } else { format!("{message}{source}") }
}

fn remedy(error: &opendal::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => "check the keys in the environment and what they are allowed to do",
        ErrorKind::NotFound => "check sync.remote.path and sync.root",
        ErrorKind::ConfigInvalid | ErrorKind::Unsupported => "check sync.remote in the settings",
        ErrorKind::RateLimited => "lower sync.concurrency, or try later",
        ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
            "a file and a folder on the remote have the same name: rename one"
        }
        _ if error.is_temporary() || error.is_persistent() => {
            "all retries failed: check the network and sync.remote.endpoint"
        }
        _ => "check that the remote is reachable and has space",
    }
}
