//! Step 9: what changed goes to the remote, is noted in the brain as it arrives, and is looked at there.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt;
use tokio::sync::{mpsc, watch};

use super::Failure;
use super::identity::RunIdentity;
use super::services::Services;
use crate::brain::{Brain, SYNC_MANIFEST, SyncRow, to_millis};
use crate::sync::{Kind, Manifest, ManifestEntry, OnProgress, Push, Pushed, Remote, Verified};
use crate::ui::Step;

/// What a run that must leave uploads, the dearest first: what was downloaded and learned, then what tells of it.
const LEAVING: [Kind; 8] = [
    Kind::Candles,
    Kind::Models,
    Kind::Learning,
    Kind::Reports,
    Kind::Exports,
    Kind::Config,
    Kind::Monitoring,
    Kind::Logs,
];

/// Most uploads noted in the brain at once.
const BATCH: usize = 500;

/// From where to where, and on whose behalf.
#[derive(Clone)]
pub struct Uploads {
    pub brain: Brain,
    pub remote: Remote,
    pub workdir: PathBuf,
    pub date: NaiveDate,
    pub run_id: Option<String>,
}

/// Which files one push looks at.
pub struct Which<'a> {
    pub kinds: &'a [Kind],
    pub changed_since: Option<SystemTime>,
    pub stop: Option<&'a watch::Receiver<bool>>,
}

pub struct Synced {
    pub uploaded: usize,
    pub unchanged: usize,
    pub verified: Verified,
    /// What the remote does not hold as it should, each with the reason.
    pub failed: Vec<String>,
}

impl Uploads {
    /// Those of a run.
    pub fn of(run: &RunIdentity, services: &Services) -> Self {
        Self {
            brain: services.brain.clone(),
            remote: services.remote.clone(),
            workdir: run.workdir.clone(),
            date: run.date,
            run_id: Some(run.row.run_id.clone()),
        }
    }

    /// Uploads every kind of file and verifies it; what is then found missing or other than it should be goes up again.
    pub async fn everything(&self, step: &Step) -> Result<Synced, Failure> {
        let mut manifest = self.manifest().await?;
        let all = Which { kinds: &Kind::ALL, changed_since: None, stop: None };
        let show = |progress: crate::sync::Progress| {
            step.total(progress.files_total as u64);
            step.advance(1);
        };
        let mut pushed = self.push(&all, &manifest, &show).await?;
        let (mut uploaded, unchanged) = (pushed.uploaded.len(), pushed.unchanged);
        manifest.extend(std::mem::take(&mut pushed.uploaded));
        let mut verified = self.remote.verify(&self.workdir, &Kind::ALL, &manifest, &|_| {}).await?;
        let lost: Vec<&String> =
            verified.missing.iter().chain(verified.differing.iter().map(|(path, _)| path)).collect();
        if !lost.is_empty() {
            tracing::warn!(files = lost.len(), "the remote lost or changed files that it had: they go up again");
            lost.into_iter().for_each(|path| drop(manifest.remove(path)));
            pushed = self.push(&all, &manifest, &|_| {}).await?;
            uploaded += pushed.uploaded.len();
            manifest.extend(std::mem::take(&mut pushed.uploaded));
            verified = self.remote.verify(&self.workdir, &Kind::ALL, &manifest, &|_| {}).await?;
        }
        let right: Vec<String> =
            verified.right.iter().filter_map(|local| Some(manifest.get(local)?.remote_path.clone())).collect();
        self.brain.store_verified(&right, now()).await?;
        let mut failed: Vec<String> =
            pushed.failed.iter().map(|f| format!("{} was not uploaded: {}", f.path, f.error)).collect();
        failed.extend(verified.missing.iter().map(|path| format!("{path} is missing on the remote")));
        failed.extend(verified.differing.iter().map(|(path, difference)| format!("{path} {difference}")));
        failed.extend(verified.unknown.iter().map(|f| format!("{} cannot be verified: {}", f.path, f.error)));
        Ok(Synced { uploaded, unchanged, verified, failed })
    }

    /// Uploads one kind of file after the other, without a look back; gives back how many files went up.
    pub async fn leave(&self) -> Result<usize, Failure> {
        let manifest = self.manifest().await?;
        let mut uploaded = 0;
        for kind in LEAVING {
            let which = Which { kinds: &[kind], changed_since: None, stop: None };
            let pushed = self.push(&which, &manifest, &|_| {}).await?;
            for failure in &pushed.failed {
                tracing::warn!("{} was not uploaded: {}", failure.path, failure.error);
            }
            uploaded += pushed.uploaded.len();
        }
        Ok(uploaded)
    }

    /// Uploads what the manifest does not know, and notes it in the brain file by file, so that a push that is killed
    /// goes on where it was.
    pub async fn push(&self, which: &Which<'_>, known: &Manifest, progress: OnProgress<'_>) -> Result<Pushed, Failure> {
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let push = async move {
            let on_uploaded = move |local: &str, entry: &ManifestEntry| {
                // Nobody listens any more once the brain has failed, which ends the push.
                let _ = arrived.send((local.to_owned(), entry.clone()));
            };
            let push = Push {
                changed_since: which.changed_since,
                stop: which.stop,
                on_uploaded: &on_uploaded,
                ..Push::new(&self.workdir, self.date, which.kinds, known)
            };
            Ok(self.remote.push(push, progress).await?)
        };
        let (pushed, ()) = tokio::try_join!(push, self.note(arrivals))?;
        Ok(pushed)
    }

    async fn note(&self, mut arrivals: mpsc::UnboundedReceiver<(String, ManifestEntry)>) -> Result<(), Failure> {
        let mut batch = Vec::new();
        while arrivals.recv_many(&mut batch, BATCH).await > 0 {
            self.note_all(batch.drain(..)).await?;
        }
        Ok(())
    }

    /// Notes files in the brain as they lie on the remote.
    pub async fn note_all(&self, files: impl Iterator<Item = (String, ManifestEntry)>) -> Result<(), Failure> {
        let uploaded_at = now();
        let rows: Vec<SyncRow> = files
            .map(|(local_path, entry)| SyncRow {
                modified_at: modified(&self.workdir.join(&local_path)),
                remote_path: entry.remote_path,
                local_path,
                size_bytes: entry.size as i64,
                sha256: entry.sha256,
                uploaded_at,
                verified_at: None,
                run_id: self.run_id.clone(),
                etag: entry.etag,
            })
            .collect();
        Ok(self.brain.store_synced(&rows).await?)
    }

    /// What the brain knows to lie on the remote: the newest upload of each local file.
    pub async fn manifest(&self) -> Result<Manifest, Failure> {
        let mut rows: Vec<SyncRow> = self.brain.stream_all(&SYNC_MANIFEST).try_collect().await?;
        rows.sort_by_key(|row| row.uploaded_at);
        Ok(rows
            .into_iter()
            .map(|row| {
                let entry = ManifestEntry {
                    size: row.size_bytes as u64,
                    sha256: row.sha256,
                    remote_path: row.remote_path,
                    etag: row.etag,
                };
                (row.local_path, entry)
            })
            .collect())
    }
}

/// When a file was last changed here, where the system knows.
fn modified(path: &Path) -> Option<DateTime<Utc>> {
    let changed = std::fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
    Some(to_millis(changed.into()))
}

fn now() -> DateTime<Utc> {
    to_millis(Utc::now())
}
