//! `huracan status`: what runs, or how the last run went.

use serde_json::{Value, json};

use super::Ending;
use super::library::library;
use crate::brain::time_of_ms;
use crate::exit::{Answer, Failure};
use crate::pipeline::{ANSWER, Request};
use crate::settings::Settings;
use crate::{health, kill};

/// What runs, or how the last run went.
///
/// # Errors
/// A brain that cannot be opened or read.
pub fn status<'a>(settings: &'a Settings, request: &'a Request) -> Ending<'a, Answer> {
    Box::pin(run(settings, request))
}

async fn run(settings: &Settings, request: &Request) -> Result<Answer, Failure> {
    let workdir = std::path::absolute(&request.workdir)?;
    let brain = library(settings, &workdir).await?;
    let run = brain.latest_run(request.date).await?;
    let holder = brain.lock_holder().await?;
    brain.close().await;
    let killed = kill::status(&workdir).map(|killed| killed.to_string());
    let Some(run) = run else {
        return Ok(Answer { code: 0, json: json!({ "run": null, "working": holder, "kill_switch": killed }) });
    };
    let seen = health::read_status(&workdir).filter(|seen| seen["run_id"] == run.run_id.as_str());
    let part = |name: &str| seen.as_ref().map(|seen| seen[name].clone());
    let json = json!({
        "run": {
            "run_id": run.run_id,
            "date": run.date,
            "status": run.status,
            "step": run.step,
            "done": part("done"),
            "total": part("total"),
            "started": run.started,
            "finished": run.finished,
            "heartbeat": run.heartbeat,
            "device": run.device,
            "simulated": run.simulated,
            "error": run.error,
        },
        // The run that holds the lock and shows signs of life; a `running` run without one was killed.
        "working": holder,
        "result": run.steps.get(ANSWER).map(|step| step.get("left").unwrap_or(step)),
        // As this machine last saw it; none where the run worked on another one, or nothing was looked at yet.
        "health": seen.as_ref().and_then(|seen| {
            let looks = seen["components"].as_array()?.iter().filter_map(|component| component["timestamp"].as_str());
            let checked = looks.max()?;
            Some(json!({ "status": seen["status"], "checked": checked, "unwell": unwell(&seen["components"]) }))
        }),
        "kill_switch": killed,
        "now": time_of_ms(chrono::Utc::now().timestamp_millis()),
    });
    Ok(Answer { code: 0, json })
}

/// The components that are degraded or failed, with what they say.
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
