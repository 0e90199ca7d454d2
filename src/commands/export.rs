//! `huracan export`: the tables of a run as files.

use serde_json::json;

use super::Ending;
use super::library::{latest, library};
use crate::brain::Journal;
use crate::exit::{Answer, Failure};
use crate::pipeline::Request;
use crate::settings::Settings;

/// Exports the tables for the latest run, of `date` if one is given.
///
/// # Errors
/// A run that is not there, or a file that cannot be written.
pub fn export<'a>(settings: &'a Settings, request: &'a Request) -> Ending<'a, Answer> {
    Box::pin(run(settings, request))
}

async fn run(settings: &Settings, request: &Request) -> Result<Answer, Failure> {
    let workdir = std::path::absolute(&request.workdir)?;
    let brain = library(settings, &workdir).await?;
    let run = latest(&brain, request).await?;
    let journal = Journal::open(&workdir.join("data/journal.db")).await?;
    let index = crate::export::all(&brain, &journal, &workdir, &run).await?;
    journal.close().await;
    brain.close().await;
    Ok(Answer {
        code: 0,
        json: json!({ "run_id": run.run_id, "date": run.date, "files": index.files.len(), "folder": workdir.join("exports") }),
    })
}
