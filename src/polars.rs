//! The parts of Polars that this program uses.
//!
//! The facade crate `polars` cannot read dates without `polars-ops` and `polars-time`. This program does not need
//! them, and of everything here only `polars-core` takes longer to compile.

/// The items of `polars::prelude` for data frames and files.
pub mod prelude {
    pub use polars_core::prelude::*;
    pub use polars_io::prelude::{
        CsvReadOptions, CsvWriter, IpcReader, IpcWriter, KeyValueMetadata, ParquetReader, ParquetWriter, SerReader,
        SerWriter,
    };
}
