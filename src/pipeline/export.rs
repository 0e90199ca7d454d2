//! Step 8: exports the tables as files.

use serde_json::json;

use super::CommandFailure;
use super::day::Day;
use super::learn::Learned;
use crate::bars::Panel;
use crate::export;
use crate::report::ReportData;

pub async fn export(
    day: &mut Day,
    panel: &Panel,
    learned: &Learned,
    report: &ReportData,
) -> Result<(), CommandFailure> {
    let step = day.begin("export", None).await?;
    let date = day.run.date.to_string();
    export::write_backtest(&day.run.workdir, &date, panel, &learned.trades)?;
    export::write_backtest_results(&day.run.workdir, &date, &results(report, &date))?;
    let index = export::all(&day.services.brain, &day.services.journal, &day.run.workdir, &day.run.row).await?;
    step.note(&format!("{} files", index.files.len()));
    day.end(step, json!({ "files": index.files.len() })).await
}

/// The results of the day's backtest; its trades are in the table beside it.
fn results(report: &ReportData, date: &str) -> serde_json::Value {
    json!({
        "run_id": report.run_id,
        "date": date,
        "simulated": report.simulated,
        "timeframe": report.timeframe,
        "settings_digest": report.settings_digest,
        "models_digest": report.models_digest,
        "mode": report.decisions.mode,
        "trades_file": format!("backtest_{date}.csv"),
        "account": report.account,
        "account_equity": report.account_equity,
        "approvals": report.approvals,
        "all_models": report.all_models,
        "equity": report.equity,
        "costs": report.costs,
        "symbols": report.symbols,
        "exit_reasons": report.exit_reasons,
    })
}
