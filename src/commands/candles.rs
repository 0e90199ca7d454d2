//! The candles of a folder as a panel.

use std::path::Path;

use crate::bars::{Candles, Panel, Timeframe};
use crate::exit::{Code, CommandFailure, OrExit};
use crate::market::{MarketError, read_folder, read_markets, read_tables, store};
use crate::polars::prelude::DataFrame;
use crate::settings::Settings;
use crate::text::time_text;

/// Reads every candle file of `folder`, and what the folder knows of its markets.
///
/// The timeframe is `market.timeframe` if the user has set it, otherwise that of the files.
///
/// # Errors
/// Exit code 3 with every bad file, its row and the reason.
pub fn read_panel(folder: &Path, settings: &Settings) -> Result<Panel, CommandFailure> {
    read_panel_until(folder, settings, None)
}

/// As [`read_panel`], of the bars that have closed at `at_ms`.
///
/// # Errors
/// As [`read_panel`]; no bar that has closed by then.
pub fn read_panel_until(folder: &Path, settings: &Settings, at_ms: Option<i64>) -> Result<Panel, CommandFailure> {
    let explicit = explicit_timeframe(settings);
    let (timeframe, files) = read_folder(folder, explicit).or_exit(Code::BadData)?;
    let (candles, mut faults) = divide(files);
    let (markets, bad) = read_markets(folder, settings.market.kind).or_exit(Code::BadData)?.split();
    faults.extend(bad.into_iter().map(|(_, error)| error.to_string()));
    if !faults.is_empty() {
        return Err(CommandFailure::new(Code::BadData, faults.join("\n")));
    }
    let simulated = store::holds_simulated(folder);
    let panel = closed_panel(candles, timeframe, settings, simulated, at_ms)?;
    Ok(panel.with_markets(&markets))
}

/// The panel of tables of candles in memory, each of which holds one symbol, or many in a column `symbol`; `simulated` says whether
/// they come from a simulated market. With `at_ms` only bars count that have closed by then.
///
/// The columns are those of candle files, and the timeframe follows from the settings or the spacing as there. Nothing is known
/// of the markets: terms of the exchange and funding are in folders only.
///
/// # Errors
/// Exit code 3 with every bad table, its row and the reason.
pub fn panel_of(
    tables: Vec<(Option<String>, DataFrame)>,
    settings: &Settings,
    simulated: bool,
    at_ms: Option<i64>,
) -> Result<Panel, CommandFailure> {
    let (timeframe, read) = read_tables(tables, explicit_timeframe(settings)).or_exit(Code::BadData)?;
    let (candles, faults) = divide(read);
    if !faults.is_empty() {
        return Err(CommandFailure::new(Code::BadData, faults.join("\n")));
    }
    closed_panel(candles, timeframe, settings, simulated, at_ms)
}

/// The panel of the bars that have closed at `at_ms`. A bar that is still forming must not fill a gap, or drop the history before it.
fn closed_panel(
    candles: Vec<(String, Candles)>,
    timeframe: Timeframe,
    settings: &Settings,
    simulated: bool,
    at_ms: Option<i64>,
) -> Result<Panel, CommandFailure> {
    let until = |own: Candles| match at_ms {
        Some(at_ms) => own.slice(0..own.timestamp.partition_point(|time| time + timeframe.ms() <= at_ms)),
        None => own,
    };
    let closed: Vec<(String, Candles)> = candles.into_iter().map(|(symbol, own)| (symbol, until(own))).collect();
    if let Some(at_ms) = at_ms.filter(|_| closed.iter().all(|(_, own)| own.is_empty())) {
        return Err(CommandFailure::new(Code::BadData, format!("no bar has closed by {}", time_text(at_ms))));
    }
    Panel::new(closed, timeframe, settings.market.max_gap_bars, simulated).or_exit(Code::BadData)
}

fn explicit_timeframe(settings: &Settings) -> Option<Timeframe> {
    settings.explicit.contains("market.timeframe").then_some(settings.market.timeframe)
}

/// The candles that can be used, and what is wrong with the others.
fn divide(read: Vec<(String, Result<Candles, MarketError>)>) -> (Vec<(String, Candles)>, Vec<String>) {
    let (mut candles, mut faults) = (Vec::new(), Vec::new());
    for (symbol, read) in read {
        match read {
            Ok(read) => candles.push((symbol, read)),
            Err(error) => faults.push(error.to_string()),
        }
    }
    (candles, faults)
}
