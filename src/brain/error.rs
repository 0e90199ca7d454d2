//! Errors of the brain and the journal.

use std::path::PathBuf;

/// A brain or journal that cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum BrainError {
    /// The address is invalid.
    #[error("brain.url '{url}': {why}; write sqlite://FILE or postgres://USER@HOST/DATABASE")]
    Url {
        /// The address, its password hidden.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The folder of a SQLite file cannot be created.
    #[error("cannot make the folder {}: {source}; check the path and its permissions", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Error of the file system.
        source: std::io::Error,
    },
    /// The database cannot be reached or opened.
    #[error("cannot connect to {url}: {source}; {remedy}")]
    Connect {
        /// The address, its password hidden.
        url: String,
        /// What to do.
        remedy: String,
        /// Error of the database.
        source: sqlx::Error,
    },
    /// The tables cannot be brought up to date.
    #[error(
        "cannot bring the tables of {url} up to date: {source}; was this database made by another version of the program?"
    )]
    Migrate {
        /// The address, its password hidden.
        url: String,
        /// Error of the migration.
        source: sqlx::migrate::MigrateError,
    },
    /// A statement failed.
    #[error("{what}: {source}")]
    Query {
        /// What was attempted.
        what: String,
        /// Error of the database.
        source: sqlx::Error,
    },
    /// A bulk read or a copy failed.
    #[error("{what}: {source}")]
    Read {
        /// What was attempted.
        what: String,
        /// Error of the database or the file system.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A column holds a value of another kind than its own.
    #[error("{what}: column {column} holds {found}, expected {expected}; the row was not written by this program")]
    Decode {
        /// The table or query.
        what: String,
        /// The column.
        column: &'static str,
        /// The value found.
        found: String,
        /// What the column should hold.
        expected: &'static str,
    },
    /// Rows of another run were passed to a store call.
    #[error("cannot store a row of run {found} in {table} for run {expected}")]
    ForeignRow {
        /// The table.
        table: &'static str,
        /// The run that is stored.
        expected: String,
        /// The run of the row.
        found: String,
    },
    /// The number of values is not rows × columns.
    #[error("{what}: {values} values for {rows} × {columns}")]
    Shape {
        /// What the values are.
        what: String,
        /// Number of values.
        values: usize,
        /// Number of rows.
        rows: usize,
        /// Number of columns.
        columns: usize,
    },
    /// No run has this id.
    #[error("there is no run {run_id} in the brain; `huracan status` shows the latest one")]
    NoRun {
        /// The id.
        run_id: String,
    },
    /// Another live run holds the lock.
    #[error(
        "another run holds the lock: {owner}, last seen {seconds_ago} s ago; wait until it ends, or {timeout_s} s after it was killed"
    )]
    Locked {
        /// Run, process and machine that hold the lock.
        owner: String,
        /// Age of the last heartbeat, seconds.
        seconds_ago: i64,
        /// Age at which the lock may be taken over, seconds.
        timeout_s: i64,
    },
    /// Another run took the lock over.
    #[error("this run lost its lock: it sent no heartbeat for more than {timeout_s} s and another run took over")]
    LockLost {
        /// Age at which a lock may be taken over, seconds.
        timeout_s: i64,
    },
}

impl BrainError {
    /// Wraps an error of the database, with what was attempted.
    pub(crate) fn query(what: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        let what = what.into();
        move |source| Self::Query { what, source }
    }
}
