//! Copies of the brain and the journal: they are uploaded when a run ends. A machine without them downloads them, and models
//! with learning snapshots, so that a lost disk costs no more than what was not uploaded yet.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::CommandFailure;
use super::day::{ANSWER, Day};
use super::uploads::{FileSelection, Uploads};
use crate::brain::{Brain, BrainError, Journal, RunStatus};
use crate::exit::{Code, OrExit};
use crate::models::bundle::settle;
use crate::settings::Settings;
use crate::sync::{DATABASES, Kind, Manifest, Remote, Scope, local_files};
use crate::ui::Ui;

/// How many days on the remote are searched for files that are missing here.
const DAYS: usize = 40;

const BRAIN: &str = DATABASES[0];
const JOURNAL: &str = DATABASES[1];

/// Uploads copies of both databases. In the copy of the brain, this run has already ended with `answer`: it ends when the
/// copies have arrived.
pub async fn upload(day: &mut Day, answer: &Value, status: RunStatus) -> Result<(), CommandFailure> {
    if !day.run.settings.sync.databases {
        return Ok(());
    }
    let step = day.begin("copies", None).await?;
    let folder = day.run.workdir.join(Kind::Databases.local_folder());
    day.services.journal.copy_to(&folder.join(JOURNAL)).await?;
    if day.services.brain.copy_to(&folder.join(BRAIN)).await? {
        let copy = Brain::open(&format!("sqlite://{}", folder.join(BRAIN).display()), &day.run.workdir, 1).await?;
        let ended = end_run(&copy, &day.run.row.run_id, answer, status).await;
        copy.close().await;
        ended?;
    }
    let uploads = Uploads::of(&day.run, &day.services);
    let mut known = Manifest::new();
    let selection = FileSelection { kinds: &[Kind::Databases], changed_since: None, stop: None };
    let mut pushed = uploads.push(&selection, &known, &|_| {}).await?;
    known.extend(std::mem::take(&mut pushed.uploaded));
    let verified = day.services.remote.verify(&day.run.workdir, &[Kind::Databases], &known, &|_| {}).await?;
    if let Some(failure) = pushed.failed.first() {
        return Err(CommandFailure::new(Code::Failed, format!("{} was not uploaded: {}", failure.path, failure.error)));
    }
    if !verified.is_complete() {
        return Err(CommandFailure::new(
            Code::Failed,
            format!("the copies of the databases on the remote are not as they were uploaded: {verified:?}"),
        ));
    }
    step.note(&format!("{} databases, {} bytes", known.len(), pushed.bytes));
    delete_folder(&folder);
    day.end(step, json!({ "uploaded": known.len(), "bytes": pushed.bytes })).await
}

/// Ends the run in a copy of the brain.
async fn end_run(copy: &Brain, run_id: &str, answer: &Value, status: RunStatus) -> Result<(), BrainError> {
    copy.finish_step(run_id, ANSWER, answer.clone()).await?;
    copy.finish_run(run_id, status, None).await?;
    copy.forget_lock().await
}

/// What was downloaded.
#[derive(Debug, Default)]
pub struct RestoredState {
    /// Databases, and their day.
    pub databases: Option<(NaiveDate, Vec<&'static str>)>,
    /// Number of models and learning snapshots, and their day.
    pub files: Option<(NaiveDate, usize)>,
    /// Files that are now the same locally and on the remote.
    pub known: Manifest,
}

/// Downloads what is missing here from earlier runs: the databases of the newest day up to `date` that has any, and models
/// with learning snapshots of the newest day that has models.
///
/// # Errors
/// A remote that has them, but from which they cannot be downloaded. A run without them would lose the history of earlier runs.
pub async fn restore_missing(
    settings: &Settings,
    workdir: &Path,
    remote: &Remote,
    date: NaiveDate,
) -> Result<RestoredState, CommandFailure> {
    let mut restored = RestoredState::default();
    // Of two processes that start at once, one could otherwise replace a file that the other has opened.
    let _lock = lock_databases(workdir)?;
    let missing = missing_databases(settings, workdir).await?;
    let has_no_models = local_files(workdir, &[Kind::Models])?.is_empty();
    if missing.is_empty() && !has_no_models {
        return Ok(restored);
    }
    let days = days(remote, date).await?;
    if !missing.is_empty()
        && let Some(day) = newest_with(Kind::Databases, remote, &days).await?
    {
        restored.databases = Some((day, restore_databases(remote, workdir, day, &missing).await?));
    }
    if has_no_models && let Some(day) = newest_with(Kind::Models, remote, &days).await? {
        let files = download(remote, workdir, day, &[Kind::Models, Kind::Learning], &mut restored.known).await?;
        restored.files = Some((day, files));
    }
    Ok(restored)
}

/// Downloads the databases of this day that are missing here. Returns their names.
///
/// # Errors
/// As [`restore_missing`].
pub async fn restore_missing_databases(
    settings: &Settings,
    workdir: &Path,
    remote: &Remote,
    date: NaiveDate,
) -> Result<Vec<&'static str>, CommandFailure> {
    let _lock = lock_databases(workdir)?;
    let missing = missing_databases(settings, workdir).await?;
    if missing.is_empty() || !remote.has(Kind::Databases, date).await? {
        return Ok(Vec::new());
    }
    restore_databases(remote, workdir, date, &missing).await
}

