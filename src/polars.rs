//! The parts of Polars that this program uses.
//!
//! The facade crate `polars` cannot read dates without `polars-ops` and `polars-time`. This program does not need
//! them, and of everything here only `polars-core` takes longer to compile.

use prelude::*;

/// Writes a frame as CSV. Times become text of the form that Polars writes with its temporal features:
/// `2024-08-26T00:00:00.000+0000`, with as many digits as the unit has.
///
/// # Errors
/// What the writer or Polars reports.
pub fn write_csv(writer: impl std::io::Write, frame: &DataFrame) -> PolarsResult<()> {
    let columns = frame.columns().iter().map(with_times_as_text).collect::<PolarsResult<Vec<_>>>()?;
    CsvWriter::new(writer).finish(&mut DataFrame::new(frame.height(), columns)?)
}

fn with_times_as_text(column: &Column) -> PolarsResult<Column> {
    let text = match column.dtype() {
        DataType::Datetime(unit, zone) => {
            let digits = match unit {
                TimeUnit::Milliseconds => 3,
                TimeUnit::Microseconds => 6,
                TimeUnit::Nanoseconds => 9,
            };
            let offset = if zone.is_some() { "%z" } else { "" };
            column.datetime()?.to_string(&format!("%FT%H:%M:%S.%{digits}f{offset}"))?
        }
        DataType::Date => column.date()?.to_string("%F")?,
        _ => return Ok(column.clone()),
    };
    Ok(text.into_series().into_column())
}

/// The items of `polars::prelude` for data frames and files.
pub mod prelude {
    pub use polars_core::prelude::*;
    pub use polars_io::prelude::{
        CsvReadOptions, CsvWriter, IpcReader, IpcWriter, KeyValueMetadata, ParquetReader, ParquetWriter, SerReader,
        SerWriter,
    };
}
