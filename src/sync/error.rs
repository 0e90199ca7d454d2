//! What can go wrong between here and the remote, and what to do about it.

use std::io;
use std::path::PathBuf;

use opendal::ErrorKind;

use crate::files::WriteError;

#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    #[error("{name} is not set; {remedy}")]
    NoSecret { name: &'static str, remedy: &'static str },
    #[error("{key}: {problem}; {remedy}")]
    Setting { key: &'static str, problem: String, remedy: &'static str },
    #[error("the remote cannot {action} '{path}': {reason}; {remedy}")]
    Remote { action: &'static str, path: String, kind: ErrorKind, reason: String, remedy: &'static str },
    #[error("the remote gave back other bytes than were written to '{path}'; look at its storage before trusting it")]
    Mangled { path: String },
    #[error("the remote lists '{path}', which would leave the work folder; remove or rename it there")]
    Outside { path: String },
    #[error("cannot read {}: {source}; look at the file and its permissions", path.display())]
    Local { path: PathBuf, source: io::Error },
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
            "a file and a folder have the same name there: rename one"
        }
        _ if error.is_temporary() || error.is_persistent() => {
            "all tries failed: check the network and sync.remote.endpoint"
        }
        _ => "check that the remote is reachable and has space",
    }
}
