//! What can go wrong between the program and its library.

use std::path::PathBuf;

/// A brain or journal that cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum BrainError {
    #[error("brain.url '{url}': {why}; write sqlite://FILE or postgres://USER@HOST/DATABASE")]
    Url { url: String, why: String },
    #[error("cannot make the folder {}: {source}; check the path and its permissions", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot connect to {url}: {source}; {remedy}")]
    Connect { url: String, remedy: String, source: sqlx::Error },
    #[error(
        "cannot bring the tables of {url} up to date: {source}; was this database made by another version of the program?"
    )]
    Migrate { url: String, source: sqlx::migrate::MigrateError },
    #[error("{what}: {source}")]
    Query { what: String, source: sqlx::Error },
    #[error("{what}: {source}")]
    Read { what: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{what}: column {column} holds {found}, expected {expected}; the row was not written by this program")]
    Decode { what: String, column: &'static str, found: String, expected: &'static str },
    #[error("a row of run {found} was handed to {table} as part of run {expected}")]
    ForeignRow { table: &'static str, expected: String, found: String },
    #[error("{what}: {values} values for {rows} × {columns}")]
    Shape { what: String, values: usize, rows: usize, columns: usize },
    #[error("there is no run {run_id} in the brain; `status` lists the last one")]
    NoRun { run_id: String },
    #[error(
        "another run holds the lock: {owner}, last seen {seconds_ago} s ago; wait until it ends, or {timeout_s} s after it was killed"
    )]
    Locked { owner: String, seconds_ago: i64, timeout_s: i64 },
    #[error("this run lost its lock: its heartbeat stood still for more than {timeout_s} s and another run took over")]
    LockLost { timeout_s: i64 },
}

impl BrainError {
    pub(crate) fn query(what: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        let what = what.into();
        move |source| Self::Query { what, source }
    }
}