/// The newest days on the remote up to `date`, newest first.
async fn days(remote: &Remote, date: NaiveDate) -> Result<Vec<NaiveDate>, CommandFailure> {
    let days = remote.days().await?.into_iter();
    Ok(days.filter(|day| *day <= date).take(DAYS).collect())
}

/// Downloads a day's databases and moves them to their paths.
async fn restore_databases(
    remote: &Remote,
    workdir: &Path,
    day: NaiveDate,
    missing: &[Missing],
) -> Result<Vec<&'static str>, CommandFailure> {
    download(remote, workdir, day, &[Kind::Databases], &mut Manifest::new()).await?;
    move_into_place(workdir, missing)
}

/// A lock held while missing databases are determined and restored.
fn lock_databases(workdir: &Path) -> Result<std::fs::File, CommandFailure> {
    let folder = workdir.join("data");
    std::fs::create_dir_all(&folder)?;
    let file = std::fs::File::create(folder.join(".bringing-back"))?;
    file.lock()?;
    Ok(file)
}

/// Shows what was downloaded.
pub fn report(restored: &RestoredState, ui: &Ui) {
    if let Some((day, databases)) = restored.databases.as_ref().filter(|(_, databases)| !databases.is_empty()) {
        ui.message(&format!("restored from the remote, as of the run of {day}: {}", databases.join(", ")));
    }
    if let Some((day, files)) = restored.files {
        ui.message(&format!("restored from the remote: {files} models and learning snapshots of {day}"));
    }
}

/// A missing database, and the path that it belongs to.
struct Missing {
    name: &'static str,
    file: PathBuf,
}

/// The databases that do not exist or hold no runs; `huracan status` creates empty ones. None if `sync.databases` is off.
async fn missing_databases(settings: &Settings, workdir: &Path) -> Result<Vec<Missing>, CommandFailure> {
    let mut missing = Vec::new();
    if !settings.sync.databases {
        return Ok(missing);
    }
    if let Some(file) = Brain::file_of(&settings.brain.url, workdir) {
        let is_new = if file.exists() {
            let brain = Brain::open(&settings.brain.url, workdir, 1).await?;
            let is_new = brain.is_new().await;
            brain.close().await;
            is_new?
        } else {
            true
        };
        if is_new {
            missing.push(Missing { name: BRAIN, file });
        }
    }
    let file = workdir.join("data/journal.db");
    let is_new = if file.exists() {
        let journal = Journal::open(&file).await?;
        let is_new = journal.is_new().await;
        journal.close().await;
        is_new?
    } else {
        true
    };
    if is_new {
        missing.push(Missing { name: JOURNAL, file });
    }
    Ok(missing)
}

/// Whether the brain is missing here and could be restored from the remote.
pub async fn is_brain_missing(settings: &Settings, workdir: &Path) -> Result<bool, CommandFailure> {
    Ok(missing_databases(settings, workdir).await?.iter().any(|missing| missing.name == BRAIN))
}

async fn newest_with(kind: Kind, remote: &Remote, days: &[NaiveDate]) -> Result<Option<NaiveDate>, CommandFailure> {
    for day in days {
        if remote.has(kind, *day).await? {
            return Ok(Some(*day));
        }
    }
    Ok(None)
}

/// Downloads a day's files of some kinds. Returns how many of them are here now.
async fn download(
    remote: &Remote,
    workdir: &Path,
    date: NaiveDate,
    kinds: &[Kind],
    known: &mut Manifest,
) -> Result<usize, CommandFailure> {
    let scope = Scope { kinds: kinds.to_vec(), date, overwrite_newer: false };
    let restored = remote.restore(workdir, &scope, &|_| {}).await?;
    if let Some(failure) = restored.failed.first() {
        let message = format!(
            "{} of {date} is on the remote, but cannot be restored: {}; try again, or start without it: \
             --set sync.databases=false",
            failure.path, failure.error
        );
        return Err(CommandFailure::new(Code::Failed, message));
    }
    // A day's folder may still have the file of an earlier verdict of that day.
    for path in settle(workdir, &[]).or_exit(Code::Failed)? {
        tracing::warn!("{path} is not kept: a newer run has another verdict on this coin");
    }
    known.extend(restored.known.into_iter().filter(|(local, _)| workdir.join(local).exists()));
    Ok(restored.written.len() + restored.same)
}

/// Moves downloaded copies to the paths of the missing databases, and deletes the others.
fn move_into_place(workdir: &Path, missing: &[Missing]) -> Result<Vec<&'static str>, CommandFailure> {
    let folder = workdir.join(Kind::Databases.local_folder());
    let mut placed = Vec::new();
    for Missing { name, file } in missing {
        let copy = folder.join(name);
        if !copy.exists() {
            continue;
        }
        // SQLite's extra files belong to the database that is replaced.
        for ending in ["-wal", "-shm"] {
            let extra = PathBuf::from(format!("{}{ending}", file.display()));
            if extra.exists() {
                std::fs::remove_file(extra)?;
            }
        }
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        if std::fs::rename(&copy, file).is_err() {
            // The path is on another file system.
            std::fs::copy(&copy, file)?;
        }
        placed.push(*name);
    }
    delete_folder(&folder);
    Ok(placed)
}

fn delete_folder(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("{} cannot be deleted: {error}", folder.display());
    }
}
