//! Tables in files: Parquet, Feather or CSV, read and written with Polars.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::polars::prelude::*;
use crate::polars::write_csv;
use chrono::DateTime;

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be opened or parsed.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// The file name has another extension than those that are supported.
    #[error("{}: unknown file format; a table is a .parquet, .feather, .arrow, .ipc or .csv file", path.display())]
    UnknownKind {
        /// The file.
        path: PathBuf,
    },
    /// A required column is missing.
    #[error("{}: column '{column}' is missing; the table has: {found}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The missing column.
        column: String,
        /// The columns of the file, with commas.
        found: String,
    },
    /// A column has a type that cannot be used.
    #[error("{}: column '{column}' holds {found}; {expected}", path.display())]
    WrongType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// What it must hold, in words.
        expected: &'static str,
    },
    /// A row has a value that cannot be used.
    #[error("{}: row {row}: {reason}", path.display())]
    BadRow {
        /// The file.
        path: PathBuf,
        /// Number of the row, from 0.
        row: usize,
        /// What is wrong.
        reason: String,
    },
    /// The file cannot be written.
    #[error("{}: cannot be written: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
}

/// A table and the file that it came from, for error messages.
pub struct Table {
    /// The file, or words for a table that is in none.
    pub path: PathBuf,
    /// Its columns.
    pub frame: DataFrame,
}

/// Reads a table. The file extension decides the format.
pub fn read(path: &Path) -> Result<Table, TableError> {
    let unreadable = |reason: String| TableError::Unreadable { path: path.to_owned(), reason };
    let open = || File::open(path).map_err(|error| unreadable(error.to_string()));
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let frame = match ending.as_str() {
        "parquet" => ParquetReader::new(open()?).finish(),
        "feather" | "arrow" | "ipc" => IpcReader::new(open()?).finish(),
        "csv" => {
            CsvReadOptions::default().with_infer_schema_length(None).into_reader_with_file_handle(open()?).finish()
        }
        _ => return Err(TableError::UnknownKind { path: path.to_owned() }),
    };
    Ok(Table { path: path.to_owned(), frame: frame.map_err(|error| unreadable(error.to_string()))? })
}

/// Writes a table as Parquet, or as CSV if the name ends in `.csv`. The file appears complete or not at all.
pub fn write(path: &Path, mut frame: DataFrame) -> Result<(), TableError> {
    let fault = |reason: String| TableError::Write { path: path.to_owned(), reason };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| fault(error.to_string()))?;
    let mut file = tempfile::Builder::new()
        .permissions(PermissionsExt::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(|error| fault(error.to_string()))?;
    let written = if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
        write_csv(file.as_file_mut(), &frame)
    } else {
        ParquetWriter::new(file.as_file_mut()).finish(&mut frame).map(|_| ())
    };
    written.map_err(|error| fault(error.to_string()))?;
    file.persist(path).map_err(|error| fault(error.to_string()))?;
    Ok(())
}

impl Table {
    /// A column.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn column(&self, name: &str) -> Result<&Column, TableError> {
        self.frame.column(name).map_err(|_| TableError::MissingColumn {
            path: self.path.clone(),
            column: name.to_owned(),
            found: self.frame.get_column_names().iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    /// Whether there is a column of this name.
    pub fn has(&self, name: &str) -> bool {
        self.frame.column(name).is_ok()
    }

    /// A numeric or boolean column; null becomes NaN.
    ///
    /// # Errors
    /// A missing column, or one of another type.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, TableError> {
        let column = self.column(name)?;
        if !is_number(column.dtype()) {
            return Err(self.wrong_type(column, "it must hold numbers"));
        }
        let cast = column.cast(&DataType::Float64).map_err(|_| self.wrong_type(column, "it must hold numbers"))?;
        let numbers = cast.f64().map_err(|_| self.wrong_type(column, "it must hold numbers"))?;
        Ok(numbers.iter().map(|v| v.unwrap_or(f64::NAN)).collect())
    }

    /// A numeric or boolean column as f32; null becomes NaN.
    ///
    /// # Errors
    /// A missing column, or one of another type.
    pub fn floats(&self, name: &str) -> Result<Vec<f32>, TableError> {
        let column = self.column(name)?;
        match column.f32() {
            Ok(own) => Ok(own.iter().map(|v| v.unwrap_or(f32::NAN)).collect()),
            Err(_) => Ok(self.numbers(name)?.into_iter().map(|v| v as f32).collect()),
        }
    }

    /// The distinct values of any column as text, in the order of their first rows, and for each row which of them it has; null is
    /// empty text.
    ///
    /// # Errors
    /// A missing column, or one of another type.
    pub fn categories(&self, name: &str) -> Result<(Vec<String>, Vec<u32>), TableError> {
        let column = self.column(name)?;
        let cast = column.cast(&DataType::String).map_err(|_| self.wrong_type(column, "it must hold text"))?;
        let texts = cast.str().map_err(|_| self.wrong_type(column, "it must hold text"))?;
        let (mut names, mut of_rows) = (Vec::new(), Vec::with_capacity(texts.len()));
        let mut known: HashMap<&str, u32> = HashMap::new();
        // Mostly a row has the value of the one before.
        let mut last: Option<(&str, u32)> = None;
        for text in texts.iter().map(Option::unwrap_or_default) {
            let number = match last {
                Some((before, number)) if before == text => number,
                _ => *known.entry(text).or_insert_with(|| {
                    names.push(text.to_owned());
                    names.len() as u32 - 1
                }),
            };
            last = Some((text, number));
            of_rows.push(number);
        }
        Ok((names, of_rows))
    }

    /// Any column as text; null becomes empty.
    ///
    /// # Errors
    /// A missing column, or one of another type.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, TableError> {
        let column = self.column(name)?;
        let cast = column.cast(&DataType::String).map_err(|_| self.wrong_type(column, "it must hold text"))?;
        let texts = cast.str().map_err(|_| self.wrong_type(column, "it must hold text"))?;
        Ok(texts.iter().map(|v| v.unwrap_or_default().to_owned()).collect())
    }

