//! The brain's file and the journal go to the remote when a run ends, and come back, with models and what was learned, to a
//! machine that has none: what a lost disk costs is no more than what was not uploaded yet.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::Failure;
use super::day::{ANSWER, Day};
use super::uploads::{Uploads, Which};
use crate::brain::{Brain, BrainError, Journal, RunStatus};
use crate::exit::Code;
use crate::settings::Settings;
use crate::sync::{DATABASES, Kind, Manifest, Remote, Scope, local_files};
use crate::ui::Ui;

/// Days with a folder on the remote that are looked through for what is missing here.
const DAYS: usize = 40;

const BRAIN: &str = DATABASES[0];
const JOURNAL: &str = DATABASES[1];

/// Uploads copies of both databases in which this run has ended with `answer`, as it will when they have arrived.
pub async fn upload(day: &mut Day, answer: &Value, status: RunStatus) -> Result<(), Failure> {
    if !day.run.settings.sync.databases {
        return Ok(());
    }
    let step = day.begin("copies", None).await?;
    let folder = day.run.workdir.join(Kind::Databases.local_folder());
    day.services.journal.copy_to(&folder.join(JOURNAL)).await?;
    if day.services.brain.copy_to(&folder.join(BRAIN)).await? {
        let copy = Brain::open(&format!("sqlite://{}", folder.join(BRAIN).display()), &day.run.workdir, 1).await?;
        let ended = end(&copy, &day.run.row.run_id, answer, status).await;
        copy.close().await;
        ended?;
    }
    let uploads = Uploads::of(&day.run, &day.services);
    let mut known = Manifest::new();
    let which = Which { kinds: &[Kind::Databases], changed_since: None, stop: None };
    let mut pushed = uploads.push(&which, &known, &|_| {}).await?;
    known.extend(std::mem::take(&mut pushed.uploaded));
    let verified = day.services.remote.verify(&day.run.workdir, &[Kind::Databases], &known, &|_| {}).await?;
    if let Some(failure) = pushed.failed.first() {
        return Err(Failure::new(Code::Failed, format!("{} was not uploaded: {}", failure.path, failure.error)));
    }
    if !verified.is_complete() {
        return Err(Failure::new(
            Code::Failed,
            format!("the remote does not hold the copies as they are: {verified:?}"),
        ));
    }
    step.note(&format!("{} databases, {} bytes", known.len(), pushed.bytes));
    remove(&folder);
    day.end(step, json!({ "uploaded": known.len(), "bytes": pushed.bytes })).await
}

/// Ends the run in a copy of the brain.
async fn end(copy: &Brain, run_id: &str, answer: &Value, status: RunStatus) -> Result<(), BrainError> {
    copy.finish_step(run_id, ANSWER, answer.clone()).await?;
    copy.finish_run(run_id, status, None).await?;
    copy.forget_lock().await
}

/// What came back from the remote.
#[derive(Debug, Default)]
pub struct Returned {
    /// Databases, and the day that they are of.
    pub databases: Option<(NaiveDate, Vec<&'static str>)>,
    /// Models and learning snapshots, and the day that they are of.
    pub files: Option<(NaiveDate, usize)>,
    /// What now lies here and there alike.
    pub known: Manifest,
}

/// Brings back what a run needs of those before it and this machine has not: both databases of the newest day up to `date`
/// that left them, models and learning snapshots of the newest day that left models.
///
/// # Errors
/// A remote that has them and does not give them: a run that went on without would leave a library without a past.
pub async fn bring_back(
    settings: &Settings,
    workdir: &Path,
    remote: &Remote,
    date: NaiveDate,
) -> Result<Returned, Failure> {
    let mut returned = Returned::default();
    // Two that begin at once would put a file in the place of one that the other has opened.
    let _alone = alone(workdir)?;
    let missing = missing_databases(settings, workdir).await?;
    let without_models = local_files(workdir, &[Kind::Models])?.is_empty();
    if missing.is_empty() && !without_models {
        return Ok(returned);
    }
    let days = days(remote, date).await?;
    if !missing.is_empty()
        && let Some(day) = newest_with(Kind::Databases, remote, &days).await?
    {
        returned.databases = Some((day, place(remote, workdir, day, &missing).await?));
    }
    if without_models && let Some(day) = newest_with(Kind::Models, remote, &days).await? {
        let files = brought(remote, workdir, day, &[Kind::Models, Kind::Learning], &mut returned.known).await?;
        returned.files = Some((day, files));
    }
    Ok(returned)
}

/// Brings back the databases alone, of this day, where they are missing here; gives back which.
///
/// # Errors
/// As [`bring_back`].
pub async fn bring_back_databases(
    settings: &Settings,
    workdir: &Path,
    remote: &Remote,
    date: NaiveDate,
) -> Result<Vec<&'static str>, Failure> {
    let _alone = alone(workdir)?;
    let missing = missing_databases(settings, workdir).await?;
    if missing.is_empty() || !remote.has(Kind::Databases, date).await? {
        return Ok(Vec::new());
    }
    place(remote, workdir, date, &missing).await
}

