//! One stored candle file with its origin and the time span that it covers.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::bars::{Candles, Timeframe};
use crate::market::MarketError;
use crate::market::exchange::Origin;
use crate::market::files::{read_metadata, read_with_metadata, write_with_metadata};

/// Key of the entry in the Parquet file's metadata. It is part of the file, so a file cannot be mistaken for one of
/// another origin.
const METADATA_KEY: &str = "huracan.candles";

#[derive(Debug, Serialize, Deserialize)]
struct CandleMetadata {
    origin: Origin,
    from_ms: i64,
    to_ms: i64,
}

/// Whether any Parquet file of `folder` was stored from a simulated market.
pub fn holds_simulated(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    let is_simulated = |path: &Path| {
        let entry = read_metadata(path, METADATA_KEY).ok().flatten();
        let metadata = entry.and_then(|text| serde_json::from_str::<CandleMetadata>(&text).ok());
        metadata.is_some_and(|metadata| metadata.origin.simulated)
    };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|e| e == "parquet")).any(|path| is_simulated(&path))
}

/// Stored candles and the span `[from_ms, to_ms)` in which they are complete: no bar that the exchange had is
/// missing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cached {
    pub candles: Candles,
    from_ms: i64,
    to_ms: i64,
}

impl Cached {
    /// No candles yet; grows from `from_ms` on.
    pub fn empty(from_ms: i64) -> Self {
        Self { candles: Candles::default(), from_ms, to_ms: from_ms }
    }

    /// Reads the file at `path` if it is complete, valid and of this origin.
    pub fn local(path: &Path, origin: &Origin, timeframe: Timeframe) -> Option<Self> {
        path.exists().then(|| Self::read(path, origin, timeframe)).flatten()
    }

    /// Reads the bytes of a file that another machine stored.
    pub fn from_bytes(
        folder: &Path,
        bytes: &[u8],
        symbol: &str,
        origin: &Origin,
        timeframe: Timeframe,
    ) -> Option<Self> {
        let attempt = || -> std::io::Result<Option<Self>> {
            use std::io::Write;
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::Builder::new().prefix(".remote-").suffix(".parquet").tempfile_in(folder)?;
            file.write_all(bytes)?;
            Ok(Self::read(file.path(), origin, timeframe))
        };
        attempt().unwrap_or_else(|error| {
            tracing::warn!(symbol, "cannot write the remote candles to a temporary file: {error}");
            None
        })
    }

    fn read(path: &Path, origin: &Origin, timeframe: Timeframe) -> Option<Self> {
        let file = path.display();
        let (candles, entry) = read_with_metadata(path, METADATA_KEY)
            .inspect_err(|error| tracing::warn!("downloading stored candles again: {error}"))
            .ok()?;
        let Some(metadata) = entry.and_then(|text| serde_json::from_str::<CandleMetadata>(&text).ok()) else {
            tracing::warn!("downloading {file} again: it does not record where its candles come from");
            return None;
        };
        if metadata.origin != *origin {
            tracing::info!("downloading {file} again: it holds {:?}, but {origin:?} is needed", metadata.origin);
            return None;
        }
        if let Err(fault) = candles.validate(timeframe) {
            tracing::warn!("downloading {file} again: {fault}");
            return None;
        }
        Some(Self { candles, from_ms: metadata.from_ms, to_ms: metadata.to_ms })
    }

    /// Whether `[from_ms, to_ms)` is covered; at its end, less than `cache_ms` may be missing.
    pub fn covers(&self, from_ms: i64, to_ms: i64, cache_ms: i64) -> bool {
        self.from_ms <= from_ms && (self.to_ms >= to_ms || to_ms - self.to_ms < cache_ms)
    }

    /// The spans to download so that `[from_ms, to_ms)` is covered and no hole is left between old and new bars.
    pub fn missing(&self, from_ms: i64, to_ms: i64) -> Vec<(i64, i64)> {
        [(from_ms, self.from_ms), (self.to_ms, to_ms)].into_iter().filter(|(start, end)| start < end).collect()
    }

    /// Adds the exchange's bars of `[start, end)`, replacing stored ones.
    pub fn add(&mut self, bars: Candles, start: i64, end: i64) {
        let mut merged = Candles::default();
        let old = &self.candles;
        let before = old.timestamp.partition_point(|&t| t < start);
        let after = old.timestamp.partition_point(|&t| t < end);
        for range in [&old.slice(0..before), &bars, &old.slice(after..old.len())] {
            merged.timestamp.extend(&range.timestamp);
            merged.open.extend(&range.open);
            merged.high.extend(&range.high);
            merged.low.extend(&range.low);
            merged.close.extend(&range.close);
            merged.volume.extend(&range.volume);
        }
        self.candles = merged;
        self.from_ms = self.from_ms.min(start);
        self.to_ms = self.to_ms.max(end);
    }

    /// Writes the file atomically.
    pub fn write(&self, path: &Path, origin: &Origin) -> Result<(), MarketError> {
        let metadata = CandleMetadata { origin: origin.clone(), from_ms: self.from_ms, to_ms: self.to_ms };
        let entry = serde_json::to_string(&metadata)
            .map_err(|error| MarketError::Write { path: path.into(), reason: error.to_string() })?;
        write_with_metadata(path, &self.candles, &[(METADATA_KEY, entry)])
    }
}
