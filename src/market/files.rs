//! Candle files: reads Parquet, Arrow (Feather) and CSV, and writes Parquet.

mod columns;
mod folder;

use std::fs::File;
use std::path::Path;

use crate::polars::prelude::*;

pub(super) use folder::files_of;
pub use folder::{read_folder, read_tables, symbol_of, symbol_of_text};

use super::{MarketError, ReadError};
use crate::bars::Candles;

/// Reads one candle file; the extension selects the format.
///
/// The time is the bar's open, in a column `timestamp`, `date`, `datetime`, `time` or `open_time`. It may be a
/// date-time of any unit, a whole number (seconds to nanoseconds, recognised by its size) or ISO 8601 text, UTC if no
/// zone is given. Prices and volume may have any numeric type; a missing one becomes NaN, so that
/// [`Candles::validate`] reports its row.
///
/// # Errors
/// An unreadable file, a missing column, a wrong type, or a row without a time.
pub fn read_candles(path: &Path) -> Result<Candles, ReadError> {
    columns::candles(path, &read_frame(path)?)
}

/// Reads one file of funding rates: `timestamp` as in a candle file, and `rate`.
///
/// # Errors
/// An unreadable file, a missing column, a wrong type, or a row without a time.
pub(super) fn read_funding(path: &Path) -> Result<(Vec<i64>, Vec<f64>), ReadError> {
    columns::funding(path, &read_frame(path)?)
}

fn read_frame(path: &Path) -> Result<DataFrame, ReadError> {
    let unreadable = |reason: String| ReadError::Unreadable { path: path.into(), reason };
    let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let open = || File::open(path).map_err(|error| unreadable(format!("cannot be opened: {error}")));
    let frame = match kind.as_str() {
        "parquet" => ParquetReader::new(open()?).finish(),
        "feather" | "arrow" | "ipc" => IpcReader::new(open()?).finish(),
        "csv" => CsvReadOptions::default()
            // Infer types from the whole file: prices often begin as whole numbers.
            .with_infer_schema_length(None)
            .into_reader_with_file_handle(open()?)
            .finish(),
        _ => return Err(ReadError::UnknownKind { path: path.into() }),
    };
    frame.map_err(|error| unreadable(format!("is not a readable {kind} file: {error}")))
}

/// Writes candles as Parquet, atomically. Columns: `timestamp` (ms, UTC), open, high, low, close and volume.
///
/// # Errors
/// An error of the file system or the encoder.
pub fn write_candles(path: &Path, candles: &Candles) -> Result<(), MarketError> {
    write_with_metadata(path, candles, &[])
}

/// Writes funding rates as Parquet, atomically. Columns: `timestamp` (ms, UTC) and `rate`. `entry` (key, text) is put into the
/// file's key-value metadata.
///
/// # Errors
/// An error of the file system or the encoder.
pub(super) fn write_funding(
    path: &Path,
    timestamp: &[i64],
    rate: &[f64],
    (key, text): (&str, &str),
) -> Result<(), MarketError> {
    let failed = |reason: String| MarketError::Write { path: path.into(), reason };
    let frame = time_column(timestamp)
        .and_then(|time| DataFrame::new(rate.len(), vec![time, Column::new("rate".into(), rate)]));
    write_frame(path, frame.map_err(|error| failed(error.to_string()))?, &[(key, text.to_owned())])
}

/// Writes candles with `entries` (key, text) in the file's key-value metadata.
pub(super) fn write_with_metadata(
    path: &Path,
    candles: &Candles,
    entries: &[(&str, String)],
) -> Result<(), MarketError> {
    let failed = |reason: String| MarketError::Write { path: path.into(), reason };
    write_frame(path, frame(candles).map_err(|error| failed(error.to_string()))?, entries)
}

/// Writes a table with `entries` (key, text) in the file's key-value metadata.
fn write_frame(path: &Path, mut frame: DataFrame, entries: &[(&str, String)]) -> Result<(), MarketError> {
    let failed = |reason: String| MarketError::Write { path: path.into(), reason };
    write_atomically(path, |file| {
        let entries: Vec<(String, String)> = entries.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        let metadata = (!entries.is_empty()).then(|| KeyValueMetadata::from_static(entries));
        ParquetWriter::new(file)
            .with_key_value_metadata(metadata)
            .finish(&mut frame)
            .map(|_| ())
            .map_err(|error| error.to_string())
    })
    .map_err(failed)
}

/// Reads the candles and the metadata entry `key` of a Parquet file.
pub(super) fn read_with_metadata(path: &Path, key: &str) -> Result<(Candles, Option<String>), ReadError> {
    let (reader, entry) = open_parquet(path, key)?;
    let frame = reader.finish().map_err(|error| not_parquet(path, &error))?;
    Ok((columns::candles(path, &frame)?, entry))
}

/// Reads only the metadata entry `key` of a Parquet file.
pub(super) fn read_metadata(path: &Path, key: &str) -> Result<Option<String>, ReadError> {
    Ok(open_parquet(path, key)?.1)
}

fn not_parquet(path: &Path, error: &PolarsError) -> ReadError {
    ReadError::Unreadable { path: path.into(), reason: format!("is not a readable parquet file: {error}") }
}

fn open_parquet(path: &Path, key: &str) -> Result<(ParquetReader<File>, Option<String>), ReadError> {
    let unreadable = |reason: String| ReadError::Unreadable { path: path.into(), reason };
    let file = File::open(path).map_err(|error| unreadable(format!("cannot be opened: {error}")))?;
    let mut reader = ParquetReader::new(file);
    let entry = reader
        .get_metadata()
        .map_err(|error| not_parquet(path, &error))?
        .key_value_metadata()
        .as_ref()
        .and_then(|entries| entries.iter().find(|entry| entry.key == key).and_then(|entry| entry.value.clone()));
    Ok((reader, entry))
}

fn time_column(times: &[i64]) -> PolarsResult<Column> {
    let kind = DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC));
    Ok(Series::new("timestamp".into(), times).cast(&kind)?.into())
}

fn frame(candles: &Candles) -> PolarsResult<DataFrame> {
    let column = |name: &str, values: &Vec<f64>| Column::new(name.into(), values);
    DataFrame::new(
        candles.len(),
        vec![
            time_column(&candles.timestamp)?,
            column("open", &candles.open),
            column("high", &candles.high),
            column("low", &candles.low),
            column("close", &candles.close),
            column("volume", &candles.volume),
        ],
    )
}

/// Writes a temporary file beside `path`, flushes it to disk and renames it, so that readers see the old file or the
/// new one, never a partial one.
pub(super) fn write_atomically(path: &Path, fill: impl FnOnce(&mut File) -> Result<(), String>) -> Result<(), String> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".part");
    #[cfg(unix)]
    {
        // Temporary files are private by default; candle files follow the umask.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut temporary = builder.tempfile_in(folder).map_err(|error| error.to_string())?;
    fill(temporary.as_file_mut())?;
    temporary.as_file().sync_all().map_err(|error| error.to_string())?;
    temporary.persist(path).map_err(|error| error.error.to_string())?;
    #[cfg(unix)]
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| error.to_string())?;
    Ok(())
}

#[cfg(test)]
mod tests;
