//! Step 9: what changed goes to the remote, and is looked at there.

use std::path::Path;

use chrono::{NaiveDate, Utc};
use futures::TryStreamExt;

use super::Failure;
use super::day::Day;
use crate::brain::{Brain, SYNC_MANIFEST, SyncRow, to_millis};
use crate::sync::{Kind, Manifest, ManifestEntry, Pushed, Remote, Verified};
use crate::ui::Step;

pub struct Synced {
    pub uploaded: usize,
    pub unchanged: usize,
    pub verified: Verified,
    pub failed: Vec<String>,
}

/// Uploads every kind of file, notes it in the brain and verifies it.
pub async fn push(
    brain: &Brain,
    remote: &Remote,
    workdir: &Path,
    date: NaiveDate,
    run_id: Option<&str>,
    step: &Step,
) -> Result<Synced, Failure> {
    let mut manifest = manifest(brain).await?;
    let pushed = remote
        .push_all(workdir, date, &Kind::ALL, &manifest, &|progress| {
            step.total(progress.files_total as u64);
            step.advance(1);
        })
        .await?;
    let uploaded = note(brain, &pushed, run_id).await?;
    manifest.extend(pushed.uploaded);
    let verified = remote.verify(workdir, &Kind::ALL, &manifest, &|_| {}).await?;
    let mut failed: Vec<String> =
        pushed.failed.iter().map(|f| format!("{} was not uploaded: {}", f.path, f.error)).collect();
    failed.extend(verified.missing.iter().map(|path| format!("{path} is missing on the remote")));
    failed.extend(verified.differing.iter().map(|(path, difference)| format!("{path} {difference}")));
    failed.extend(verified.unknown.iter().map(|f| format!("{} cannot be verified: {}", f.path, f.error)));
    Ok(Synced { uploaded, unchanged: pushed.unchanged, verified, failed })
}

/// Notes in the brain what was uploaded; gives back how many files that was.
async fn note(brain: &Brain, pushed: &Pushed, run_id: Option<&str>) -> Result<usize, Failure> {
    let now = to_millis(Utc::now());
    let rows: Vec<SyncRow> = pushed
        .uploaded
        .iter()
        .map(|(local, entry)| SyncRow {
            remote_path: entry.remote_path.clone(),
            local_path: local.clone(),
            size_bytes: entry.size as i64,
            sha256: entry.sha256.clone(),
            modified_at: None,
            uploaded_at: now,
            verified_at: None,
            run_id: run_id.map(str::to_owned),
        })
        .collect();
    brain.store_synced(&rows).await?;
    Ok(rows.len())
}

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

/// Uploads one kind of file after the other, without a look back; gives back how many files went up. Whoever cuts this
/// off loses no more than the note of the kind at hand, which is then uploaded once more.
pub async fn leave(day: &Day) -> Result<usize, Failure> {
    let manifest = manifest(&day.brain).await?;
    let mut uploaded = 0;
    for kind in LEAVING {
        let pushed = day.remote.push_all(&day.workdir, day.date, &[kind], &manifest, &|_| {}).await?;
        uploaded += note(&day.brain, &pushed, Some(&day.run.run_id)).await?;
    }
    Ok(uploaded)
}

/// What the brain knows to lie on the remote: the newest upload of each local file.
async fn manifest(brain: &Brain) -> Result<Manifest, Failure> {
    let mut rows: Vec<SyncRow> = brain.stream_all(&SYNC_MANIFEST).try_collect().await?;
    rows.sort_by_key(|row| row.uploaded_at);
    Ok(rows
        .into_iter()
        .map(|row| {
            let entry = ManifestEntry {
                size: row.size_bytes as u64,
                sha256: row.sha256,
                remote_path: row.remote_path,
                etag: None,
            };
            (row.local_path, entry)
        })
        .collect())
}
