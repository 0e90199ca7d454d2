//! Candle files: Parquet, Arrow (Feather) and CSV in, Parquet out.

mod columns;
mod folder;

use std::fs::File;
use std::path::Path;

use crate::polars::prelude::*;

pub use folder::{read_folder, symbol_of};

use super::{MarketError, ReadError};
use crate::bars::Candles;

/// Reads one file of candles; the extension says the format.
///
/// The bar's open is a column `timestamp`, `date`, `datetime`, `time` or `open_time`: date-times of any unit, whole
/// numbers (seconds to nanoseconds, told apart by size) or ISO 8601 text, UTC where no zone is given. Prices and volume
/// may be of any numeric type; a missing one becomes NaN, so that [`Candles::validate`] names its row.
///
/// # Errors
/// An unreadable file, a missing column, a wrong type, or a row without a time.
pub fn read_candles(path: &Path) -> Result<Candles, ReadError> {
    columns::candles(path, &read_frame(path)?)
}

fn read_frame(path: &Path) -> Result<DataFrame, ReadError> {
    let unreadable = |reason: String| ReadError::Unreadable { path: path.into(), reason };
    let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let open = || File::open(path).map_err(|error| unreadable(format!("cannot be opened: {error}")));
    let frame = match kind.as_str() {
        "parquet" => ParquetReader::new(open()?).finish(),
        "feather" | "arrow" | "ipc" => IpcReader::new(open()?).finish(),
        "csv" => CsvReadOptions::default()
            // The whole file decides the types: prices often begin as whole numbers.
            .with_infer_schema_length(None)
            .into_reader_with_file_handle(open()?)
            .finish(),
        _ => return Err(ReadError::UnknownKind { path: path.into() }),
    };
    frame.map_err(|error| unreadable(format!("is no readable {kind} file: {error}")))
}

/// Writes candles as Parquet, all or nothing: `timestamp` (ms, UTC), then open, high, low, close and volume.
///
/// # Errors
/// What the file system or the encoder refused.
pub fn write_candles(path: &Path, candles: &Candles) -> Result<(), MarketError> {
    write_noted(path, candles, &[])
}

/// Writes candles with `notes` (key, text) in the file's own metadata.
pub(super) fn write_noted(path: &Path, candles: &Candles, notes: &[(&str, String)]) -> Result<(), MarketError> {
    let refused = |reason: String| MarketError::Write { path: path.into(), reason };
    let mut frame = frame(candles).map_err(|error| refused(error.to_string()))?;
    write_atomically(path, |file| {
        let notes: Vec<(String, String)> = notes.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        let notes = (!notes.is_empty()).then(|| KeyValueMetadata::from_static(notes));
        ParquetWriter::new(file)
            .with_key_value_metadata(notes)
            .finish(&mut frame)
            .map(|_| ())
            .map_err(|error| error.to_string())
    })
    .map_err(refused)
}

/// Reads candles and the note named `key` of a Parquet file.
pub(super) fn read_noted(path: &Path, key: &str) -> Result<(Candles, Option<String>), ReadError> {
    let (reader, note) = open_noted(path, key)?;
    let frame = reader.finish().map_err(|error| not_parquet(path, &error))?;
    Ok((columns::candles(path, &frame)?, note))
}

/// Reads the note named `key` of a Parquet file alone.
pub(super) fn read_note(path: &Path, key: &str) -> Result<Option<String>, ReadError> {
    Ok(open_noted(path, key)?.1)
}

fn not_parquet(path: &Path, error: &PolarsError) -> ReadError {
    ReadError::Unreadable { path: path.into(), reason: format!("is no readable parquet file: {error}") }
}

fn open_noted(path: &Path, key: &str) -> Result<(ParquetReader<File>, Option<String>), ReadError> {
    let unreadable = |reason: String| ReadError::Unreadable { path: path.into(), reason };
    let file = File::open(path).map_err(|error| unreadable(format!("cannot be opened: {error}")))?;
    let mut reader = ParquetReader::new(file);
    let note = reader
        .get_metadata()
        .map_err(|error| not_parquet(path, &error))?
        .key_value_metadata()
        .as_ref()
        .and_then(|notes| notes.iter().find(|note| note.key == key).and_then(|note| note.value.clone()));
    Ok((reader, note))
}

fn frame(candles: &Candles) -> PolarsResult<DataFrame> {
    let time = Series::new("timestamp".into(), &candles.timestamp)
        .cast(&DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC)))?;
    let column = |name: &str, values: &Vec<f64>| Column::new(name.into(), values);
    DataFrame::new(
        candles.len(),
        vec![
            time.into(),
            column("open", &candles.open),
            column("high", &candles.high),
            column("low", &candles.low),
            column("close", &candles.close),
            column("volume", &candles.volume),
        ],
    )
}

/// Writes a file beside its place, flushes it to the disk, and only then gives it its name: whoever reads sees the old
/// file or the new one, never a part.
pub(super) fn write_atomically(path: &Path, fill: impl FnOnce(&mut File) -> Result<(), String>) -> Result<(), String> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".part");
    #[cfg(unix)]
    {
        // Temporary files are private by default; candles may be read by whom the umask allows.
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
