//! The candles of a folder as a panel.

use std::path::Path;

use crate::bars::{Panel, Timeframe};
use crate::exit::{Code, CommandFailure, OrExit};
use crate::market::{read_folder, store};
use crate::settings::Settings;

/// Reads every candle file of `folder`.
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
    if !faults.is_empty() {
        return Err(CommandFailure::new(Code::BadData, faults.join("\n")));
    }
    Panel::new(candles, timeframe, settings.market.max_gap_bars, store::holds_simulated(folder)).or_exit(Code::BadData)
}
