//! Rows lent one by one to whoever writes them elsewhere: a million wide rows are read without a value of its own for
//! each cell, and without a task that is woken for each row.
//!
//! SQLite is read by a connection of its own, and PostgreSQL sends the rows by its binary COPY; whoever takes them does so where
//! they are, since to pass wide rows from one thread to another costs more than it spares.

mod postgres;
mod sqlite;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::NaiveDate;

use super::BrainError;
use super::store::Store;
use super::value::{Column, Value};

/// One value as the database has it, lent until the next row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    Null,
    Text(&'a str),
    Real(f64),
    Int(i64),
    Bool(bool),
    /// Milliseconds since 1970 UTC.
    Time(i64),
    Date(NaiveDate),
}

/// Takes rows as they are read, on a thread on which it may wait.
pub trait TakeRows: Send + 'static {
    /// One row, in the order of the query's columns; after `Break` no further one comes.
    fn row(&mut self, cells: &[Cell<'_>]) -> ControlFlow<()>;
}

/// What one reading of rows asks for.
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

    /// A column that holds what it never should.
    fn mistaken(&self, column: usize, found: impl std::fmt::Display) -> BrainError {
        let column = self.columns[column];
        BrainError::Decode {
            what: self.what.clone(),
            column: column.name,
            found: found.to_string(),
            expected: column.kind.name(),
        }
    }
}

/// Ends the reading on its thread when nobody waits for it any more.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Store {
    /// Hands every row of a query to `taker`, which comes back when all are read or it wants no more.
    ///
    /// # Errors
    /// A database that fails, or a column that holds another kind of value than its own.
    pub async fn read_in_bulk<T: TakeRows>(
        &self,
        what: &str,
        sql: String,
        binds: &[Value],
        columns: &'static [Column],
        taker: T,
    ) -> Result<T, BrainError> {
        let query = Query { what: what.to_owned(), sql, binds: binds.to_vec(), columns };
        match self {
            Self::Postgres(pool) => postgres::read(pool, query, taker).await,
            Self::Sqlite(pool) => {
                let file = pool.connect_options().get_filename().to_owned();
                let wanted = Wanted(Arc::new(AtomicBool::new(true)));
                let still = wanted.0.clone();
                let reading = tokio::task::spawn_blocking(move || sqlite::read(&file, &query, taker, &still));
                let read = reading.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
                drop(wanted);
                read
            }
        }
    }
}
