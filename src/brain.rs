//! The brain: the database of everything that runs have stored, on PostgreSQL or SQLite.
//!
//! Every `store_*` call replaces what the same run had stored before, in one transaction. A step that was killed can
//! therefore run again and leaves the same rows. Times are stored to the millisecond. NaN is stored as NULL and read
//! back as NaN.

mod bulk;
mod copy;
mod error;
mod features;
mod journal;
mod lock;
mod migrations;
mod open;
mod read;
mod record;
mod rows;
mod runs;
mod snapshot;
mod store;
mod value;
mod write;

use std::path::Path;
use std::time::{Duration, Instant};

pub use bulk::{Cell, RowSink};
pub use error::BrainError;
pub use features::{FeatureBlock, FeatureRow};
pub use journal::{Journal, JournalModelRow, JournalTradeRow, ModelDeltaRow};
pub use lock::{LOCK_TIMEOUT, RunLock};
pub use record::{Record, RunRecord, Table};
pub use rows::*;
pub use value::{Column, Kind, Value, time_of_ms, to_millis};

use store::Store;

/// An open brain.
#[derive(Debug, Clone)]
pub struct Brain {
    store: Store,
}

impl Brain {
    /// Opens the brain at `url` and brings its tables up to date.
    ///
    /// `sqlite://FILE` is created if it is missing; a relative FILE is below `workdir`. The database of
    /// `postgres://USER@HOST/DATABASE` must exist. `connections` limits PostgreSQL's pool.
    ///
    /// # Errors
    /// A bad address, a database that cannot be reached (the message says what to do), or tables of another version.
    pub async fn open(url: &str, workdir: &Path, connections: u32) -> Result<Self, BrainError> {
        Ok(Self { store: open::open(url, workdir, connections).await? })
    }

    /// `postgres` or `sqlite`.
    pub fn kind(&self) -> &'static str {
        match &self.store {
            Store::Postgres(_) => "postgres",
            Store::Sqlite(_) => "sqlite",
        }
    }

    /// Measures the time of one trivial query.
    ///
    /// # Errors
    /// A database that does not respond.
    pub async fn ping(&self) -> Result<Duration, BrainError> {
        let start = Instant::now();
        self.store.execute("the brain does not respond", "SELECT 1", &[]).await?;
        Ok(start.elapsed())
    }

    /// Closes every connection. On SQLite this also merges the write-ahead log into the file.
    pub async fn close(&self) {
        match &self.store {
            Store::Postgres(pool) => pool.close().await,
            Store::Sqlite(pool) => pool.close().await,
        }
    }
}
