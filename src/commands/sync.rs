//! `huracan sync`: what changed goes to the remote, and is verified there.

use serde_json::json;

use super::Ending;
use super::library::{latest, library};
use crate::exit::{Answer, Code, Failure};
use crate::pipeline::{Request, Uploads};
use crate::settings::Settings;
use crate::sync::{Credentials, Remote};
use crate::ui::Ui;

/// Uploads what changed and verifies the remote.
///
/// # Errors
/// A remote that cannot be opened or does not answer.
pub fn sync<'a>(settings: &'a Settings, request: &'a Request) -> Ending<'a, Answer> {
    Box::pin(run(settings, request))
}

async fn run(settings: &Settings, request: &Request) -> Result<Answer, Failure> {
    let workdir = std::path::absolute(&request.workdir)?;
    let brain = library(settings, &workdir).await?;
    let remote = Remote::open(&settings.sync, &workdir, &Credentials::from_environment())?;
    let date = match request.date {
        Some(date) => date,
        None => latest(&brain, request).await?.date,
    };
    remote.create_dated_folder(date).await?;
    let ui = Ui::new(request.json);
    let step = ui.step("sync", None);
    let uploads = Uploads { brain, remote, workdir, date, run_id: None };
    let synced = uploads.everything(&step).await?;
    step.done();
    let Uploads { brain, remote, .. } = uploads;
    brain.close().await;
    let code = if synced.failed.is_empty() { 0 } else { Code::Failed as u8 };
    for fault in &synced.failed {
        eprintln!("{fault}");
    }
    Ok(Answer {
        code: code,
        json: json!({
            "remote": remote.address(), "date": date, "uploaded": synced.uploaded, "unchanged": synced.unchanged,
            "verified": synced.verified.right.len(), "faults": synced.failed,
        }),
    })
}
