//! The built program on folders that a test writes.
#![allow(dead_code)]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use huracan::bars::{Candles, HOUR_MS};
use huracan::polars::prelude::*;

/// Bar 0 of every folder written here: a Monday.
pub const START_MS: i64 = 1_704_067_200_000;

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Fails the test unless the command ended with `code` and said each of `words` on stderr.
    #[track_caller]
    pub fn expect(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "no '{word}' in: {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    /// The result of a command that succeeded with `--json`.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs `huracan` in `folder` without any settings from the surroundings; `line` is split at spaces.
pub fn huracan(folder: &Path, line: &str) -> Ran {
    huracan_with(folder, line, &[])
}

/// The same, with these variables in the environment.
pub fn huracan_with(folder: &Path, line: &str, variables: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    command.current_dir(folder).args(line.split_whitespace()).envs(variables.iter().copied());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HURACAN__")) {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Writes text below `folder`, with the folders on the way.
pub fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

/// Hourly candles as CSV; a bar is open, high, low, close, volume.
pub fn csv_candles(bars: &[[f64; 5]], step_ms: i64) -> String {
    let mut text = "timestamp,open,high,low,close,volume\n".to_owned();
    for (i, [open, high, low, close, volume]) in bars.iter().enumerate() {
        writeln!(text, "{},{open},{high},{low},{close},{volume}", START_MS + i as i64 * step_ms).unwrap();
    }
    text
}

/// Hourly candles from [`START_MS`] on.
pub fn candles(bars: &[[f64; 5]]) -> Candles {
    let mut candles = Candles::default();
    for (i, &[open, high, low, close, volume]) in bars.iter().enumerate() {
        candles.push(START_MS + i as i64 * HOUR_MS, [open, high, low, close], volume);
    }
    candles
}

/// A seeded walk of valid bars around `price`.
pub fn walk(seed: u64, bars: usize, price: f64) -> Vec<[f64; 5]> {
    use huracan::arith::{draw, uniform};
    let mut last = price;
    (0..bars as u64)
        .map(|i| {
            let noise = |k: u64| uniform(draw(seed, k, i));
            let open = last * (1.0 + 0.002 * (noise(0) - 0.5));
            let close = open * (1.0 + 0.03 * (noise(1) - 0.5));
            let high = open.max(close) * (1.0 + 0.01 * noise(2));
            let low = open.min(close) * (1.0 - 0.01 * noise(3));
            last = close;
            [open, high, low, close, 10.0 + 1000.0 * noise(4)]
        })
        .collect()
}

/// Reads a table that the program wrote.
pub fn table(path: &Path) -> DataFrame {
    let file = std::fs::File::open(path).unwrap();
    if path.extension().is_some_and(|e| e == "csv") {
        CsvReadOptions::default().with_infer_schema_length(None).into_reader_with_file_handle(file).finish().unwrap()
    } else {
        ParquetReader::new(file).finish().unwrap()
    }
}

/// Writes a table as Parquet.
pub fn write_table(path: &Path, columns: Vec<Column>) {
    let rows = columns.first().map_or(0, Column::len);
    let mut frame = DataFrame::new(rows, columns).unwrap();
    ParquetWriter::new(std::fs::File::create(path).unwrap()).finish(&mut frame).unwrap();
}

/// A column's values as f64, null as NaN.
pub fn numbers(frame: &DataFrame, name: &str) -> Vec<f64> {
    let column = frame.column(name).unwrap().cast(&DataType::Float64).unwrap();
    column.f64().unwrap().iter().map(|v| v.unwrap_or(f64::NAN)).collect()
}

/// A column's values as text.
pub fn texts(frame: &DataFrame, name: &str) -> Vec<String> {
    let column = frame.column(name).unwrap().cast(&DataType::String).unwrap();
    column.str().unwrap().iter().map(|v| v.unwrap_or_default().to_owned()).collect()
}

/// A time column in ms.
pub fn times(frame: &DataFrame, name: &str) -> Vec<i64> {
    let column = frame.column(name).unwrap().cast(&DataType::Int64).unwrap();
    column.i64().unwrap().into_no_null_iter().collect()
}
