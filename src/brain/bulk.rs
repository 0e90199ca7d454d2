//! Bulk reads: rows are lent one by one to a sink. A million wide rows are read without allocating a value per cell
//! or waking a task per row.
//!
//! SQLite is read by a connection of its own; PostgreSQL sends the rows as binary COPY. The sink processes rows on
//! the reading thread, because passing wide rows between threads costs more than it saves.

mod postgres;
mod sqlite;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::NaiveDate;

use super::BrainError;
use super::store::Store;
use super::value::{Column, Value};

/// One value, lent until the next row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// NULL.
    Null,
    /// Text or JSON.
    Text(&'a str),
    /// A floating-point number.
    Real(f64),
    /// A whole number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// Milliseconds since 1970 UTC.
    Time(i64),
    /// A date.
    Date(NaiveDate),
}

/// Receives rows as they are read, on a thread on which it may block.
pub trait RowSink: Send + 'static {
    /// Receives one row, in the order of the query's columns. After `Break` no further row follows.
    fn row(&mut self, cells: &[Cell<'_>]) -> ControlFlow<()>;
}

/// One bulk read.
struct Query {
    what: String,
    sql: String,
    binds: Vec<Value>,
    columns: &'static [Column],
}

impl Query {
    fn failed(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BrainError {
        BrainError::Read { what: format!("cannot read {}", self.what), source: source.into() }
    }

    /// The error for a value that does not fit its column.
    fn wrong_value(&self, column: usize, found: impl std::fmt::Display) -> BrainError {
        let column = self.columns[column];
        BrainError::Decode {
            what: self.what.clone(),
            column: column.name,
            found: found.to_string(),
            expected: column.kind.name(),
        }
    }
}

/// Stops the read on its thread when its caller is dropped.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Store {
    /// Passes every row of a query to `sink`, and returns it after the last row or after its `Break`.
    ///
    /// # Errors
    /// A database that fails, or a column that holds another kind of value than its own.
    pub async fn read_in_bulk<T: RowSink>(
        &self,
        what: &str,
        sql: String,
        binds: &[Value],
        columns: &'static [Column],
        sink: T,
    ) -> Result<T, BrainError> {
        let query = Query { what: what.to_owned(), sql, binds: binds.to_vec(), columns };
        match self {
            Self::Postgres(pool) => postgres::read(pool, query, sink).await,
            Self::Sqlite(pool) => {
                let file = pool.connect_options().get_filename().to_owned();
                let cancel = CancelOnDrop(Arc::new(AtomicBool::new(false)));
                let is_cancelled = cancel.0.clone();
                let reading = tokio::task::spawn_blocking(move || sqlite::read(&file, &query, sink, &is_cancelled));
                let read = reading.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
                drop(cancel);
                read
            }
        }
    }
}
