//! Reports of a run: `training_report.json`, `performance_analysis.csv` and `model_comparison.html` in `reports/`, the
//! learning snapshots, and the summary table on the terminal.

pub mod as_map;
mod chart;
mod csv;
mod data;
pub mod learning;
mod page;
mod summary;
mod typography;

use std::path::{Path, PathBuf};

pub use data::*;
pub use summary::{Location, summary_table};

use huracan_host::files::{WriteError, write_atomic};

/// Why a report could not be created.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A chart could not be drawn.
    #[error("the chart '{what}' cannot be drawn: {reason}; check training_report.json for extreme values")]
    Chart {
        /// Title of the chart.
        what: String,
        /// Error of the drawing library.
        reason: String,
    },
    /// The page could not be rendered.
    #[error("the report page cannot be rendered: {0}; check training_report.json for extreme values")]
    Page(#[from] askama::Error),
}

/// Paths of the files of one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFiles {
    /// The data of the report, `training_report.json`.
    pub training_report: PathBuf,
    /// One row per symbol, `performance_analysis.csv`.
    pub performance_analysis: PathBuf,
    /// The page, `model_comparison.html`.
    pub model_comparison: PathBuf,
}

/// Writes all three files to `workdir/reports`, each one atomically. The JSON comes first, because it cannot fail to
/// render.
///
/// # Errors
/// [`ReportError`] if a file cannot be written, or the page cannot be rendered.
pub fn write(workdir: &Path, data: &ReportData) -> Result<ReportFiles, ReportError> {
    let folder = workdir.join("reports");
    let files = ReportFiles {
        training_report: folder.join("training_report.json"),
        performance_analysis: folder.join("performance_analysis.csv"),
        model_comparison: folder.join("model_comparison.html"),
    };
    let mut json = serde_json::to_vec_pretty(data).expect("plain data with text keys is always JSON");
    json.push(b'\n');
    write_atomic(&files.training_report, &json)?;
    write_atomic(&files.performance_analysis, csv::performance_analysis(data).as_bytes())?;
    write_atomic(&files.model_comparison, page::render(data)?.as_bytes())?;
    Ok(files)
}

#[cfg(test)]
mod example;
#[cfg(test)]
pub use example::example;
#[cfg(test)]
mod tests;
