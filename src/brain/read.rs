//! What reports, exports and later runs read.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::bulk::TakeRows;
use super::record::{Record, RunRecord, Table};
use super::rows::*;
use super::store::ValueStream;
use super::value::{Column, Field, Value};
use super::{Brain, BrainError};

impl Brain {
    /// The run's rows of a table as they arrive, ordered by the table's key; nothing is collected.
    pub fn stream<'a, R: RunRecord>(
        &'a self,
        table: &'a Table<R>,
        run_id: &str,
    ) -> BoxStream<'a, Result<R, BrainError>> {
        let sql =
            format!("SELECT {} FROM {} WHERE run_id = $1 ORDER BY {}", table.column_list(), table.name, table.key);
        self.typed(table, sql, &[Value::Text(run_id.to_owned())])
    }

    /// The run's rows of a table, collected.
    pub async fn rows<R: RunRecord>(&self, table: &Table<R>, run_id: &str) -> Result<Vec<R>, BrainError> {
        self.stream(table, run_id).try_collect().await
    }

    /// Every row of a table, of all runs, as they arrive.
    pub fn stream_all<'a, R: Record>(&'a self, table: &'a Table<R>) -> BoxStream<'a, Result<R, BrainError>> {
        let sql = format!("SELECT {} FROM {} ORDER BY {}", table.column_list(), table.name, table.key);
        self.typed(table, sql, &[])
    }

    /// What is known of one file on the remote.
    pub async fn synced(&self, remote_path: &str) -> Result<Option<SyncRow>, BrainError> {
        let sql = format!("SELECT {} FROM sync_manifest WHERE remote_path = $1", SYNC_MANIFEST.column_list());
        self.typed(&SYNC_MANIFEST, sql, &[Value::Text(remote_path.to_owned())]).try_next().await
    }

    /// The symbol's newest model of any run but this one; invented and real markets are kept apart.
    pub async fn previous_model(&self, symbol: &str, run: &RunRow) -> Result<Option<ModelRow>, BrainError> {
        let sql = format!(
            "SELECT {} FROM models WHERE symbol = $1 AND run_id <> $2 AND simulated = $3 AND trained_at <= $4 \
             ORDER BY trained_at DESC, model_id LIMIT 1",
            MODELS.column_list()
        );
        let binds = [symbol.to_owned().put(), run.run_id.put(), run.simulated.put(), run.started.put()];
        self.typed(&MODELS, sql, &binds).try_next().await
    }

    /// What a model of a run was worth.
    pub async fn performance(&self, model: &ModelRow) -> Result<Option<PerformanceRow>, BrainError> {
        let sql = format!(
            "SELECT {} FROM model_performance WHERE run_id = $1 AND model_id = $2 ORDER BY scope LIMIT 1",
            MODEL_PERFORMANCE.column_list()
        );
        let binds = [model.run_id.clone().put(), model.model_id.clone().put()];
        self.typed(&MODEL_PERFORMANCE, sql, &binds).try_next().await
    }

    /// Rows of any query with the columns that it gives, as they arrive; parameters are `$1`, `$2`, … in both databases.
    pub fn query<'a>(
        &'a self,
        what: &'a str,
        sql: impl Into<String>,
        binds: &[Value],
        columns: &'static [Column],
    ) -> ValueStream<'a> {
        self.store.scan(what, sql.into(), binds, columns)
    }

    /// Every row of a query, lent to `taker` on a thread of its own: for a million of them.
    ///
    /// # Errors
    /// A database that fails, or a column that holds another kind of value than its own.
    pub async fn read_in_bulk<T: TakeRows>(
        &self,
        what: &str,
        sql: impl Into<String>,
        binds: &[Value],
        columns: &'static [Column],
        taker: T,
    ) -> Result<T, BrainError> {
        self.store.read_in_bulk(what, sql.into(), binds, columns, taker).await
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
