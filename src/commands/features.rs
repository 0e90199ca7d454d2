//! `huracan features`: the feature catalogue for every candle file of a folder.

use std::path::Path;

use crate::polars::prelude::*;
use serde_json::{Value, json};

use super::{candles, table};
use crate::bars::Panel;
use crate::engine::Compute;
use crate::exit::{Code, CommandFailure, OrExit};
use crate::features::{self, CATALOGUE, Idle, VIEW, View};
use crate::settings::Settings;

/// Writes `symbol, timestamp` and the features, one row per bar; with `scale_free` the view of them that models see.
///
/// # Errors
/// A device that is not available, bad candles, or a file that cannot be written.
pub fn run(
    settings: &Settings,
    workdir: &Path,
    folder: &Path,
    scale_free: bool,
    out: &Path,
) -> Result<Value, CommandFailure> {
    let compute = settings.open_device(workdir)?;
    let panel = candles::read_panel(folder, settings)?;
    let frame = table(&compute, &panel, scale_free)?;
    super::fallback::warn_if_lost(&compute);
    if scale_free {
        warn_of_idle_columns(&panel, folder);
    }
    let (rows, shown) = (frame.height(), frame.width() - 2);
    table::write(out, frame).or_exit(Code::Failed)?;
    Ok(
        json!({ "simulated": panel.simulated, "symbols": panel.symbols.len(), "rows": rows, "features": shown, "out": out }),
    )
}

/// `symbol, timestamp` and the features of a panel, one row per bar; with `scale_free` the view of them that models see.
///
/// # Errors
/// A device that fails.
pub fn table(compute: &Compute, panel: &Panel, scale_free: bool) -> Result<DataFrame, CommandFailure> {
    let features = features::device::compute_on(compute, panel)?;
    let view = scale_free.then(|| View::of_on(compute, panel, &features)).transpose()?;
    let cells =
        || panel.ranges.iter().enumerate().flat_map(|(symbol, range)| range.clone().map(move |bar| (symbol, bar)));
    let symbols: Vec<&str> = cells().map(|(symbol, _)| panel.symbols[symbol].as_str()).collect();
    let times: Vec<i64> = cells().map(|(_, bar)| panel.time_ms(bar)).collect();
    let rows = times.len();
    let mut columns = vec![Column::new("symbol".into(), symbols), table::time_column("timestamp", times)?];
    let shown = if scale_free { VIEW } else { CATALOGUE };
    for (i, feature) in shown.iter().enumerate() {
        let value =
            |(symbol, bar)| view.as_ref().map_or_else(|| features.value(symbol, bar, i), |v| v.value(symbol, bar, i));
        let values: Vec<f32> = cells().map(value).collect();
        columns.push(Column::new(feature.name.into(), values));
    }
    Ok(DataFrame::new(rows, columns)?)
}

/// Warns on standard error of columns that are the same at every bar, because coins are missing from the folder.
fn warn_of_idle_columns(panel: &Panel, folder: &Path) {
    let idle = features::idle_columns(panel);
    for Idle { columns, reason } in &idle {
        let names: Vec<&str> = columns.iter().map(|&column| VIEW[column].name).collect();
        eprintln!("warning: {}: {}: {reason}", folder.display(), names.join(", "));
    }
    if !idle.is_empty() {
        eprintln!("warning: a model expects these columns of the coins in its metadata (inputs.symbols)");
    }
}
