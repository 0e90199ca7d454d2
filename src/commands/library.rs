//! The library that commands look into.

use std::path::Path;

use crate::brain::{Brain, RunRow};
use crate::exit::{Code, Failure};
use crate::pipeline::Request;
use crate::settings::Settings;

/// Opens the brain of the settings.
pub async fn library(settings: &Settings, workdir: &Path) -> Result<Brain, Failure> {
    Ok(Brain::open(&settings.brain.url, workdir, settings.brain.connections).await?)
}

/// The latest run; of the day asked for, if one is.
pub async fn latest(brain: &Brain, request: &Request) -> Result<RunRow, Failure> {
    let run = brain.latest_run(request.date).await?;
    run.ok_or_else(|| Failure::new(Code::BadData, "the brain knows of no such run; `huracan run` makes one"))
}
