//! The candles of a folder as a panel.

use std::path::Path;

use crate::bars::{Panel, Timeframe};
use crate::exit::{Code, CommandFailure, OrExit};
use crate::market::{read_folder, read_markets, store};
use crate::settings::Settings;

/// Reads every candle file of `folder`, and what the folder knows of its markets.
///
/// The timeframe is `market.timeframe` if the user has set it, otherwise that of the files.
///
/// # Errors
/// Exit code 3 with every bad file, its row and the reason.
pub fn read_panel(folder: &Path, settings: &Settings) -> Result<Panel, CommandFailure> {
    let explicit: Option<Timeframe> =
        settings.explicit.contains("market.timeframe").then_some(settings.market.timeframe);
    let (timeframe, files) = read_folder(folder, explicit).or_exit(Code::BadData)?;
    let (mut candles, mut faults) = (Vec::new(), Vec::new());
    for (symbol, read) in files {
        match read {
            Ok(read) => candles.push((symbol, read)),
            Err(error) => faults.push(error.to_string()),
        }
    }
    let (markets, bad) = read_markets(folder, settings.market.kind).or_exit(Code::BadData)?.split();
    faults.extend(bad.into_iter().map(|(_, error)| error.to_string()));
    if !faults.is_empty() {
        return Err(CommandFailure::new(Code::BadData, faults.join("\n")));
    }
    let simulated = store::holds_simulated(folder);
    let panel = Panel::new(candles, timeframe, settings.market.max_gap_bars, simulated).or_exit(Code::BadData)?;
    Ok(panel.with_markets(&markets))
}