/// Up to `date`, the newest first.
async fn days(remote: &Remote, date: NaiveDate) -> Result<Vec<NaiveDate>, Failure> {
    let days = remote.days().await?.into_iter();
    Ok(days.filter(|day| *day <= date).take(DAYS).collect())
}

/// Brings a day's databases here and puts them in their places.
async fn place(
    remote: &Remote,
    workdir: &Path,
    day: NaiveDate,
    missing: &[Missing],
) -> Result<Vec<&'static str>, Failure> {
    brought(remote, workdir, day, &[Kind::Databases], &mut Manifest::new()).await?;
    settle(workdir, missing)
}

/// Held while this machine's databases are looked at and put in their places.
fn alone(workdir: &Path) -> Result<std::fs::File, Failure> {
    let folder = workdir.join("data");
    std::fs::create_dir_all(&folder)?;
    let file = std::fs::File::create(folder.join(".bringing-back"))?;
    file.lock()?;
    Ok(file)
}

/// Says what came back.
pub fn tell(returned: &Returned, ui: &Ui) {
    if let Some((day, databases)) = returned.databases.as_ref().filter(|(_, databases)| !databases.is_empty()) {
        ui.say(&format!("brought back from the remote, as the run of {day} left them: {}", databases.join(", ")));
    }
    if let Some((day, files)) = returned.files {
        ui.say(&format!("brought back from the remote: {files} models and learning snapshots of {day}"));
    }
}

/// A database that is to lie at this path.
struct Missing {
    name: &'static str,
    file: PathBuf,
}

/// The databases that are not here, or hold nothing: whoever asks for a status makes them. None where they are not to be
/// copied at all.
async fn missing_databases(settings: &Settings, workdir: &Path) -> Result<Vec<Missing>, Failure> {
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

/// Whether a library that could come back from the remote is missing here.
pub async fn is_without_brain(settings: &Settings, workdir: &Path) -> Result<bool, Failure> {
    Ok(missing_databases(settings, workdir).await?.iter().any(|missing| missing.name == BRAIN))
}

async fn newest_with(kind: Kind, remote: &Remote, days: &[NaiveDate]) -> Result<Option<NaiveDate>, Failure> {
    for day in days {
        if remote.has(kind, *day).await? {
            return Ok(Some(*day));
        }
    }
    Ok(None)
}

/// Brings a day's files of some kinds here; gives back how many.
async fn brought(
    remote: &Remote,
    workdir: &Path,
    date: NaiveDate,
    kinds: &[Kind],
    known: &mut Manifest,
) -> Result<usize, Failure> {
    let scope = Scope { kinds: kinds.to_vec(), date, overwrite_newer: false };
    let restored = remote.restore(workdir, &scope, &|_| {}).await?;
    if let Some(failure) = restored.failed.first() {
        let message = format!(
            "{} of {date} lies on the remote and cannot be brought back: {}; try again, or --set sync.databases=false \
             to begin without it",
            failure.path, failure.error
        );
        return Err(Failure::new(Code::Failed, message));
    }
    known.extend(restored.known);
    Ok(restored.written.len() + restored.same)
}

/// Puts copies that came back in the places of the missing databases, and removes the others.
fn settle(workdir: &Path, missing: &[Missing]) -> Result<Vec<&'static str>, Failure> {
    let folder = workdir.join(Kind::Databases.local_folder());
    let mut placed = Vec::new();
    for Missing { name, file } in missing {
        let copy = folder.join(name);
        if !copy.exists() {
            continue;
        }
        // What SQLite keeps beside a file belongs to the one that gives way.
        for ending in ["-wal", "-shm"] {
            let beside = PathBuf::from(format!("{}{ending}", file.display()));
            if beside.exists() {
                std::fs::remove_file(beside)?;
            }
        }
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        if std::fs::rename(&copy, file).is_err() {
            // Another file system.
            std::fs::copy(&copy, file)?;
        }
        placed.push(*name);
    }
    remove(&folder);
    Ok(placed)
}

/// Removes what the copies were made for.
fn remove(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("{} cannot be removed: {error}", folder.display());
    }
}
