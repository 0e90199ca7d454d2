//! A folder of candle files, one per symbol.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{columns, read_candles};
use crate::bars::{Candles, Timeframe};
use crate::market::MarketError;
use crate::polars::prelude::DataFrame;

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
    validated(read, timeframe, folder)
}

/// Reads and validates candles of tables in memory, sorted by symbol. A table holds one symbol, which is given, or has a column
/// `symbol`.
///
/// # Errors
/// No tables, one without symbols, or two of one symbol; a bad table otherwise is an error of its symbols.
#[expect(clippy::type_complexity, reason = "one result per symbol is the whole result")]
pub fn read_tables(
    tables: Vec<(Option<String>, DataFrame)>,
    timeframe: Option<Timeframe>,
) -> Result<(Timeframe, Vec<(String, Result<Candles, MarketError>)>), MarketError> {
    let origin = Path::new("candles");
    let mut read: BTreeMap<String, Result<Candles, MarketError>> = BTreeMap::new();
    for (symbol, frame) in tables {
        let of_table = match symbol {
            Some(symbol) => {
                let symbol = symbol_of_text(&symbol);
                let candles = columns::candles(&origin.join(&symbol), &frame).map_err(MarketError::from);
                vec![(symbol, candles)]
            }
            None => {
                let names = columns::symbols(origin, &frame)?;
                let candles = columns::candles(origin, &frame)?;
                by_symbol(&names, &candles).into_iter().map(|(symbol, candles)| (symbol, Ok(candles))).collect()
            }
        };
        for (symbol, candles) in of_table {
            if read.contains_key(&symbol) {
                let reason = format!("two tables are both {symbol}; keep one of them");
                return Err(MarketError::Folder { path: origin.into(), reason });
            }
            read.insert(symbol, candles);
        }
    }
    let read = read.into_iter().map(|(symbol, candles)| {
        let path = origin.join(&symbol);
        (symbol, path, candles)
    });
    validated(read.collect(), timeframe, origin)
}

/// The candles of each symbol, in the order of their rows.
fn by_symbol(symbols: &[String], candles: &Candles) -> BTreeMap<String, Candles> {
    let mut of_symbol: BTreeMap<String, Candles> = BTreeMap::new();
    let mut start = 0;
    for run in symbols.chunk_by(|a, b| a == b) {
        let rows = start..start + run.len();
        start = rows.end;
        let own = of_symbol.entry(symbol_of_text(&run[0])).or_default();
        own.timestamp.extend_from_slice(&candles.timestamp[rows.clone()]);
        for (own, all) in [
            (&mut own.open, &candles.open),
            (&mut own.high, &candles.high),
            (&mut own.low, &candles.low),
            (&mut own.close, &candles.close),
            (&mut own.volume, &candles.volume),
        ] {
            own.extend_from_slice(&all[rows.clone()]);
        }
    }
    of_symbol
}

/// Finds the timeframe, if none is given, and validates the candles. `origin` is named where no timeframe is found.
#[expect(clippy::type_complexity, reason = "one result per symbol is the whole result")]
fn validated(
    read: Vec<(String, PathBuf, Result<Candles, MarketError>)>,
    timeframe: Option<Timeframe>,
    origin: &Path,
) -> Result<(Timeframe, Vec<(String, Result<Candles, MarketError>)>), MarketError> {
    let timeframe = match timeframe {
        Some(timeframe) => timeframe,
        None => usual_timeframe(read.iter().filter_map(|(_, _, candles)| candles.as_ref().ok())).ok_or_else(|| {
            let unknown = "no file has bars at a supported spacing; give one, for example --set market.timeframe=1h";
            let faults = read.iter().filter_map(|(_, _, candles)| candles.as_ref().err()).map(ToString::to_string);
            let reason = std::iter::once(unknown.to_owned()).chain(faults).collect::<Vec<_>>().join("\n");
            MarketError::Folder { path: origin.into(), reason }
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
    (!pair.is_empty()).then(|| symbol_of_text(pair))
}

/// The symbol that a text names: `btc_usdt` and `BTC/USDT` are `BTC-USDT`.
pub fn symbol_of_text(text: &str) -> String {
    text.replace(['_', '/'], "-").to_ascii_uppercase()
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
