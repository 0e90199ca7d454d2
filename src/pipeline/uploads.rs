//! Step 9: uploads what changed, records each file in the brain as it arrives, and verifies the remote.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt;
use tokio::sync::{mpsc, watch};

use super::CommandFailure;
use super::identity::RunIdentity;
use super::services::Services;
use crate::brain::{Brain, SYNC_MANIFEST, SyncRow, to_millis};
use crate::models::bundle::REJECTED;
use crate::sync::{Kind, Manifest, ManifestEntry, OnProgress, Push, Pushed, Remote, Verified};
use crate::ui::Step;

/// The order of uploads before an early exit. What is costly to make again comes first.
const ORDER_BEFORE_EXIT: [Kind; 8] = [
    Kind::Candles,
    Kind::Models,
    Kind::Learning,
    Kind::Reports,
    Kind::Exports,
    Kind::Config,
    Kind::Monitoring,
    Kind::Logs,
];

/// Most uploads recorded in the brain at once.
const BATCH: usize = 500;

/// Uploads from a workdir to a day's folder on the remote, recorded in the brain.
#[derive(Clone)]
pub struct Uploads {
    pub brain: Brain,
    pub remote: Remote,
    pub workdir: PathBuf,
    pub date: NaiveDate,
    /// The run that uploads, if it is one.
    pub run_id: Option<String>,
}

/// The files that one push considers.
pub struct FileSelection<'a> {
    pub kinds: &'a [Kind],
    /// Only files that changed since then.
    pub changed_since: Option<SystemTime>,
    /// No further file is uploaded once this is true.
    pub stop: Option<&'a watch::Receiver<bool>>,
}

/// Result of [`Uploads::upload_and_verify`].
pub struct Synced {
    pub uploaded: usize,
    pub unchanged: usize,
    pub verified: Verified,
    /// Files that are not on the remote as they should be, each with the reason.
    pub failed: Vec<String>,
}

impl Uploads {
    /// The uploads of a run.
    pub fn of(run: &RunIdentity, services: &Services) -> Self {
        Self {
            brain: services.brain.clone(),
            remote: services.remote.clone(),
            workdir: run.workdir.clone(),
            date: run.date,
            run_id: Some(run.row.run_id.clone()),
        }
    }

    /// Uploads and verifies every kind of file. Files that turn out to be missing or different are uploaded again.
    pub async fn upload_and_verify(&self, step: &Step) -> Result<Synced, CommandFailure> {
        let mut manifest = self.manifest().await?;
        let all = FileSelection { kinds: &Kind::SCHEDULED, changed_since: None, stop: None };
        let show = |progress: crate::sync::Progress| {
            step.total(progress.files_total as u64);
            step.advance(1);
        };
        let mut pushed = self.push(&all, &manifest, &show).await?;
        let (mut uploaded, unchanged) = (pushed.uploaded.len(), pushed.unchanged);
        manifest.extend(std::mem::take(&mut pushed.uploaded));
        let mut verified = self.remote.verify(&self.workdir, &Kind::SCHEDULED, &manifest, &|_| {}).await?;
        let lost: Vec<&String> =
            verified.missing.iter().chain(verified.differing.iter().map(|(path, _)| path)).collect();
        if !lost.is_empty() {
            tracing::warn!(files = lost.len(), "the remote lost or changed files; they are uploaded again");
            lost.into_iter().for_each(|path| drop(manifest.remove(path)));
            pushed = self.push(&all, &manifest, &|_| {}).await?;
            uploaded += pushed.uploaded.len();
            manifest.extend(std::mem::take(&mut pushed.uploaded));
            verified = self.remote.verify(&self.workdir, &Kind::SCHEDULED, &manifest, &|_| {}).await?;
        }
        let correct: Vec<String> =
            verified.correct.iter().filter_map(|local| Some(manifest.get(local)?.remote_path.clone())).collect();
        self.brain.store_verified(&correct, now()).await?;
        let mut failed: Vec<String> =
            pushed.failed.iter().map(|f| format!("{} was not uploaded: {}", f.path, f.error)).collect();
        failed.extend(verified.missing.iter().map(|path| format!("{path} is missing on the remote")));
        failed.extend(verified.differing.iter().map(|(path, difference)| format!("{path} {difference}")));
        failed.extend(verified.unchecked.iter().map(|f| format!("{} cannot be verified: {}", f.path, f.error)));
        failed.extend(self.delete_moved_models(&manifest).await?);
        Ok(Synced { uploaded, unchanged, verified, failed })
    }

