//! One stored candle file, with what is known of it: its origin, and the span that was asked of the exchange.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::bars::{Candles, Timeframe};
use crate::market::MarketError;
use crate::market::exchange::Origin;
use crate::market::files::{read_note, read_noted, write_noted};

/// Key of the note in the Parquet file's metadata. It travels with the candles, so that no file can be taken for another's.
const NOTE: &str = "huracan.candles";

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    origin: Origin,
    from_ms: i64,
    to_ms: i64,
}

/// Whether any Parquet file of `folder` was stored from a simulated market.
pub fn holds_simulated(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "parquet")).any(
        |path| {
            let note = read_note(&path, NOTE).ok().flatten().and_then(|text| serde_json::from_str::<Note>(&text).ok());
            note.is_some_and(|note| note.origin.simulated)
        },
    )
}

/// Stored candles and the span `[from_ms, to_ms)` in which nothing is missing that the exchange had.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cached {
    pub candles: Candles,
    from_ms: i64,
    to_ms: i64,
}

impl Cached {
    /// Nothing yet, about to grow from `from_ms` on.
    pub fn nothing(from_ms: i64) -> Self {
        Self { candles: Candles::default(), from_ms, to_ms: from_ms }
    }

    /// The file at `path`, if it is whole, valid and of this very origin.
    pub fn local(path: &Path, origin: &Origin, timeframe: Timeframe) -> Option<Self> {
        path.exists().then(|| Self::read(path, origin, timeframe)).flatten()
    }

    /// The content of a file that another machine stored.
    pub fn bytes(folder: &Path, bytes: &[u8], symbol: &str, origin: &Origin, timeframe: Timeframe) -> Option<Self> {
        let attempt = || -> std::io::Result<Option<Self>> {
            use std::io::Write;
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::Builder::new().prefix(".remote-").suffix(".parquet").tempfile_in(folder)?;
            file.write_all(bytes)?;
            Ok(Self::read(file.path(), origin, timeframe))
        };
        attempt().unwrap_or_else(|error| {
            tracing::warn!(symbol, "the remote candles cannot be kept: {error}");
            None
        })
    }

    fn read(path: &Path, origin: &Origin, timeframe: Timeframe) -> Option<Self> {
        let file = path.display();
        let (candles, note) = read_noted(path, NOTE)
            .inspect_err(|error| tracing::warn!("stored candles are fetched again: {error}"))
            .ok()?;
        let Some(note) = note.and_then(|text| serde_json::from_str::<Note>(&text).ok()) else {
            tracing::warn!("{file} is fetched again: it does not say which exchange its candles come from");
            return None;
        };
        if note.origin != *origin {
            tracing::info!("{file} is fetched again: it holds {:?}, wanted is {origin:?}", note.origin);
            return None;
        }
        if let Err(fault) = candles.validate(timeframe) {
            tracing::warn!("{file} is fetched again: {fault}");
            return None;
        }
        Some(Self { candles, from_ms: note.from_ms, to_ms: note.to_ms })
    }

    /// Whether `[from_ms, to_ms)` is there, its end by less than `cache_ms` perhaps not.
    pub fn covers(&self, from_ms: i64, to_ms: i64, cache_ms: i64) -> bool {
        self.from_ms <= from_ms && (self.to_ms >= to_ms || to_ms - self.to_ms < cache_ms)
    }

    /// The spans to fetch so that `[from_ms, to_ms)` is there and no hole is left between old and new.
    pub fn missing(&self, from_ms: i64, to_ms: i64) -> Vec<(i64, i64)> {
        [(from_ms, self.from_ms), (self.to_ms, to_ms)].into_iter().filter(|(start, end)| start < end).collect()
    }

    /// Adds what the exchange had in `[start, end)`; it replaces what was there.
    pub fn add(&mut self, part: Candles, start: i64, end: i64) {
        let mut merged = Candles::default();
        let old = &self.candles;
        let before = old.timestamp.partition_point(|&t| t < start);
        let after = old.timestamp.partition_point(|&t| t < end);
        for piece in [&old.slice(0..before), &part, &old.slice(after..old.len())] {
            merged.timestamp.extend(&piece.timestamp);
            merged.open.extend(&piece.open);
            merged.high.extend(&piece.high);
            merged.low.extend(&piece.low);
            merged.close.extend(&piece.close);
            merged.volume.extend(&piece.volume);
        }
        self.candles = merged;
        self.from_ms = self.from_ms.min(start);
        self.to_ms = self.to_ms.max(end);
    }

    /// Writes the file, all or nothing.
    pub fn write(&self, path: &Path, origin: &Origin) -> Result<(), MarketError> {
        let note = Note { origin: origin.clone(), from_ms: self.from_ms, to_ms: self.to_ms };
        let note = serde_json::to_string(&note)
            .map_err(|error| MarketError::Write { path: path.into(), reason: error.to_string() })?;
        write_noted(path, &self.candles, &[(NOTE, note)])
    }
}
