//! Steps 9, 10 and 12: health checks, the last upload with its verification, and the summary.

use std::io::IsTerminal;

use chrono::Utc;
use serde_json::{Map, Value, json};

use super::day::{ANSWER, Day};
use super::save::Saved;
use super::uploads::Uploads;
use super::{CommandFailure, CommandOutput, copies};
use crate::brain::RunStatus;
use crate::exit::Code;
use crate::health::{self, Performance, Status};
use crate::notify::Milestone;
use crate::report::{Location, ReportData, summary_table};
use crate::ui::colours;

pub async fn finish(day: &mut Day, report: ReportData, saved: &Saved) -> Result<CommandOutput, CommandFailure> {
    let step = day.begin("health", None).await?;
    let checks = day.check_health().await;
    let unhealthy = checks.iter().filter(|check| check.status >= Status::Degraded).count();
    step.note(&format!("{} components, {unhealthy} degraded or failed", checks.len()));
    day.end(step, json!({})).await?;

    let step = day.begin("sync", None).await?;
    let seconds = day.services.ui.seconds();
    let performance = Performance {
        timestamp: Utc::now(),
        run_id: day.run.row.run_id.clone(),
        seconds: seconds.clone(),
        peak_rss_bytes: health::peak_rss_bytes(),
        simulated: day.run.simulated,
    };
    health::write_performance(&day.run.workdir, &performance)?;
    day.write_status("syncing")?;
    tracing::info!(
        trained = saved.approved + saved.rejected,
        approved = saved.approved,
        failed = day.failures.len(),
        models_digest = saved.models_digest,
        "summary; the brain records the upload that follows"
    );
    if let Some(background) = day.tasks.uploads.take() {
        background.stop().await;
    }
    let synced = Uploads::of(&day.run, &day.services).upload_and_verify(&step).await?;
    step.note(&format!(
        "{} uploaded, {} unchanged, {} verified",
        synced.uploaded,
        synced.unchanged,
        synced.verified.correct.len()
    ));
    for fault in &synced.failed {
        tracing::error!("sync: {fault}");
        day.event("error", "sync", fault.clone());
    }
    day.end(step, json!({ "uploaded": synced.uploaded, "faults": synced.failed })).await?;
    if !synced.failed.is_empty() {
        let message = format!("not everything is on the remote:\n{}", synced.failed.join("\n"));
        return Err(CommandFailure::new(Code::Failed, message));
    }
    let status = if day.failures.is_empty() { RunStatus::Done } else { RunStatus::Partial };
    let answer_so_far = answer(day, &report, saved);
    copies::upload(day, &answer_so_far, status).await?;
    finish_run(day, report, saved).await
}

/// The result that `--json` prints.
fn answer(day: &Day, report: &ReportData, saved: &Saved) -> Value {
    let seconds: Map<String, Value> = day.services.ui.seconds().into_iter().map(|(step, s)| (step, json!(s))).collect();
    let failed: Vec<Value> = day
        .failures
        .iter()
        .map(|failure| json!({ "symbol": failure.symbol, "step": failure.step, "reason": failure.reason }))
        .collect();
    json!({
        "run_id": day.run.row.run_id,
        "date": day.run.date,
        "device": day.services.compute.device().to_string(),
        // Why the CPU or other devices replaced a device, if they did.
        "device_lost": day.services.compute.loss_reason(),
        "simulated": day.run.simulated,
        "symbols": report.symbols.iter().map(|row| &row.symbol).collect::<Vec<_>>(),
        "failed": failed,
        "models": {
            "trained": saved.approved + saved.rejected,
            "approved": saved.approved,
            "rejected": saved.rejected,
            // Approved models of earlier runs whose coins this run did not train.
            "retired": saved.retired,
        },
        // The account as it would have gone, and the one that was offered the trades of all models.
        "account": report.account,
        "all_models": report.all_models,
        "trades": report.totals.trades,
        "seconds": seconds,
        "peak_rss_bytes": health::peak_rss_bytes(),
        "models_digest": saved.models_digest,
    })
}

/// Stores the answer, prints the summary and sends the last message.
async fn finish_run(day: &mut Day, mut report: ReportData, saved: &Saved) -> Result<CommandOutput, CommandFailure> {
    let json = answer(day, &report, saved);
    let code = if day.failures.is_empty() { 0 } else { Code::Partial as u8 };
    report.seconds = day.services.ui.seconds();
    day.services.brain.finish_step(&day.run.row.run_id, ANSWER, json.clone()).await?;
    let location = |what: &str, path: &str| Location::new(what, day.run.workdir.join(path).display().to_string());
    let locations = [
        location("report", "reports/model_comparison.html"),
        location("models", "models"),
        location("exports", "exports"),
        location("logs", "logs"),
        Location::new("brain", day.run.settings.brain_url_redacted()),
        Location::new("remote", day.services.remote.address()),
    ];
    day.services.ui.result(&summary_table(
        &report,
        &locations,
        colours(&std::io::stdout()) && std::io::stdout().is_terminal(),
    ));
    day.services.notifier.send(&Milestone::Finished {
        date: day.run.date,
        seconds: report.seconds.iter().map(|(_, s)| s).sum(),
        failed_symbols: day.failures.iter().map(|failure| failure.symbol.clone()).collect(),
        simulated: day.run.simulated,
    });
    Ok(CommandOutput { code, json })
}
