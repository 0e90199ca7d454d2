//! Reads for reports, exports and later runs.

use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::bulk::RowSink;
use super::record::{Record, RunRecord, Table};
use super::rows::*;
use super::store::ValueStream;
use super::value::{Column, Field, Value};
use super::{Brain, BrainError};

impl Brain {
    /// Streams the run's rows of a table, ordered by the table's key.
    pub fn stream<'a, R: RunRecord>(
        &'a self,
        table: &'a Table<R>,
        run_id: &str,
    ) -> BoxStream<'a, Result<R, BrainError>> {
        let sql =
            format!("SELECT {} FROM {} WHERE run_id = $1 ORDER BY {}", table.column_list(), table.name, table.key);
        self.typed(table, sql, &[Value::Text(run_id.to_owned())])
    }

    /// Reads the run's rows of a table into memory, ordered by the table's key.
    ///
    /// # Errors
    /// A database that fails, or a row that this program did not write.
    pub async fn rows<R: RunRecord>(&self, table: &Table<R>, run_id: &str) -> Result<Vec<R>, BrainError> {
        self.stream(table, run_id).try_collect().await
    }

    /// Streams the rows of all runs, ordered by the table's key.
    pub fn stream_all<'a, R: Record>(&'a self, table: &'a Table<R>) -> BoxStream<'a, Result<R, BrainError>> {
        let sql = format!("SELECT {} FROM {} ORDER BY {}", table.column_list(), table.name, table.key);
        self.typed(table, sql, &[])
    }

    /// The manifest entry of one file on the remote.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn synced(&self, remote_path: &str) -> Result<Option<SyncRow>, BrainError> {
        let sql = format!("SELECT {} FROM sync_manifest WHERE remote_path = $1", SYNC_MANIFEST.column_list());
        self.typed(&SYNC_MANIFEST, sql, &[Value::Text(remote_path.to_owned())]).try_next().await
    }

    /// The symbol's newest model of any other run that is not newer than `run`. Simulated and real markets are kept
    /// apart.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn previous_model(&self, symbol: &str, run: &RunRow) -> Result<Option<ModelRow>, BrainError> {
        let sql = format!(
            "SELECT {} FROM models WHERE symbol = $1 AND run_id <> $2 AND simulated = $3 AND trained_at <= $4 \
             ORDER BY trained_at DESC, model_id LIMIT 1",
            MODELS.column_list()
        );
        let binds =
            [symbol.to_owned().to_value(), run.run_id.to_value(), run.simulated.to_value(), run.started.to_value()];
        self.typed(&MODELS, sql, &binds).try_next().await
    }

    /// The performance of a model in the run that trained it.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn performance(&self, model: &ModelRow) -> Result<Option<PerformanceRow>, BrainError> {
        let sql = format!(
            "SELECT {} FROM model_performance WHERE run_id = $1 AND model_id = $2 ORDER BY scope LIMIT 1",
            MODEL_PERFORMANCE.column_list()
        );
        let binds = [model.run_id.clone().to_value(), model.model_id.clone().to_value()];
        self.typed(&MODEL_PERFORMANCE, sql, &binds).try_next().await
    }

    /// The forward record of other runs that are not newer than `run`, with signals from `from` on; the latest run's rows come last.
    /// Simulated and real markets are kept apart.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn forward_rows(&self, run: &RunRow, from: DateTime<Utc>) -> Result<Vec<ForwardRow>, BrainError> {
        let columns: Vec<String> = ForwardRow::COLUMNS.iter().map(|column| format!("f.{}", column.name)).collect();
        let sql = format!(
            "SELECT {} FROM forward_record f JOIN runs r ON r.run_id = f.run_id \
             WHERE f.run_id <> $1 AND f.simulated = $2 AND f.signal_timestamp >= $3 AND r.started <= $4 \
             ORDER BY r.started, f.run_id, f.signal_timestamp, f.symbol, f.model_id",
            columns.join(", ")
        );
        let binds = [run.run_id.to_value(), run.simulated.to_value(), from.to_value(), run.started.to_value()];
        self.typed(&FORWARD_RECORD, sql, &binds).try_collect().await
    }

    /// The first run of such a market, `run` itself included.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn first_run(&self, run: &RunRow) -> Result<Option<RunRow>, BrainError> {
        let sql = format!(
            "SELECT {} FROM runs WHERE simulated = $1 AND started <= $2 ORDER BY started, run_id LIMIT 1",
            RUNS.column_list()
        );
        self.typed(&RUNS, sql, &[run.simulated.to_value(), run.started.to_value()]).try_next().await
    }

    /// Streams the rows of any query; `columns` describes its result. Parameters are `$1`, `$2`, … in both databases.
    pub fn query<'a>(
        &'a self,
        what: &'a str,
        sql: impl Into<String>,
        binds: &[Value],
        columns: &'static [Column],
    ) -> ValueStream<'a> {
        self.store.scan(what, sql.into(), binds, columns)
    }

    /// Passes every row of a query to `sink` on a thread of its own; fast enough for a million rows.
    ///
    /// # Errors
    /// A database that fails, or a column that holds another kind of value than its own.
    pub async fn read_in_bulk<T: RowSink>(
        &self,
        what: &str,
        sql: impl Into<String>,
        binds: &[Value],
        columns: &'static [Column],
        sink: T,
    ) -> Result<T, BrainError> {
        self.store.read_in_bulk(what, sql.into(), binds, columns, sink).await
    }

    pub(super) fn typed<'a, R: Record>(
        &'a self,
        table: &'a Table<R>,
        sql: String,
        binds: &[Value],
    ) -> BoxStream<'a, Result<R, BrainError>> {
        let name = table.name;
        self.store
            .scan(name, sql, binds, R::COLUMNS)
            .map(move |values| values.and_then(|values| R::from_values(name, values)))
            .boxed()
    }
}
