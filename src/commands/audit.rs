//! `huracan audit`: whether the results can be trusted.

use std::path::Path;

use serde_json::{Value, json};

use super::candles;
use crate::audit::report::Audit;
use crate::audit::worlds::Source;
use crate::audit::{self, Request, page};
use crate::bars::Panel;
use crate::engine::Compute;
use crate::exit::{Code, CommandFailure, OrExit};
use crate::files::write_atomic;
use crate::health;
use crate::settings::Settings;
use crate::ui::Ui;

/// Audits the candles of a folder, or without one simulated markets, and writes `audit.json`, `audit.html` and
/// `power.svg` to `out`.
///
/// # Errors
/// Bad candles, candles of another timeframe than that of the settings, or a folder that cannot be written.
pub fn run(
    settings: &Settings,
    compute: &Compute,
    folder: Option<&Path>,
    request: &Request,
    out: Option<&Path>,
    ui: &Ui,
) -> Result<Audit, CommandFailure> {
    let panel = folder.map(|folder| candles::read_panel(folder, settings)).transpose()?;
    let audit = of(settings, compute, panel.as_ref(), request, ui)?;
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

/// Audits a panel, or without one simulated markets.
///
/// # Errors
/// Candles of another timeframe than that of the settings, or a device that fails.
pub fn of(
    settings: &Settings,
    compute: &Compute,
    panel: Option<&Panel>,
    request: &Request,
    ui: &Ui,
) -> Result<Audit, CommandFailure> {
    let source = match panel {
        None => Source::Simulated,
        Some(panel) if panel.timeframe == settings.market.timeframe => Source::Candles(panel),
        Some(panel) => {
            let (found, set) = (panel.timeframe, settings.market.timeframe);
            let message = format!(
                "the timeframe of the candles is {found}, that of the settings {set}: give --set market.timeframe={found}, and folds and labels that fit it (daily candles: --config config/daily.yaml)"
            );
            return Err(CommandFailure::new(Code::Usage, message));
        }
    };
    if let Some(warning) = health::missing_burn(settings, compute.device()) {
        ui.message(warning);
    }
    audit::run(source, settings, compute, request, ui)
}

/// The audit as JSON, with its verdicts.
pub fn as_json(audit: &Audit) -> Value {
    json!({ "failed": audit.failed(), "checks": audit.rows(), "audit": audit })
}
