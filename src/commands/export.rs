//! `huracan export`: writes the tables of a run as files.

use serde_json::json;

use super::CommandFuture;
use super::library::{latest_run, open_brain};
use crate::brain::Journal;
use crate::exit::{CommandFailure, CommandOutput};
use crate::pipeline::Request;
use crate::settings::Settings;

/// Exports the tables for the latest run, or for the latest one of the request's date.
///
/// # Errors
/// No such run, or a file that cannot be written.
pub fn export<'a>(settings: &'a Settings, request: &'a Request) -> CommandFuture<'a, CommandOutput> {
    Box::pin(run(settings, request))
}

async fn run(settings: &Settings, request: &Request) -> Result<CommandOutput, CommandFailure> {
    let workdir = std::path::absolute(&request.workdir)?;
    let brain = open_brain(settings, &workdir).await?;
    let run = latest_run(&brain, request).await?;
    let journal = Journal::open(&workdir.join("data/journal.db")).await?;
    let index = crate::export::all(&brain, &journal, &workdir, &run).await?;
    journal.close().await;
    brain.close().await;
    Ok(CommandOutput {
        code: 0,
        json: json!({ "run_id": run.run_id, "date": run.date, "files": index.files.len(), "folder": workdir.join("exports") }),
    })
}
