//! The real candles that tests compare on, where the checkout has them.
#![allow(dead_code)]

use std::io::Write;
use std::path::{Path, PathBuf};

use huracan::bars::{Candles, Panel, Timeframe};
use huracan::polars::prelude::{DataFrame, DataType, ParquetReader, SerReader};

/// All symbols of `../shared/data/candles/{timeframe}`, or of the same below the folder that `HURACAN_TEST_CANDLES` names,
/// as one panel; None, said on stderr, where the folder is missing.
pub fn shared_panel(timeframe: &str) -> Option<Panel> {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/candles");
    let folder = std::env::var_os("HURACAN_TEST_CANDLES").map_or_else(|| shared.into(), PathBuf::from).join(timeframe);
    if !folder.is_dir() {
        // Not through the captured macros: a skipped test must be seen.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no candles in {}", folder.display());
        return None;
    }
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "parquet"))
        .collect();
    files.sort();
    let candles =
        files.iter().map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), read(path))).collect();
    let timeframe: Timeframe = timeframe.parse().unwrap();
    Some(Panel::new(candles, timeframe, 24, false).unwrap())
}

fn read(path: &Path) -> Candles {
    let frame = ParquetReader::new(std::fs::File::open(path).unwrap()).finish().unwrap();
    let time = frame.column("timestamp").unwrap().cast(&DataType::Int64).unwrap();
    Candles {
        // Milliseconds, as a number or as a date.
        timestamp: time.i64().unwrap().into_no_null_iter().collect(),
        open: column(&frame, "open"),
        high: column(&frame, "high"),
        low: column(&frame, "low"),
        close: column(&frame, "close"),
        volume: column(&frame, "volume"),
    }
}

fn column(frame: &DataFrame, name: &str) -> Vec<f64> {
    frame.column(name).unwrap().f64().unwrap().into_no_null_iter().collect()
}
