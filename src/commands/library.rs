//! The brain, for commands that read it.

use std::path::Path;

use crate::brain::{Brain, RunRow};
use crate::exit::{Code, CommandFailure};
use crate::pipeline::Request;
use crate::settings::Settings;

/// Opens the brain of the settings.
pub async fn open_brain(settings: &Settings, workdir: &Path) -> Result<Brain, CommandFailure> {
    Ok(Brain::open(&settings.brain.url, workdir, settings.brain.connections).await?)
}

/// The latest run, or the latest one of the request's date.
pub async fn latest_run(brain: &Brain, request: &Request) -> Result<RunRow, CommandFailure> {
    let run = brain.latest_run(request.date).await?;
    run.ok_or_else(|| CommandFailure::new(Code::BadData, "the brain holds no such run; `huracan run` does one"))
}
