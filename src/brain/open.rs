//! Opens either database.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::error::BrainError;
use super::migrations;
use super::store::{BoxResult, Store};
use crate::settings::redact_url;

/// Time after which a server that does not respond counts as absent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a writer on SQLite waits for another one.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Page size of a new file. A trade's row in the brain takes about 3 kB: SQLite's default of 4,096 bytes would hold
/// one row per page. The journal's small rows do not mind.
const PAGE_BYTES: u32 = 16_384;

/// Rows that SQLite's thread reads ahead of the consumer. More rows mean fewer wake-ups.
const READ_AHEAD_ROWS: usize = 1024;

/// Tries of the migrations: two processes may create the tables of a new file at the same moment, and the second one
/// succeeds on its next try.
const MIGRATE_TRIES: usize = 3;

/// Opens the database at `url` and brings its tables up to date; see [`Brain::open`](super::Brain::open).
pub(super) fn open<'a>(url: &'a str, workdir: &'a Path, connections: u32) -> BoxResult<'a, Store> {
    Box::pin(async move {
        let redacted = redact_url(url);
        let invalid = |why: &str| BrainError::Url { url: redacted.clone(), why: why.to_owned() };
        match url.split_once("://") {
            Some(("postgres" | "postgresql", _)) => open_postgres(url, &redacted, connections).await,
            Some(("sqlite", "")) => Err(invalid("it has no file path")),
            Some(("sqlite", path)) => {
                let pool = open_sqlite(&workdir.join(path), &redacted, migrations::brain_on_sqlite()).await?;
                Ok(Store::Sqlite(pool))
            }
            Some((scheme, _)) => Err(invalid(&format!("'{scheme}' is not a supported database"))),
            None => Err(invalid("it has no scheme")),
        }
    })
}

/// The file of a SQLite address.
pub(super) fn sqlite_file(url: &str, workdir: &Path) -> Option<PathBuf> {
    match url.split_once("://") {
        Some(("sqlite", path)) if !path.is_empty() => Some(workdir.join(path)),
        _ => None,
    }
}

/// Opens or creates a SQLite file with its folder, in write-ahead mode so that readers never wait for the writer.
pub(super) fn open_sqlite<'a>(path: &'a Path, redacted: &'a str, migrator: Migrator) -> BoxResult<'a, SqlitePool> {
    Box::pin(async move {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| BrainError::Folder { path: folder.to_owned(), source })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .page_size(PAGE_BYTES)
            .busy_timeout(BUSY_TIMEOUT)
            .row_buffer_size(READ_AHEAD_ROWS)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_with(options)
            .await
            .map_err(|source| BrainError::Connect {
                url: redacted.to_owned(),
                remedy: format!("check that {} is writable and is a SQLite file", path.display()),
                source,
            })?;
        let mut tries = MIGRATE_TRIES;
        loop {
            match migrator.run(&pool).await {
                Ok(()) => return Ok(pool),
                Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) if tries > 1 => {
                    tries -= 1;
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                Err(source) => return Err(BrainError::Migrate { url: redacted.to_owned(), source }),
            }
        }
    })
}

async fn open_postgres(url: &str, redacted: &str, connections: u32) -> Result<Store, BrainError> {
    let failed = |source: sqlx::Error| BrainError::Connect {
        url: redacted.to_owned(),
        remedy: postgres_remedy(&source).to_owned(),
        source,
    };
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| BrainError::Url { url: redacted.to_owned(), why: error.to_string() })?
        .application_name("huracan")
        .disable_statement_logging();
    // A pool keeps retrying a server that refuses; a single connection first reports the error at once.
    let first = tokio::time::timeout(CONNECT_TIMEOUT, options.connect())
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
        .map_err(failed)?;
    first.close().await.map_err(failed)?;
    let pool = PgPoolOptions::new()
        .max_connections(connections.max(1))
        .acquire_timeout(Duration::from_secs(60))
        .connect_with(options)
        .await
        .map_err(failed)?;
    migrations::brain_on_postgres()
        .run(&pool)
        .await
        .map_err(|source| BrainError::Migrate { url: redacted.to_owned(), source })?;
    Ok(Store::Postgres(pool))
}

fn postgres_remedy(error: &sqlx::Error) -> &'static str {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => {
            "is the server running, and are host and port right? `--set brain.url=sqlite://data/brain.db` needs no server"
        }
        sqlx::Error::Tls(_) => "check the server's certificate and TLS settings, and `sslmode` in the address",
        sqlx::Error::Database(refusal) => match refusal.code().as_deref() {
            Some("28P01" | "28000") => {
                "check user and password; give them in HURACAN__BRAIN__URL, never in a settings file"
            }
            Some("3D000") => "create the database first: createdb NAME",
            Some("53300") => "the server has no connection left; lower brain.connections",
            Some("57P03") => "the server is starting or stopping; try again in a moment",
            _ => "check the server's log",
        },
        _ => "check brain.url",
    }
}
