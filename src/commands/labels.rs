//! `huracan labels`: the outcome of the unit trade at every bar, long and short.

use std::path::Path;

use crate::polars::prelude::*;
use serde_json::{Value, json};

use super::{candles, table};
use crate::bars::Panel;
use crate::engine::Compute;
use crate::exit::{Code, CommandFailure, OrExit};
use crate::settings::Settings;
use crate::shadow::{Rules, Side};
use crate::{features, labels};

/// Writes `symbol, timestamp, side, win, return_bps, exit_timestamp, exit_reason`, one row per label.
///
/// # Errors
/// A device that is not available, bad candles, or a file that cannot be written.
pub fn run(settings: &Settings, workdir: &Path, folder: &Path, out: &Path) -> Result<Value, CommandFailure> {
    let compute = settings.open_device(workdir)?;
    let panel = candles::read_panel(folder, settings)?;
    let frame = table(settings, &compute, &panel)?;
    super::fallback::warn_if_lost(&compute);
    let rows = frame.height();
    table::write(out, frame).or_exit(Code::Failed)?;
    Ok(json!({ "simulated": panel.simulated, "symbols": panel.symbols.len(), "rows": rows, "out": out }))
}

/// `symbol, timestamp, side, win, return_bps, exit_timestamp, exit_reason` of a panel, one row per label.
///
/// # Errors
/// A device that fails.
pub fn table(settings: &Settings, compute: &Compute, panel: &Panel) -> Result<DataFrame, CommandFailure> {
    let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, panel.timeframe);
    let labels = labels::device::compute_on(compute, panel, &features::device::atr_14_on(compute, panel)?, &rules)?;
    let (mut symbols, mut times, mut sides, mut wins) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut returns, mut exits, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    for (symbol, range) in panel.ranges.iter().enumerate() {
        for bar in range.clone() {
            for side in [Side::Long, Side::Short] {
                let Some(label) = labels.get(symbol, bar, side) else { continue };
                symbols.push(panel.symbols[symbol].as_str());
                times.push(panel.time_ms(bar));
                sides.push(side.sign() as i32);
                wins.push(label.return_bps > 0.0);
                returns.push(label.return_bps);
                exits.push(panel.time_ms(label.exit_bar));
                reasons.push(label.exit_reason.name());
            }
        }
    }
    let rows = times.len();
    let columns = vec![
        Column::new("symbol".into(), symbols),
        table::time_column("timestamp", times)?,
        Column::new("side".into(), sides),
        Column::new("win".into(), wins),
        Column::new("return_bps".into(), returns),
        table::time_column("exit_timestamp", exits)?,
        Column::new("exit_reason".into(), reasons),
    ];
    Ok(DataFrame::new(rows, columns)?)
}
