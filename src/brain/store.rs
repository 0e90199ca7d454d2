//! One interface to both databases: statements with `$1`-style parameters, transactions, and streamed rows.

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Postgres, Row, Sqlite, Transaction};

use super::copy::CopyText;
use super::error::BrainError;
use super::record::{Record, Table};
use super::value::{Column, Kind, Value, time_of_ms};

/// Most parameters that one SQLite statement takes (its built-in limit is 32,766).
const SQLITE_PARAMETERS: usize = 30_000;

/// Most rows of one SQLite INSERT: longer statements gain nothing.
const SQLITE_ROWS: usize = 500;

/// COPY text is sent in chunks of about this many bytes.
const COPY_CHUNK_BYTES: usize = 1 << 20;

/// A connection pool of either database.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// A write transaction; it is rolled back unless committed.
pub(crate) enum Tx {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

/// A boxed database result. Boxing keeps the code of the queries in this crate, instead of compiling it again in
/// every binary.
pub(crate) type BoxResult<'a, T> = BoxFuture<'a, Result<T, BrainError>>;

/// A stream of rows.
pub(crate) type ValueStream<'a> = BoxStream<'a, Result<Vec<Value>, BrainError>>;

impl Store {
    /// Begins a write transaction. On SQLite the write lock is taken at once, because a reader that becomes a writer
    /// can be rejected without a wait.
    pub fn begin(&self) -> BoxResult<'_, Tx> {
        Box::pin(async move {
            let failed = BrainError::query("cannot begin a transaction");
            match self {
                Self::Postgres(pool) => pool.begin().await.map(Tx::Postgres).map_err(failed),
                Self::Sqlite(pool) => pool.begin_with("BEGIN IMMEDIATE").await.map(Tx::Sqlite).map_err(failed),
            }
        })
    }

    /// Streams the rows of a query, with one value per column of `columns`.
    pub fn scan<'a>(
        &'a self,
        what: &'a str,
        sql: String,
        binds: &[Value],
        columns: &'static [Column],
    ) -> ValueStream<'a> {
        let failed = move |source| BrainError::Query { what: format!("cannot read {what}"), source };
        match self {
            Self::Postgres(pool) => bind_all_postgres(sql, binds)
                .fetch(pool)
                .map(move |row| row.and_then(|row| postgres_values(&row, columns)).map_err(failed))
                .boxed(),
            Self::Sqlite(pool) => bind_all_sqlite(sql, binds)
                .fetch(pool)
                .map(move |row| row.and_then(|row| sqlite_values(&row, columns)).map_err(failed))
                .boxed(),
        }
    }

    /// Executes a single statement and returns the number of rows that it changed.
    pub fn execute<'a>(&'a self, what: &'a str, sql: impl Into<String>, binds: &'a [Value]) -> BoxResult<'a, u64> {
        self.executed(what, sql.into(), binds)
    }

    fn executed<'a>(&'a self, what: &'a str, sql: String, binds: &'a [Value]) -> BoxResult<'a, u64> {
        Box::pin(async move {
            let done = match self {
                Self::Postgres(pool) => {
                    bind_all_postgres(sql, binds).execute(pool).await.map(|done| done.rows_affected())
                }
                Self::Sqlite(pool) => bind_all_sqlite(sql, binds).execute(pool).await.map(|done| done.rows_affected()),
            };
            done.map_err(BrainError::query(what))
        })
    }
}

