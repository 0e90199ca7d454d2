//! `huracan report`: writes the reports of the latest run again, from its data.

use serde_json::json;

use super::CommandFuture;
use crate::exit::{Code, CommandFailure, CommandOutput};
use crate::pipeline::Request;
use crate::report::{self, ReportData};
use crate::settings::Settings;

/// Writes the reports of the latest run again, from `reports/training_report.json`.
///
/// # Errors
/// No run's data, or a folder that cannot be written.
pub fn report<'a>(settings: &'a Settings, request: &'a Request) -> CommandFuture<'a, CommandOutput> {
    Box::pin(run(settings, request))
}

async fn run(_settings: &Settings, request: &Request) -> Result<CommandOutput, CommandFailure> {
    let workdir = std::path::absolute(&request.workdir)?;
    let path = workdir.join("reports/training_report.json");
    let bytes = std::fs::read(&path).map_err(|error| {
        CommandFailure::new(Code::BadData, format!("{}: {error}; `huracan run` writes it", path.display()))
    })?;
    let data: ReportData = serde_json::from_slice(&bytes)
        .map_err(|error| CommandFailure::new(Code::BadData, format!("{}: {error}", path.display())))?;
    let written = report::write(&workdir, &data)?;
    Ok(CommandOutput {
        code: 0,
        json: json!({
            "run_id": data.run_id,
            "training_report": written.training_report,
            "performance_analysis": written.performance_analysis,
            "model_comparison": written.model_comparison,
        }),
    })
}
