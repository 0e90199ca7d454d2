//! Polars, by its parts.
//!
//! The facade `polars` cannot read dates without `polars-ops` and `polars-time`, which this program does not use and
//! which take longer to compile than everything else here but `polars-core`.

/// What `polars::prelude` has of frames and files.
pub mod prelude {
    pub use polars_core::prelude::*;
    pub use polars_io::prelude::{
        CsvReadOptions, CsvWriter, IpcReader, IpcWriter, KeyValueMetadata, ParquetReader, ParquetWriter, SerReader,
        SerWriter,
    };
}
