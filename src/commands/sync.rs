//! `huracan sync`: uploads what changed, and verifies the remote.

use serde_json::json;

use super::CommandFuture;
use super::library::{latest_run, open_brain};
use crate::exit::{Code, CommandFailure, CommandOutput};
use crate::pipeline::{Request, Uploads};
use crate::settings::Settings;
use crate::sync::{Credentials, Remote};
use crate::ui::Ui;

/// Uploads what changed and verifies the remote.
///
/// # Errors
/// A remote that cannot be opened or does not answer.
pub fn sync<'a>(settings: &'a Settings, request: &'a Request) -> CommandFuture<'a, CommandOutput> {
    Box::pin(run(settings, request))
}

async fn run(settings: &Settings, request: &Request) -> Result<CommandOutput, CommandFailure> {
    let workdir = std::path::absolute(&request.workdir)?;
    let brain = open_brain(settings, &workdir).await?;
    let remote = Remote::open(&settings.sync, &workdir, &Credentials::from_environment())?;
    let date = match request.date {
        Some(date) => date,
        None => latest_run(&brain, request).await?.date,
    };
    remote.create_dated_folder(date).await?;
    let ui = Ui::new(request.json);
    let step = ui.step("sync", None);
    let uploads = Uploads { brain, remote, workdir, date, run_id: None };
    let synced = uploads.upload_and_verify(&step).await?;
    step.done();
    let Uploads { brain, remote, .. } = uploads;
    brain.close().await;
    let code = if synced.failed.is_empty() { 0 } else { Code::Failed as u8 };
    for fault in &synced.failed {
        eprintln!("{fault}");
    }
    Ok(CommandOutput {
        code,
        json: json!({
            "remote": remote.address(), "date": date, "uploaded": synced.uploaded, "unchanged": synced.unchanged,
            "verified": synced.verified.correct.len(), "faults": synced.failed,
        }),
    })
}