impl Tx {
    pub fn commit(self) -> BoxResult<'static, ()> {
        Box::pin(async move {
            let done = match self {
                Self::Postgres(tx) => tx.commit().await,
                Self::Sqlite(tx) => tx.commit().await,
            };
            done.map_err(BrainError::query("cannot commit"))
        })
    }

    /// Executes a statement and returns the number of rows that it changed.
    pub fn execute<'a>(&'a mut self, what: &'a str, sql: impl Into<String>, binds: &'a [Value]) -> BoxResult<'a, u64> {
        self.executed(what, sql.into(), binds)
    }

    fn executed<'a>(&'a mut self, what: &'a str, sql: String, binds: &'a [Value]) -> BoxResult<'a, u64> {
        Box::pin(async move {
            let done = match self {
                Self::Postgres(tx) => {
                    bind_all_postgres(sql, binds).execute(&mut **tx).await.map(|done| done.rows_affected())
                }
                Self::Sqlite(tx) => {
                    bind_all_sqlite(sql, binds).execute(&mut **tx).await.map(|done| done.rows_affected())
                }
            };
            done.map_err(BrainError::query(what))
        })
    }

    /// Reads the rows of a query into memory, for the few that a transaction needs.
    pub fn rows<'a>(
        &'a mut self,
        what: &'a str,
        sql: impl Into<String>,
        binds: &'a [Value],
        columns: &'static [Column],
    ) -> BoxResult<'a, Vec<Vec<Value>>> {
        self.collected(what, sql.into(), binds, columns)
    }

    fn collected<'a>(
        &'a mut self,
        what: &'a str,
        sql: String,
        binds: &'a [Value],
        columns: &'static [Column],
    ) -> BoxResult<'a, Vec<Vec<Value>>> {
        Box::pin(async move {
            let rows = match self {
                Self::Postgres(tx) => bind_all_postgres(sql, binds)
                    .fetch_all(&mut **tx)
                    .await
                    .and_then(|rows| rows.iter().map(|row| postgres_values(row, columns)).collect()),
                Self::Sqlite(tx) => bind_all_sqlite(sql, binds)
                    .fetch_all(&mut **tx)
                    .await
                    .and_then(|rows| rows.iter().map(|row| sqlite_values(row, columns)).collect()),
            };
            rows.map_err(BrainError::query(format!("cannot read {what}")))
        })
    }

    /// Inserts rows: by COPY on PostgreSQL, by multi-row INSERTs on SQLite.
    pub async fn insert<R: Record>(&mut self, table: &Table<R>, rows: &[R]) -> Result<(), BrainError> {
        if rows.is_empty() {
            return Ok(());
        }
        let into = format!("{} ({})", table.name, table.column_list());
        self.insert_values(table.name, &into, R::COLUMNS.len(), &mut rows.iter().map(Record::values)).await
    }

    /// Inserts `rows` of `width` values each; `into` is a table with its columns.
    fn insert_values<'a>(
        &'a mut self,
        name: &'a str,
        into: &'a str,
        width: usize,
        rows: &'a mut (dyn Iterator<Item = Vec<Value>> + Send),
    ) -> BoxResult<'a, ()> {
        Box::pin(async move {
            let failed = BrainError::query(format!("cannot write to {name}"));
            match self {
                Self::Postgres(tx) => {
                    let mut copy = CopyText::default();
                    let statement = format!("COPY {into} FROM STDIN");
                    let mut sink = match tx.copy_in_raw(&statement).await {
                        Ok(sink) => sink,
                        Err(error) => return Err(failed(error)),
                    };
                    for row in rows {
                        copy.row(&row);
                        if copy.len() >= COPY_CHUNK_BYTES
                            && let Err(error) = sink.send(copy.take()).await
                        {
                            return Err(failed(error));
                        }
                    }
                    if let Err(error) = sink.send(copy.take()).await {
                        return Err(failed(error));
                    }
                    sink.finish().await.map(|_| ()).map_err(failed)
                }
                Self::Sqlite(tx) => {
                    let most = (SQLITE_PARAMETERS / width.max(1)).clamp(1, SQLITE_ROWS);
                    loop {
                        let values: Vec<Value> = (&mut *rows).take(most).flatten().collect();
                        if values.is_empty() {
                            break;
                        }
                        let sql = format!("INSERT INTO {into} VALUES {}", placeholders(values.len() / width, width));
                        if let Err(error) = bind_all_sqlite(sql, &values).execute(&mut **tx).await {
                            return Err(failed(error));
                        }
                    }
                    Ok(())
                }
            }
        })
    }
}

