//! `huracan audit`: whether results can be believed.

use std::path::Path;

use serde_json::{Value, json};

use super::candles;
use crate::audit::report::Audit;
use crate::audit::worlds::Source;
use crate::audit::{self, Request, page};
use crate::engine::Compute;
use crate::exit::{Code, Failure, OrExit};
use crate::files::write_atomic;
use crate::settings::Settings;
use crate::ui::Ui;

/// Audits a folder's candles, or the simulated market where there is none, and writes `audit.json`, `audit.html` and
/// `power.svg` to `out`.
///
/// # Errors
/// Bad candles, candles of another timeframe than the settings', or a folder that cannot be written.
pub fn run(
    settings: &Settings,
    compute: &Compute,
    folder: Option<&Path>,
    request: &Request,
    out: Option<&Path>,
    ui: &Ui,
) -> Result<Audit, Failure> {
    let panel = folder.map(|folder| candles::read_panel(folder, settings)).transpose()?;
    let source = match &panel {
        None => Source::Simulated,
        Some(panel) if panel.timeframe == settings.market.timeframe => Source::Candles(panel),
        Some(panel) => {
            let (found, set) = (panel.timeframe, settings.market.timeframe);
            let message = format!(
                "the candles are of {found}, the settings of {set}: give --set market.timeframe={found}, and folds and labels that fit it (daily candles: --config config/daily.yaml)"
            );
            return Err(Failure::new(Code::Usage, message));
        }
    };
    let audit = audit::run(source, settings, compute, request, ui)?;
    if let Some(out) = out {
        std::fs::create_dir_all(out).or_exit(Code::Failed)?;
        write_atomic(&out.join("audit.json"), serde_json::to_string_pretty(&as_json(&audit))?.as_bytes())?;
        write_atomic(&out.join("audit.html"), page::page(&audit).as_bytes())?;
        if let Some(power) = &audit.power {
            write_atomic(&out.join("power.svg"), page::curve(power).as_bytes())?;
        }
    }
    Ok(audit)
}

/// The audit with its verdicts.
pub fn as_json(audit: &Audit) -> Value {
    json!({ "failed": audit.failed(), "checks": audit.rows(), "audit": audit })
}