    /// Deletes this day's models on the remote whose verdict has changed since they were uploaded: what lies in the folder of
    /// approved models may be traded. Returns what could not be deleted, in words.
    async fn delete_moved_models(&self, manifest: &Manifest) -> Result<Vec<String>, CommandFailure> {
        let folder = format!("{}/", self.remote.folder(Kind::Models, self.date));
        let moved = manifest.iter().filter(|(local, entry)| {
            let is_here = |local: &str| self.workdir.join(local).exists();
            entry.remote_path.starts_with(&folder)
                && !is_here(local)
                && other_folder(local).is_some_and(|l| is_here(&l))
        });
        let (mut deleted, mut failed) = (Vec::new(), Vec::new());
        for (local, entry) in moved {
            match self.remote.operator().delete(&entry.remote_path).await {
                Ok(()) => deleted.push(entry.remote_path.clone()),
                Err(error) => {
                    failed.push(format!("{local}, whose verdict has changed, is still on the remote: {error}"))
                }
            }
        }
        self.brain.forget_synced(&deleted).await?;
        Ok(failed)
    }

    /// Uploads one kind of file after the other, without verification. Returns the number of uploaded files.
    pub async fn upload_before_exit(&self) -> Result<usize, CommandFailure> {
        let manifest = self.manifest().await?;
        let mut uploaded = 0;
        for kind in ORDER_BEFORE_EXIT {
            let selection = FileSelection { kinds: &[kind], changed_since: None, stop: None };
            let pushed = self.push(&selection, &manifest, &|_| {}).await?;
            for failure in &pushed.failed {
                tracing::warn!("{} was not uploaded: {}", failure.path, failure.error);
            }
            uploaded += pushed.uploaded.len();
        }
        for fault in self.delete_moved_models(&self.manifest().await?).await? {
            tracing::warn!("{fault}");
        }
        Ok(uploaded)
    }

    /// Uploads files that the manifest does not have, and records each one in the brain as it arrives, so that a killed push
    /// can be continued.
    pub async fn push(
        &self,
        selection: &FileSelection<'_>,
        known: &Manifest,
        progress: OnProgress<'_>,
    ) -> Result<Pushed, CommandFailure> {
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let push = async move {
            let on_uploaded = move |local: &str, entry: &ManifestEntry| {
                // Fails only if the recording has failed, which ends the push anyway.
                let _ = arrived.send((local.to_owned(), entry.clone()));
            };
            let push = Push {
                changed_since: selection.changed_since,
                stop: selection.stop,
                on_uploaded: &on_uploaded,
                ..Push::new(&self.workdir, self.date, selection.kinds, known)
            };
            Ok(self.remote.push(push, progress).await?)
        };
        let (pushed, ()) = tokio::try_join!(push, self.record_arrivals(arrivals))?;
        Ok(pushed)
    }

    async fn record_arrivals(
        &self,
        mut arrivals: mpsc::UnboundedReceiver<(String, ManifestEntry)>,
    ) -> Result<(), CommandFailure> {
        let mut batch = Vec::new();
        while arrivals.recv_many(&mut batch, BATCH).await > 0 {
            self.record(batch.drain(..)).await?;
        }
        Ok(())
    }

    /// Records in the brain that these files are on the remote.
    pub async fn record(&self, files: impl Iterator<Item = (String, ManifestEntry)>) -> Result<(), CommandFailure> {
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

    /// The files on the remote according to the brain: the newest upload of each local file.
    pub async fn manifest(&self) -> Result<Manifest, CommandFailure> {
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

/// Where a model's file would be with the other verdict.
fn other_folder(local: &str) -> Option<String> {
    let (approved, rejected) = ("models/", format!("models/{REJECTED}/"));
    match local.strip_prefix(&rejected) {
        Some(file) => Some(format!("{approved}{file}")),
        None => Some(format!("{rejected}{}", local.strip_prefix(approved)?)),
    }
}

/// Modification time of a local file, if the system provides it.
fn modified(path: &Path) -> Option<DateTime<Utc>> {
    let changed = std::fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
    Some(to_millis(changed.into()))
}

fn now() -> DateTime<Utc> {
    to_millis(Utc::now())
}
