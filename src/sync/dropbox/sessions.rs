//! Records of upload sessions, so that an interrupted upload is resumed inside the file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::api_path;
use crate::files::write_atomic;

/// Dropbox ends older sessions.
const LIFETIME: TimeDelta = TimeDelta::days(7);

/// One session, as it was before its newest request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedSession {
    pub session_id: String,
    /// Bytes of the file that the session has received.
    pub offset: u64,
    /// Content hash of these bytes. If the file now begins differently, the session is of no use.
    pub prefix: String,
    /// Content hash of the piece that was sent next, which may or may not have arrived.
    pub next: String,
    pub at: DateTime<Utc>,
}

/// The sessions in progress, by path on the remote. They are stored in a file of the workdir.
#[derive(Debug)]
pub(in crate::sync) struct Sessions {
    file: PathBuf,
    /// Read at first use.
    known: Mutex<Option<BTreeMap<String, SavedSession>>>,
}

impl Sessions {
    pub fn stored_in(file: PathBuf) -> Self {
        Self { file, known: Mutex::default() }
    }

    /// Whether an upload to this path can be resumed.
    pub fn contains(&self, path: &str) -> bool {
        self.get(&api_path(path)).is_some()
    }

    pub(super) fn get(&self, path: &str) -> Option<SavedSession> {
        self.locked().as_ref()?.get(path).cloned()
    }

    pub(super) async fn set(self: &Arc<Self>, path: &str, saved: SavedSession) {
        let path = path.to_owned();
        self.change(move |known| {
            known.insert(path, saved);
            true
        })
        .await;
    }

    pub(super) async fn remove(self: &Arc<Self>, path: &str) {
        let path = path.to_owned();
        self.change(move |known| known.remove(&path).is_some()).await;
    }

    /// Changes the sessions, and writes the file if `change` returns true. A file that cannot be written is no error: without
    /// it an interrupted upload starts again from the beginning.
    async fn change(
        self: &Arc<Self>,
        change: impl FnOnce(&mut BTreeMap<String, SavedSession>) -> bool + Send + 'static,
    ) {
        let sessions = self.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut locked = sessions.locked();
            let known = locked.get_or_insert_default();
            if !change(known) {
                return Ok(());
            }
            let text = serde_json::to_vec_pretty(known).map_err(|error| error.to_string())?;
            write_atomic(&sessions.file, &text).map_err(|error| error.to_string())
        });
        if let Ok(Err(why)) = written.await {
            tracing::warn!("an interrupted upload cannot be resumed, it will start again: {why}");
        }
    }

    fn locked(&self) -> MutexGuard<'_, Option<BTreeMap<String, SavedSession>>> {
        let mut known = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.get_or_insert_with(|| {
            let read = std::fs::read(&self.file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let mut read: BTreeMap<String, SavedSession> = read.unwrap_or_default();
            let now = Utc::now();
            read.retain(|_, saved| now - saved.at < LIFETIME);
            read
        });
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sessions_outlive_the_process_for_as_long_as_dropbox_keeps_them() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("data/uploads.json");
        let saved = |days: i64| SavedSession {
            session_id: format!("session of {days} days"),
            offset: 8 << 20,
            prefix: "ab".into(),
            next: "cd".into(),
            at: Utc::now() - TimeDelta::days(days),
        };
        let sessions = Arc::new(Sessions::stored_in(file.clone()));
        assert!(!sessions.contains("R/new"));
        let new = saved(0);
        sessions.set("/R/new", new.clone()).await;
        sessions.set("/R/old", saved(8)).await;
        sessions.set("/R/gone", saved(0)).await;
        sessions.remove("/R/gone").await;
        let later = Sessions::stored_in(file.clone());
        assert_eq!(later.get("/R/new"), Some(new));
        assert!(later.contains("R/new/") && !later.contains("R/old") && !later.contains("R/gone"));
        // A file that cannot be parsed counts as empty.
        std::fs::write(&file, "{\"half").unwrap();
        assert!(!Sessions::stored_in(file).contains("R/new"));
    }
}