    /// Times in ms: a datetime of any unit, whole milliseconds, or RFC 3339 text.
    ///
    /// # Errors
    /// A missing column, or one of another type.
    pub fn times(&self, name: &str) -> Result<Vec<i64>, TableError> {
        let column = self.column(name)?;
        let expected = "it must hold datetimes, milliseconds or RFC 3339 text";
        let bad_row = |row: usize, reason: String| TableError::BadRow { path: self.path.clone(), row, reason };
        match column.dtype() {
            DataType::String => self
                .texts(name)?
                .iter()
                .enumerate()
                .map(|(row, text)| {
                    parse_time(text)
                        .ok_or_else(|| bad_row(row, format!("{name} is '{text}', which is not an RFC 3339 time")))
                })
                .collect(),
            dtype => {
                let unit = match dtype {
                    DataType::Datetime(TimeUnit::Nanoseconds, _) => 1_000_000,
                    DataType::Datetime(TimeUnit::Microseconds, _) => 1000,
                    DataType::Datetime(TimeUnit::Milliseconds, _) => 1,
                    dtype if dtype.is_integer() => 1,
                    _ => return Err(self.wrong_type(column, expected)),
                };
                let physical = column.to_physical_repr();
                let whole = physical.cast(&DataType::Int64).map_err(|_| self.wrong_type(column, expected))?;
                let whole = whole.i64().map_err(|_| self.wrong_type(column, expected))?;
                whole
                    .iter()
                    .enumerate()
                    .map(|(row, time)| time.map(|t| t / unit).ok_or_else(|| bad_row(row, format!("{name} is empty"))))
                    .collect()
            }
        }
    }

    fn wrong_type(&self, column: &Column, expected: &'static str) -> TableError {
        TableError::WrongType {
            path: self.path.clone(),
            column: column.name().to_string(),
            found: column.dtype().to_string(),
            expected,
        }
    }
}

/// Whether a column of this type can be a feature.
pub fn is_number(dtype: &DataType) -> bool {
    dtype.is_primitive_numeric() || dtype.is_bool()
}

fn parse_time(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|form| chrono::NaiveDateTime::parse_from_str(text, form).ok())
        .or_else(|| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
        .map(|time| time.and_utc().timestamp_millis())
}

/// The rows of a table of text, numbers and times as JSON objects; what is missing is null.
pub fn rows(frame: &DataFrame) -> PolarsResult<Vec<serde_json::Value>> {
    let mut rows = vec![serde_json::Map::new(); frame.height()];
    for column in frame.columns() {
        let name = column.name().to_string();
        for (place, row) in rows.iter_mut().enumerate() {
            let value = match column.get(place)? {
                AnyValue::Null => serde_json::Value::Null,
                AnyValue::String(text) => text.into(),
                AnyValue::Int32(number) => number.into(),
                AnyValue::Float32(number) => f64::from(number).into(),
                AnyValue::Float64(number) => number.into(),
                AnyValue::Datetime(time, ..) => crate::text::time_text(time).into(),
                other => other.to_string().into(),
            };
            row.insert(name.clone(), value);
        }
    }
    Ok(rows.into_iter().map(serde_json::Value::Object).collect())
}

/// A column of type datetime[ms, UTC].
pub fn time_column(name: &str, times_ms: Vec<i64>) -> PolarsResult<Column> {
    Column::new(name.into(), times_ms).cast(&DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC)))
}
