//! Reads for reports, exports and later runs.

use chrono::{DateTime, NaiveDate, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::bulk::RowSink;
use super::record::{Record, RunRecord, Table};
use super::rows::*;
use super::store::ValueStream;
use super::value::{Column, Field, Kind, Value};
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

    /// The forward record of other runs that are not newer than `run`, with this `basis` and with signals from `from` on; the latest
    /// run's rows come last. Simulated and real markets are kept apart.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn forward_rows(
        &self,
        run: &RunRow,
        basis: &str,
        from: DateTime<Utc>,
    ) -> Result<Vec<ForwardRow>, BrainError> {
        let columns: Vec<String> = ForwardRow::COLUMNS.iter().map(|column| format!("f.{}", column.name)).collect();
        let sql = format!(
            "SELECT {} FROM forward_record f JOIN runs r ON r.run_id = f.run_id \
             WHERE f.run_id <> $1 AND f.simulated = $2 AND f.signal_timestamp >= $3 AND r.started <= $4 AND f.basis = $5 \
             ORDER BY r.started, f.run_id, f.signal_timestamp, f.symbol, f.model_id",
            columns.join(", ")
        );
        let binds = [
            run.run_id.to_value(),
            run.simulated.to_value(),
            from.to_value(),
            run.started.to_value(),
            basis.to_owned().to_value(),
        ];
        self.typed(&FORWARD_RECORD, sql, &binds).try_collect().await
    }

    /// The earliest and the latest day of the runs of such a market that are not newer than `run`, itself included. Runs may be
    /// started for days of the past, in any order.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn days_of_runs(&self, run: &RunRow) -> Result<(NaiveDate, NaiveDate), BrainError> {
        const DAYS: &[Column] =
            &[Column { name: "first", kind: Kind::Date }, Column { name: "last", kind: Kind::Date }];
        let sql = "SELECT MIN(date) AS first, MAX(date) AS last FROM runs WHERE simulated = $1 AND started <= $2";
        let binds = [run.simulated.to_value(), run.started.to_value()];
        let found = self.query("runs", sql, &binds, DAYS).try_next().await?;
        let mut days = found.into_iter().flatten().map(|value| NaiveDate::from_value(value).unwrap_or(run.date));
        let (first, last) = (days.next().unwrap_or(run.date), days.next().unwrap_or(run.date));
        Ok((first.min(run.date), last.max(run.date)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::brain::time_of_ms;
    use crate::shadow::Side;

    const HOUR: i64 = 3_600_000;

    async fn brain(folder: &std::path::Path) -> Brain {
        Brain::open("sqlite://brain.db", folder, 1).await.unwrap()
    }

    fn run(id: &str, date: &str, started_h: i64) -> RunRow {
        RunRow { started: time_of_ms(started_h * HOUR), ..RunRow::new(id.to_owned(), date.parse().unwrap()) }
    }

    #[tokio::test]
    async fn the_days_of_runs_span_those_of_the_past_that_were_run_later() {
        let folder = tempfile::tempdir().unwrap();
        let brain = brain(folder.path()).await;
        let days = ["2024-06-30", "2024-03-22", "2024-03-23", "2024-05-01"];
        for (place, date) in days.into_iter().enumerate() {
            brain.begin_run(&run(&format!("run-{place}"), date, place as i64)).await.unwrap();
        }
        let simulated = RunRow { simulated: true, ..run("run-x", "2020-01-01", 0) };
        brain.begin_run(&simulated).await.unwrap();
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        for (place, first) in [(0, "2024-06-30"), (1, "2024-03-22"), (3, "2024-03-22")] {
            let own = run(&format!("run-{place}"), days[place], place as i64);
            assert_eq!(brain.days_of_runs(&own).await.unwrap(), (day(first), day("2024-06-30")), "{place}");
        }
        brain.close().await;
    }

    #[tokio::test]
    async fn the_forward_record_is_read_by_its_basis() {
        let folder = tempfile::tempdir().unwrap();
        let brain = brain(folder.path()).await;
        let earlier = run("run-1", "2024-06-01", 1);
        brain.begin_run(&earlier).await.unwrap();
        let row = |hour: i64, basis: Option<&str>| ForwardRow {
            run_id: "run-1".to_owned(),
            model_id: "m".to_owned(),
            symbol: "A-USD".to_owned(),
            signal_timestamp: time_of_ms(hour * HOUR),
            direction: Side::Long,
            predicted_bps: 30.0,
            challenger_bps: None,
            exit_timestamp: None,
            exit_reason: None,
            gross_bps: None,
            net_bps: None,
            realised_bps: None,
            basis: basis.map(str::to_owned),
            timeframe: Some("1h".to_owned()),
            market_type: Some("perp".to_owned()),
            mode: Some("model".to_owned()),
            stop_atr: Some(1.5),
            take_atr: Some(2.5),
            max_hold: Some(24),
            approved: false,
            inputs_missing: Some(2),
            simulated: false,
        };
        let rows = [row(1, Some("hourly")), row(2, Some("daily")), row(3, None), row(4, Some("hourly"))];
        brain.store_forward("run-1", &rows).await.unwrap();
        let found = brain.forward_rows(&run("run-2", "2024-06-02", 2), "hourly", time_of_ms(2 * HOUR)).await.unwrap();
        assert_eq!(found, [rows[3].clone()], "rows of other settings, and those of older versions, are not read");
        brain.close().await;
    }
}
