//! `huracan restore`: downloads what is missing here from the remote.

use serde_json::json;

use super::CommandFuture;
use super::library::open_brain;
use crate::exit::{Code, CommandFailure, CommandOutput, OrExit};
use crate::models::bundle::settle;
use crate::pipeline::{Request, Uploads, copies};
use crate::settings::Settings;
use crate::sync::{Credentials, Kind, Remote, Scope};
use crate::ui::Ui;

/// Downloads what is missing here. A newer local file is kept unless `overwrite` is set.
///
/// # Errors
/// A remote that cannot be opened or does not answer.
pub fn restore<'a>(settings: &'a Settings, request: &'a Request, overwrite: bool) -> CommandFuture<'a, CommandOutput> {
    Box::pin(run(settings, request, overwrite))
}

async fn run(settings: &Settings, request: &Request, overwrite: bool) -> Result<CommandOutput, CommandFailure> {
    let workdir = std::path::absolute(&request.workdir)?;
    let remote = Remote::open(&settings.sync, &workdir, &Credentials::from_environment())?;
    let date = request.date.unwrap_or_else(|| chrono::Utc::now().date_naive());
    let ui = Ui::new(request.json);
    let databases = copies::restore_missing_databases(settings, &workdir, &remote, date).await?;
    let step = ui.step("restore", None);
    let scope = Scope { kinds: Kind::SCHEDULED.to_vec(), date, overwrite_newer: overwrite };
    let mut restored = remote
        .restore(&workdir, &scope, &|progress| {
            step.total(progress.files_total as u64);
            step.advance(1);
        })
        .await?;
    step.done();
    // The verdicts of this day do not replace those of a newer one, unless that is asked for.
    let winners: Vec<String> = if overwrite { restored.known.keys().cloned().collect() } else { Vec::new() };
    let superseded = settle(&workdir, &winners).or_exit(Code::Failed)?;
    for path in &superseded {
        let other = if overwrite { "the restored day" } else { "a newer run" };
        eprintln!("{path} is not kept: {other} has another verdict on this coin");
    }
    restored.known.retain(|local, _| workdir.join(local).exists());
    // Recorded as uploaded, so that these files are not uploaded again.
    let brain = open_brain(settings, &workdir).await?;
    let uploads = Uploads { brain, remote, workdir, date, run_id: None };
    uploads.record(restored.known.into_iter()).await?;
    let Uploads { brain, remote, .. } = uploads;
    brain.close().await;
    let failed: Vec<String> = restored.failed.iter().map(|f| format!("{}: {}", f.path, f.error)).collect();
    for fault in &failed {
        eprintln!("{fault}");
    }
    let code = if failed.is_empty() { 0 } else { Code::Failed as u8 };
    Ok(CommandOutput {
        code,
        json: json!({
            "remote": remote.address(), "date": date, "databases": databases, "written": restored.written.len(), "same": restored.same,
            "kept_newer": restored.kept_newer, "superseded": superseded, "refused": restored.refused, "failed": failed,
        }),
    })
}
