//! Upload sessions that were cut off: what is known of each, so that the next try goes on inside the file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::api_path;
use crate::files::write_atomic;

/// Dropbox ends a session that is older.
const LIFE: TimeDelta = TimeDelta::days(7);

/// One session, as it was before its newest request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub session_id: String,
    /// Bytes of the file that the session has.
    pub offset: u64,
    /// Content hash of these bytes: a file that begins otherwise by now is another one.
    pub prefix: String,
    /// Content hash of the piece that was sent next, which may have arrived or not.
    pub next: String,
    pub at: DateTime<Utc>,
}

/// The sessions under way, by path on the remote; kept in a file of the work folder.
#[derive(Debug)]
pub(in crate::sync) struct Sessions {
    file: PathBuf,
    /// Read when it is first asked for.
    known: Mutex<Option<BTreeMap<String, Saved>>>,
}

impl Sessions {
    pub fn kept_in(file: PathBuf) -> Self {
        Self { file, known: Mutex::default() }
    }

    /// Whether an upload to this path can go on where another one was cut off.
    pub fn knows(&self, path: &str) -> bool {
        self.get(&api_path(path)).is_some()
    }

    pub(super) fn get(&self, path: &str) -> Option<Saved> {
        self.locked().as_ref()?.get(path).cloned()
    }

    pub(super) async fn set(self: &Arc<Self>, path: &str, saved: Saved) {
        let path = path.to_owned();
        self.change(move |known| {
            known.insert(path, saved);
            true
        })
        .await;
    }

    pub(super) async fn forget(self: &Arc<Self>, path: &str) {
        let path = path.to_owned();
        self.change(move |known| known.remove(&path).is_some()).await;
    }

    /// Changes what is known, and writes it down where `change` says that it did. Without the file an upload that is cut
    /// off begins anew, as if none had been: that it cannot be written stops nothing.
    async fn change(self: &Arc<Self>, change: impl FnOnce(&mut BTreeMap<String, Saved>) -> bool + Send + 'static) {
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
            tracing::warn!("an upload that is cut off will begin anew: {why}");
        }
    }

    fn locked(&self) -> MutexGuard<'_, Option<BTreeMap<String, Saved>>> {
        let mut known = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.get_or_insert_with(|| {
            let read = std::fs::read(&self.file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let mut read: BTreeMap<String, Saved> = read.unwrap_or_default();
            let now = Utc::now();
            read.retain(|_, saved| now - saved.at < LIFE);
            read
        });
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_known_outlives_the_process_for_as_long_as_dropbox_keeps_it() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("data/uploads.json");
        let saved = |days: i64| Saved {
            session_id: format!("session of {days} days"),
            offset: 8 << 20,
            prefix: "ab".into(),
            next: "cd".into(),
            at: Utc::now() - TimeDelta::days(days),
        };
        let sessions = Arc::new(Sessions::kept_in(file.clone()));
        assert!(!sessions.knows("R/new"));
        let new = saved(0);
        sessions.set("/R/new", new.clone()).await;
        sessions.set("/R/old", saved(8)).await;
        sessions.set("/R/gone", saved(0)).await;
        sessions.forget("/R/gone").await;
        let later = Sessions::kept_in(file.clone());
        assert_eq!(later.get("/R/new"), Some(new));
        assert!(later.knows("R/new/") && !later.knows("R/old") && !later.knows("R/gone"));
        // A file that cannot be read is as none.
        std::fs::write(&file, "{\"half").unwrap();
        assert!(!Sessions::kept_in(file).knows("R/new"));
    }
}
