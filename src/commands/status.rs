//! `huracan status`: what is running, or how the last run went.

use serde_json::{Value, json};

use super::CommandFuture;
use super::library::open_brain;
use crate::brain::time_of_ms;
use crate::exit::{CommandFailure, CommandOutput};
use crate::pipeline::{ANSWER, Request};
use crate::settings::Settings;
use crate::{health, kill};

/// Reports what is running, or how the last run went.
///
/// # Errors
/// A brain that cannot be opened or read.
pub fn status<'a>(settings: &'a Settings, request: &'a Request) -> CommandFuture<'a, CommandOutput> {
    Box::pin(run(settings, request))
}

async fn run(settings: &Settings, request: &Request) -> Result<CommandOutput, CommandFailure> {
    let workdir = std::path::absolute(&request.workdir)?;
    let brain = open_brain(settings, &workdir).await?;
    let run = brain.latest_run(request.date).await?;
    let holder = brain.lock_holder().await?;
    brain.close().await;
    let killed = kill::status(&workdir).map(|killed| killed.to_string());
    let Some(run) = run else {
        return Ok(CommandOutput { code: 0, json: json!({ "run": null, "working": holder, "kill_switch": killed }) });
    };
    let file = health::read_status(&workdir).filter(|file| file["run_id"] == run.run_id.as_str());
    let field = |name: &str| file.as_ref().map(|file| file[name].clone());
    let json = json!({
        "run": {
            "run_id": run.run_id,
            "date": run.date,
            "status": run.status,
            "step": run.step,
            "done": field("done"),
            "total": field("total"),
            "started": run.started,
            "finished": run.finished,
            "heartbeat": run.heartbeat,
            "device": run.device,
            "simulated": run.simulated,
            "error": run.error,
        },
        // The run that holds the lock and shows signs of life. A `running` run without one was killed.
        "working": holder,
        "result": run.steps.get(ANSWER).map(|step| step.get("left").unwrap_or(step)),
        // From this machine's status file. None if the run was on another machine, or before the first checks.
        "health": file.as_ref().and_then(|file| {
            let checks = file["components"].as_array()?.iter().filter_map(|component| component["timestamp"].as_str());
            let checked = checks.max()?;
            Some(json!({ "status": file["status"], "checked": checked, "unwell": unwell(&file["components"]) }))
        }),
        "kill_switch": killed,
        "now": time_of_ms(chrono::Utc::now().timestamp_millis()),
    });
    Ok(CommandOutput { code: 0, json })
}

/// The components that are degraded or failed, with their messages.
fn unwell(components: &Value) -> Vec<String> {
    let components = components.as_array().into_iter().flatten();
    let unwell = components.filter(|one| matches!(one["status"].as_str(), Some("degraded" | "failed")));
    unwell
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            format!("{} is {}: {}", text("component"), text("status"), text("message"))
        })
        .collect()
}
