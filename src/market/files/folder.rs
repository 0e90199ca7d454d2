//! A folder of candle files, one per symbol.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::read_candles;
use crate::bars::{Candles, Timeframe};
use crate::market::MarketError;

const EXTENSIONS: &[&str] = &["parquet", "feather", "arrow", "ipc", "csv"];

/// Reads and validates every candle file of a folder, sorted by symbol.
///
/// Without a timeframe, the most frequent median spacing of the files is used. A bad file is an error of its symbol;
/// the others are still read.
///
/// # Errors
/// A folder that cannot be read, holds no candle files, or holds two of one symbol.
#[expect(clippy::type_complexity, reason = "one result per symbol is the whole result")]
pub fn read_folder(
    folder: &Path,
    timeframe: Option<Timeframe>,
) -> Result<(Timeframe, Vec<(String, Result<Candles, MarketError>)>), MarketError> {
    let files = files_of(folder)?;
    if files.is_empty() {
        let reason = format!("holds no candle files ({})", EXTENSIONS.join(", "));
        return Err(MarketError::Folder { path: folder.into(), reason });
    }
    let read: Vec<(String, PathBuf, Result<Candles, MarketError>)> = files
        .into_par_iter()
        .map(|(symbol, path)| {
            let candles = read_candles(&path).map_err(MarketError::from);
            (symbol, path, candles)
        })
        .collect();
    let timeframe = match timeframe {
        Some(timeframe) => timeframe,
        None => usual_timeframe(read.iter().filter_map(|(_, _, candles)| candles.as_ref().ok())).ok_or_else(|| {
            let unknown = "no file has bars at a supported spacing; give one, for example --set market.timeframe=1h";
            let faults = read.iter().filter_map(|(_, _, candles)| candles.as_ref().err()).map(ToString::to_string);
            let reason = std::iter::once(unknown.to_owned()).chain(faults).collect::<Vec<_>>().join("\n");
            MarketError::Folder { path: folder.into(), reason }
        })?,
    };
    let validated = read.into_iter().map(|(symbol, path, candles)| {
        let checked = candles.and_then(|candles| match candles.validate(timeframe) {
            Ok(()) => Ok(candles),
            Err(fault) => Err(MarketError::BadFile { path, fault }),
        });
        (symbol, checked)
    });
    Ok((timeframe, validated.collect()))
}

/// The tables of a folder by symbol: its candle files, or its files of funding rates.
pub(crate) fn files_of(folder: &Path) -> Result<BTreeMap<String, PathBuf>, MarketError> {
    let fault = |reason: String| MarketError::Folder { path: folder.into(), reason };
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|error| fault(format!("cannot be listed: {error}")))? {
        let path = entry.map_err(|error| fault(format!("cannot be listed: {error}")))?.path();
        let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let hidden = path.file_name().and_then(|n| n.to_str()).is_none_or(|name| name.starts_with('.'));
        if hidden || !EXTENSIONS.contains(&kind.as_str()) || !path.is_file() {
            continue;
        }
        let Some(symbol) = symbol_of(&path) else { continue };
        if let Some(other) = files.get(&symbol) {
            // The directory order differs between systems; the message must not.
            let mut names =
                [other.as_path(), path.as_path()].map(|p| p.file_name().unwrap_or_default().to_string_lossy());
            names.sort();
            return Err(fault(format!("{} and {} are both {symbol}; keep one of them", names[0], names[1])));
        }
        files.insert(symbol, path);
    }
    Ok(files)
}

/// The symbol in a file's name, or None if it is empty: `btc_usdt-1h.feather` is `BTC-USDT`.
pub fn symbol_of(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    let pair = match stem.rsplit_once('-') {
        Some((pair, suffix)) if suffix.parse::<Timeframe>().is_ok() => pair,
        _ => stem,
    };
    (!pair.is_empty()).then(|| pair.replace('_', "-").to_ascii_uppercase())
}

/// The most frequent of the files' median spacings; the shorter one on a tie.
fn usual_timeframe<'a>(candles: impl Iterator<Item = &'a Candles>) -> Option<Timeframe> {
    let mut counts: BTreeMap<Timeframe, usize> = BTreeMap::new();
    for candles in candles {
        let mut spacings: Vec<i64> = candles.timestamp.windows(2).map(|w| w[1] - w[0]).collect();
        spacings.sort_unstable();
        if let Some(timeframe) = spacings.get(spacings.len() / 2).and_then(|&ms| Timeframe::from_ms(ms)) {
            *counts.entry(timeframe).or_default() += 1;
        }
    }
    counts.into_iter().rev().max_by_key(|&(_, count)| count).map(|(timeframe, _)| timeframe)
}
