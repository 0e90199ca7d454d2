//! Exports: everything that the brain, the journal and the working folder know, as files that other programs open.
//!
//! Rows are streamed from the database to the file, so that memory does not grow with the history. A file appears
//! under its name only when it is whole.

mod copies;
mod file;
mod json;
mod line;
mod pipe;
mod reasons;
mod tables;
mod trades;

use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, Utc};
use futures::future::BoxFuture;
use serde::Serialize;

use crate::brain::{Brain, BrainError, Journal, RunRow, to_millis};

pub use trades::{trade_table, write_backtest};

use file::Folder;

/// An export that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("cannot export {file}: {source}")]
    Brain { file: String, source: BrainError },
    #[error("cannot write {}: {source}; is there room on the disk, and is the folder writable?", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
}

/// One exported file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportFile {
    /// Below `exports/`.
    pub file: String,
    /// Which of the export kinds it is.
    pub kind: &'static str,
    /// Records inside; none for files that were copied whole.
    pub rows: Option<u64>,
    pub bytes: u64,
    pub sha256: String,
}

/// What an export made: the content of `performance_summary_{date}.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExportIndex {
    pub date: NaiveDate,
    pub run_id: String,
    pub exported_at: DateTime<Utc>,
    pub simulated: bool,
    pub account_currency: String,
    pub total_files: usize,
    pub total_bytes: u64,
    pub files: Vec<ExportFile>,
}

/// An export under way; boxed, so that this library alone compiles it.
pub type Exporting<'a> = BoxFuture<'a, Result<ExportIndex, ExportError>>;

/// Exports one run, and the whole history where a kind says so, to `{workdir}/exports`.
///
/// Files of the same day are replaced; those of other days stay.
///
/// # Errors
/// The first file that cannot be made; those before it are whole.
pub fn all<'a>(brain: &'a Brain, journal: &'a Journal, workdir: &'a Path, run: &'a RunRow) -> Exporting<'a> {
    Box::pin(async move { export(brain, journal, workdir, run, &mut |_| ()).await })
}

/// The same; `told` hears of every file, or of two that are made at once, when they are whole.
///
/// # Errors
/// As [`all`].
pub fn all_told<'a>(
    brain: &'a Brain,
    journal: &'a Journal,
    workdir: &'a Path,
    run: &'a RunRow,
    told: &'a mut (dyn FnMut(&[ExportFile]) + Send),
) -> Exporting<'a> {
    Box::pin(export(brain, journal, workdir, run, told))
}

async fn export(
    brain: &Brain,
    journal: &Journal,
    workdir: &Path,
    run: &RunRow,
    told: &mut (dyn FnMut(&[ExportFile]) + Send),
) -> Result<ExportIndex, ExportError> {
    let folder = Folder::open(&workdir.join("exports"))?;
    let mut files = Vec::new();
    let mut made = |some: Vec<ExportFile>| {
        told(&some);
        files.extend(some);
    };
    for table in tables::OF_BRAIN {
        made(tables::from_brain(brain, table, &folder, run).await?);
    }
    made(vec![reasons::win_loss_analysis(brain, &folder, run).await?]);
    for table in tables::OF_JOURNAL {
        made(tables::from_journal(journal, table, &folder, run).await?);
    }
    made(copies::all(workdir, &folder)?);
    made(vec![json::comprehensive_metrics(brain, &folder, run).await?]);
    let index = ExportIndex {
        date: run.date,
        run_id: run.run_id.clone(),
        exported_at: to_millis(Utc::now()),
        simulated: run.simulated,
        account_currency: run.account_currency.clone(),
        total_files: files.len(),
        total_bytes: files.iter().map(|file| file.bytes).sum(),
        files,
    };
    json::performance_summary(&folder, &index)?;
    Ok(index)
}
