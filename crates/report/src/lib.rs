//! What a run did, for people and for machines: `training_report.json`, `performance_analysis.csv` and
//! `model_comparison.html` in `reports/`, and the learning snapshots.

pub mod as_map;
mod chart;
mod csv;
mod data;
pub mod learning;
mod page;
mod summary;

use std::path::{Path, PathBuf};

pub use data::*;
pub use summary::{Place, summary_table};

use huracan_host::files::{WriteError, write_atomic};

/// A report that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("the chart of {what} cannot be drawn: {reason}; look for wild values in training_report.json")]
    Chart { what: String, reason: String },
    #[error("the page cannot be made: {0}; look for wild values in training_report.json")]
    Page(#[from] askama::Error),
}

/// The files of one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub training_report: PathBuf,
    pub performance_analysis: PathBuf,
    pub model_comparison: PathBuf,
}

/// Writes all three files to `workdir/reports`, each whole or not at all; the JSON first, since it depends on nothing.
///
/// # Errors
/// [`ReportError`].
pub fn write(workdir: &Path, data: &ReportData) -> Result<Written, ReportError> {
    let folder = workdir.join("reports");
    let written = Written {
        training_report: folder.join("training_report.json"),
        performance_analysis: folder.join("performance_analysis.csv"),
        model_comparison: folder.join("model_comparison.html"),
    };
    let mut json = serde_json::to_vec_pretty(data).expect("plain data with text keys is always JSON");
    json.push(b'\n');
    write_atomic(&written.training_report, &json)?;
    write_atomic(&written.performance_analysis, csv::performance_analysis(data).as_bytes())?;
    write_atomic(&written.model_comparison, page::render(data)?.as_bytes())?;
    Ok(written)
}

#[cfg(test)]
mod example;
#[cfg(test)]
pub use example::example;
#[cfg(test)]
mod tests;
