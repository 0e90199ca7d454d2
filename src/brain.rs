//! The brain: the library of everything that runs have seen, learned and done, on PostgreSQL or SQLite.
//!
//! Every `store_*` call replaces what the same run had stored before, in one transaction, so that a step which was
//! killed anywhere can be done again and leaves the same rows. Times are kept to the millisecond; a float that is
//! not a number is kept as NULL and read back as NaN.

mod bulk;
mod copy;
mod error;
mod features;
mod journal;
mod lock;
mod migrations;
mod open;
mod read;
pub mod record;
pub mod rows;
mod runs;
mod snapshot;
mod store;
pub mod value;
mod write;

use std::path::Path;
use std::time::{Duration, Instant};

pub use bulk::{Cell, TakeRows};
pub use error::BrainError;
pub use features::{FeatureBlock, FeatureRow};
pub use journal::{Journal, JournalModelRow, JournalTradeRow, ModelDeltaRow};
pub use lock::{LOCK_TIMEOUT, RunLock};
pub use record::{Record, RunRecord, Table};
pub use rows::*;
pub use value::{Column, Kind, Value, time_of_ms, to_millis};

use store::Store;

/// The library, open.
#[derive(Debug, Clone)]
pub struct Brain {
    store: Store,
}

impl Brain {
    /// Opens the library at `brain.url` and brings its tables up to date.
    ///
    /// `sqlite://FILE` is made where it is missing, below `workdir` unless absolute; `postgres://USER@HOST/DATABASE`
    /// must exist. `connections` bounds PostgreSQL's pool.
    ///
    /// # Errors
    /// A bad address, a database that cannot be reached (with the remedy), or tables of another version.
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

    /// Time for one question and its answer.
    pub async fn ping(&self) -> Result<Duration, BrainError> {
        let start = Instant::now();
        self.store.execute("the brain does not answer", "SELECT 1", &[]).await?;
        Ok(start.elapsed())
    }

    /// Closes every connection; on SQLite this also folds the write-ahead log into the file.
    pub async fn close(&self) {
        match &self.store {
            Store::Postgres(pool) => pool.close().await,
            Store::Sqlite(pool) => pool.close().await,
        }
    }
}
