//! `huracan restore`: what is missing here comes back from the remote.

use serde_json::json;

use super::Ending;
use super::library::library;
use crate::exit::{Answer, Code, Failure};
use crate::pipeline::{Request, Uploads, copies};
use crate::settings::Settings;
use crate::sync::{Credentials, Kind, Remote, Scope};
use crate::ui::Ui;

/// Brings back what is missing here.
///
/// # Errors
/// A remote that cannot be opened or does not answer.
pub fn restore<'a>(settings: &'a Settings, request: &'a Request, overwrite: bool) -> Ending<'a, Answer> {
    Box::pin(run(settings, request, overwrite))
}

async fn run(settings: &Settings, request: &Request, overwrite: bool) -> Result<Answer, Failure> {
    let workdir = std::path::absolute(&request.workdir)?;
    let remote = Remote::open(&settings.sync, &workdir, &Credentials::from_environment())?;
    let date = match request.date {
        Some(date) => date,
        None => chrono::Utc::now().date_naive(),
    };
    let ui = Ui::new(request.json);
    let databases = copies::bring_back_databases(settings, &workdir, &remote, date).await?;
    let step = ui.step("restore", None);
    let scope = Scope { kinds: Kind::ALL.to_vec(), date, overwrite_newer: overwrite };
    let restored = remote
        .restore(&workdir, &scope, &|progress| {
            step.total(progress.files_total as u64);
            step.advance(1);
        })
        .await?;
    step.done();
    // What came from there need not go up again.
    let brain = library(settings, &workdir).await?;
    let uploads = Uploads { brain, remote, workdir, date, run_id: None };
    uploads.note_all(restored.known.into_iter()).await?;
    let Uploads { brain, remote, .. } = uploads;
    brain.close().await;
    let failed: Vec<String> = restored.failed.iter().map(|f| format!("{}: {}", f.path, f.error)).collect();
    for fault in &failed {
        eprintln!("{fault}");
    }
    let code = if failed.is_empty() { 0 } else { Code::Failed as u8 };
    Ok(Answer {
        code: code,
        json: json!({
            "remote": remote.address(), "date": date, "databases": databases, "written": restored.written.len(), "same": restored.same,
            "kept_newer": restored.kept_newer, "refused": restored.refused, "failed": failed,
        }),
    })
}
