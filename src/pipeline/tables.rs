//! Single steps, asked for alone.

use std::path::Path;

use serde_json::{Value, json};

use super::download::candles_on;
use super::sync::Uploads;
use super::{Answer, Failure, Request, copies, day, wake};
use crate::bars::DAY_MS;
use crate::brain::{Brain, Journal, RunRow};
use crate::exit::Code;
use crate::market::{Selection, Store, select};
use crate::report::{self, ReportData};
use crate::settings::Settings;
use crate::sync::{Credentials, Kind, Remote, Scope};
use crate::ui::Ui;
use crate::{health, kill};

fn answer(code: u8, json: Value) -> Result<Answer, Failure> {
    Ok(Answer { code, json })
}

/// Chooses the coins and says why not the others; nothing is stored.
pub async fn universe(settings: &Settings, request: &Request) -> Result<(Selection, Answer), Failure> {
    let exchange = wake::exchange(settings, request.date)?;
    let selection = select(&exchange.markets().await?, settings, exchange.now_ms());
    let json = json!({ "simulated": exchange.simulated(), "chosen": selection.chosen, "excluded": selection.excluded });
    let code = if selection.excluded.iter().any(|e| e.failed) { Code::Partial as u8 } else { 0 };
    Ok((selection, Answer { code, json }))
}

/// Brings the candle store up to date.
pub async fn download(settings: &Settings, request: &Request) -> Result<Answer, Failure> {
    let workdir = std::path::absolute(&request.workdir)?;
    let exchange = wake::exchange(settings, request.date)?;
    let selection = select(&exchange.markets().await?, settings, exchange.now_ms());
    let remote = Remote::open(&settings.sync, &workdir, &Credentials::from_environment())?;
    let shared = candles_on(&remote, day::time(exchange.now_ms()).date_naive());
    let store = Store::new(&workdir, settings, &exchange, Some(shared));
    let symbols: Vec<String> = selection.chosen.iter().map(|coin| coin.symbol.clone()).collect();
    let ui = Ui::new(request.json);
    let step = ui.step("download", Some(symbols.len() as u64));
    let now = exchange.now_ms();
    let from = now - i64::from(settings.market.lookback_days) * DAY_MS;
    let gathered = store.gather(&symbols, from, now, |_, _| step.advance(1)).await;
    step.done();
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (symbol, result) in gathered {
        match result {
            Ok(got) => rows.push(json!({
                "symbol": symbol, "bars": got.candles.len(), "downloaded": got.downloaded, "source": got.source,
            })),
            Err(error) => failed.push(json!({ "symbol": symbol, "reason": error.to_string() })),
        }
    }
    let code = if failed.is_empty() { 0 } else { Code::Partial as u8 };
    answer(code, json!({ "simulated": exchange.simulated(), "symbols": rows, "failed": failed }))
}

async fn library(settings: &Settings, workdir: &Path) -> Result<Brain, Failure> {
    Ok(Brain::open(&settings.brain.url, workdir, settings.brain.connections).await?)
}

async fn latest(brain: &Brain, request: &Request) -> Result<RunRow, Failure> {
    let run = brain.latest_run(request.date).await?;
    run.ok_or_else(|| Failure::new(Code::BadData, "the brain knows of no such run; `huracan run` makes one"))
}

/// Writes the reports of the latest run again from its data.
pub async fn report(_settings: &Settings, request: &Request) -> Result<Answer, Failure> {
    let workdir = std::path::absolute(&request.workdir)?;
    let path = workdir.join("reports/training_report.json");
    let bytes = std::fs::read(&path).map_err(|error| {
        Failure::new(Code::BadData, format!("{}: {error}; `huracan run` writes it", path.display()))
    })?;
    let data: ReportData = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(Code::BadData, format!("{}: {error}", path.display())))?;
    let written = report::write(&workdir, &data)?;
    answer(
        0,
        json!({
            "run_id": data.run_id,
            "training_report": written.training_report,
            "performance_analysis": written.performance_analysis,
            "model_comparison": written.model_comparison,
        }),
    )
}

/// Exports the tables for the latest run, of `date` if one is given.
pub async fn export(settings: &Settings, request: &Request) -> Result<Answer, Failure> {
    let workdir = std::path::absolute(&request.workdir)?;
    let brain = library(settings, &workdir).await?;
    let run = latest(&brain, request).await?;
    let journal = Journal::open(&workdir.join("data/journal.db")).await?;
    let index = crate::export::all(&brain, &journal, &workdir, &run).await?;
    journal.close().await;
    brain.close().await;
    answer(
        0,
        json!({ "run_id": run.run_id, "date": run.date, "files": index.files.len(), "folder": workdir.join("exports") }),
    )
}

/// Uploads what changed and verifies the remote.
pub async fn sync(settings: &Settings, request: &Request) -> Result<Answer, Failure> {
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
    answer(
        code,
        json!({
            "remote": remote.address(), "date": date, "uploaded": synced.uploaded, "unchanged": synced.unchanged,
            "verified": synced.verified.right.len(), "faults": synced.failed,
        }),
    )
}

/// Brings back what is missing here.
pub async fn restore(settings: &Settings, request: &Request, overwrite: bool) -> Result<Answer, Failure> {
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
    answer(
        code,
        json!({
            "remote": remote.address(), "date": date, "databases": databases, "written": restored.written.len(), "same": restored.same,
            "kept_newer": restored.kept_newer, "refused": restored.refused, "failed": failed,
        }),
    )
}

/// What runs, or how the last run went.
pub async fn status(settings: &Settings, request: &Request) -> Result<Answer, Failure> {
    let workdir = std::path::absolute(&request.workdir)?;
    let brain = library(settings, &workdir).await?;
    let run = brain.latest_run(request.date).await?;
    let holder = brain.lock_holder().await?;
    brain.close().await;
    let killed = kill::status(&workdir).map(|killed| killed.to_string());
    let Some(run) = run else {
        return answer(0, json!({ "run": null, "working": holder, "kill_switch": killed }));
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
        "result": run.steps.get(wake::ANSWER).map(|step| step.get("left").unwrap_or(step)),
        // As this machine last saw it; none where the run worked on another one, or nothing was looked at yet.
        "health": seen.as_ref().and_then(|seen| {
            let looks = seen["components"].as_array()?.iter().filter_map(|component| component["timestamp"].as_str());
            let checked = looks.max()?;
            Some(json!({ "status": seen["status"], "checked": checked, "unwell": unwell(&seen["components"]) }))
        }),
        "kill_switch": killed,
        "now": day::time(chrono::Utc::now().timestamp_millis()),
    });
    answer(0, json)
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