/// `(?, ?), (?, ?)`: placeholders for `rows` rows of `width` values.
fn placeholders(rows: usize, width: usize) -> String {
    let row = format!("({})", vec!["?"; width].join(", "));
    vec![row; rows].join(", ")
}

fn bind_all_postgres(sql: String, binds: &[Value]) -> Query<'static, Postgres, PgArguments> {
    let query = binds.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, value| match value {
        Value::Null => query.bind(None::<String>),
        Value::Text(text) => query.bind(text.clone()),
        Value::Real(real) => query.bind(*real),
        Value::Int(int) => query.bind(*int),
        Value::Bool(flag) => query.bind(*flag),
        Value::Time(time) => query.bind(*time),
        Value::Date(date) => query.bind(*date),
    });
    // A cached statement keeps the types that it was prepared with, and NULL has none: a cached one would take the
    // next row's number for text.
    query.persistent(!binds.contains(&Value::Null))
}

fn bind_all_sqlite(sql: String, binds: &[Value]) -> Query<'static, Sqlite, SqliteArguments> {
    binds.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, value| match value {
        Value::Null => query.bind(None::<String>),
        Value::Text(text) => query.bind(text.clone()),
        Value::Real(real) => query.bind(*real),
        Value::Int(int) => query.bind(*int),
        Value::Bool(flag) => query.bind(*flag),
        Value::Time(time) => query.bind(time.timestamp_millis()),
        Value::Date(date) => query.bind(date.to_string()),
    })
}

fn postgres_values(row: &PgRow, columns: &[Column]) -> Result<Vec<Value>, sqlx::Error> {
    let value = |at: usize, kind: Kind| {
        Ok(match kind {
            Kind::Text => row.try_get::<Option<String>, _>(at)?.map(Value::Text),
            Kind::Real => row.try_get::<Option<f64>, _>(at)?.map(Value::Real),
            Kind::Int => row.try_get::<Option<i64>, _>(at)?.map(Value::Int),
            Kind::Bool => row.try_get::<Option<bool>, _>(at)?.map(Value::Bool),
            Kind::Time => row.try_get::<Option<chrono::DateTime<chrono::Utc>>, _>(at)?.map(Value::Time),
            Kind::Date => row.try_get::<Option<chrono::NaiveDate>, _>(at)?.map(Value::Date),
        }
        .unwrap_or(Value::Null))
    };
    columns.iter().enumerate().map(|(at, column)| value(at, column.kind)).collect()
}

/// Reads a row, converting each value to its column's kind. SQLite types values, not columns: a REAL expression may
/// return a whole number.
fn sqlite_values(row: &SqliteRow, columns: &[Column]) -> Result<Vec<Value>, sqlx::Error> {
    let value = |at: usize, kind: Kind| {
        Ok(match kind {
            Kind::Text => row.try_get_unchecked::<Option<String>, _>(at)?.map(Value::Text),
            Kind::Real => row.try_get_unchecked::<Option<f64>, _>(at)?.map(Value::Real),
            Kind::Int => row.try_get_unchecked::<Option<i64>, _>(at)?.map(Value::Int),
            Kind::Bool => row.try_get_unchecked::<Option<i64>, _>(at)?.map(|flag| Value::Bool(flag != 0)),
            Kind::Time => row.try_get_unchecked::<Option<i64>, _>(at)?.map(|ms| Value::Time(time_of_ms(ms))),
            Kind::Date => match row.try_get_unchecked::<Option<String>, _>(at)? {
                Some(text) => Some(Value::Date(text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?)),
                None => None,
            },
        }
        .unwrap_or(Value::Null))
    };
    columns.iter().enumerate().map(|(at, column)| value(at, column.kind)).collect()
}
