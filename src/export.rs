//! Exports: the content of the brain, the journal and the working folder as files for other programs.
//!
//! Rows are streamed from the database to the file, so memory use does not grow with the history. A file gets its
//! name only once it is complete.

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

pub use trades::{trade_table, write_backtest, write_backtest_results};

use file::Folder;

/// An export that failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The database cannot be read.
    #[error("cannot export {file}: {source}")]
    Brain {
        /// Name of the file.
        file: String,
        /// Error of the database.
        source: BrainError,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {source}; check free disk space and the folder's permissions", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Error of the file system.
        source: std::io::Error,
    },
    /// A file to copy cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the file system.
        source: std::io::Error,
    },
}

/// One exported file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportFile {
    /// Name below `exports/`.
    pub file: String,
    /// Kind of the export; docs/contract.md, section 9, lists the kinds.
    pub kind: &'static str,
    /// Number of records; None for copied files.
    pub rows: Option<u64>,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 (hex) of the content.
    pub sha256: String,
}

/// The index of an export: the content of `performance_summary_{date}.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExportIndex {
    /// The day that the run works for.
    pub date: NaiveDate,
    /// The exported run.
    pub run_id: String,
    /// When the export was made.
    pub exported_at: DateTime<Utc>,
    /// True if the candles come from the simulated market.
    pub simulated: bool,
    /// Currency of money in this run.
    pub account_currency: String,
    /// Number of files, without this index.
    pub total_files: usize,
    /// Size of these files.
    pub total_bytes: u64,
    /// The files.
    pub files: Vec<ExportFile>,
}

/// A running export. Boxing keeps its code in this crate, instead of compiling it again in every binary.
pub type ExportFuture<'a> = BoxFuture<'a, Result<ExportIndex, ExportError>>;

/// Exports one run to `{workdir}/exports`; kinds that span all runs include the whole history.
///
/// Files of the same day are replaced; those of other days are kept.
///
/// # Errors
/// The error of the first file that fails; the files before it are complete.
pub fn all<'a>(brain: &'a Brain, journal: &'a Journal, workdir: &'a Path, run: &'a RunRow) -> ExportFuture<'a> {
    Box::pin(async move { export(brain, journal, workdir, run, &mut |_| ()).await })
}

/// Like [`all`]; `on_files` is called with the files that were just completed, one or two at a time.
///
/// # Errors
/// As [`all`].
pub fn all_with_progress<'a>(
    brain: &'a Brain,
    journal: &'a Journal,
    workdir: &'a Path,
    run: &'a RunRow,
    on_files: &'a mut (dyn FnMut(&[ExportFile]) + Send),
) -> ExportFuture<'a> {
    Box::pin(export(brain, journal, workdir, run, on_files))
}

async fn export(
    brain: &Brain,
    journal: &Journal,
    workdir: &Path,
    run: &RunRow,
    on_files: &mut (dyn FnMut(&[ExportFile]) + Send),
) -> Result<ExportIndex, ExportError> {
    let folder = Folder::open(&workdir.join("exports"))?;
    let mut files = Vec::new();
    let mut add = |new_files: Vec<ExportFile>| {
        on_files(&new_files);
        files.extend(new_files);
    };
    for table in tables::OF_BRAIN {
        add(tables::from_brain(brain, table, &folder, run).await?);
    }
    add(vec![reasons::win_loss_analysis(brain, &folder, run).await?]);
    for table in tables::OF_JOURNAL {
        add(tables::from_journal(journal, table, &folder, run).await?);
    }
    add(copies::all(workdir, &folder)?);
    add(vec![json::comprehensive_metrics(brain, &folder, run).await?]);
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
