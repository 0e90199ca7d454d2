//! What the steps of a run store.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::record::{Record, RunRecord, Table};
use super::rows::*;
use super::store::Tx;
use super::value::{Column, Kind, Value};
use super::{Brain, BrainError};

/// Paths named in one statement.
const PATHS: usize = 500;

/// `$from, …`: places for so many parameters.
fn places(from: usize, count: usize) -> String {
    (from..from + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

impl Brain {
    /// Replaces the run's rows of a table by these, in one transaction.
    ///
    /// # Errors
    /// A row of another run, two rows with one key, or a database that fails; the table is then as it was.
    pub async fn replace<R: RunRecord>(&self, table: &Table<R>, run_id: &str, rows: &[R]) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        replace_in(&mut tx, table, run_id, rows).await?;
        tx.commit().await
    }

    /// Every symbol that was looked at in the choice of the universe.
    pub async fn store_universe(&self, run_id: &str, rows: &[UniverseRow]) -> Result<(), BrainError> {
        self.replace(&UNIVERSE_SELECTIONS, run_id, rows).await
    }

    /// The run's shadow trades, in `trade_memory` and `shadow_trades` alike.
    pub async fn store_trades(&self, run_id: &str, rows: &[TradeRow]) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        replace_in(&mut tx, &TRADE_MEMORY, run_id, rows).await?;
        replace_in(&mut tx, &SHADOW_TRADES, run_id, rows).await?;
        tx.commit().await
    }

    /// The run's models with what they are worth.
    pub async fn store_models(
        &self,
        run_id: &str,
        models: &[ModelRow],
        performance: &[PerformanceRow],
    ) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        replace_in(&mut tx, &MODELS, run_id, models).await?;
        replace_in(&mut tx, &MODEL_PERFORMANCE, run_id, performance).await?;
        tx.commit().await
    }

    /// The run in figures.
    pub async fn store_daily_metrics(&self, row: &DailyMetricsRow) -> Result<(), BrainError> {
        self.replace(&DAILY_METRICS, &row.run_id, std::slice::from_ref(row)).await
    }

    pub async fn store_patterns(&self, run_id: &str, rows: &[PatternRow]) -> Result<(), BrainError> {
        self.replace(&PATTERN_LIBRARY, run_id, rows).await
    }

    /// Why the run's trades won or lost.
    pub async fn store_analysis(
        &self,
        run_id: &str,
        wins: &[AnalysisRow],
        losses: &[AnalysisRow],
    ) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        replace_in(&mut tx, &WIN_ANALYSIS, run_id, wins).await?;
        replace_in(&mut tx, &LOSS_ANALYSIS, run_id, losses).await?;
        tx.commit().await
    }

    pub async fn store_post_exit(&self, run_id: &str, rows: &[PostExitRow]) -> Result<(), BrainError> {
        self.replace(&POST_EXIT_TRACKING, run_id, rows).await
    }

    /// What risk refused of the run's trades, and when its breakers held.
    pub async fn store_risk(
        &self,
        run_id: &str,
        refusals: &[RefusalRow],
        breakers: &[BreakerRow],
    ) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        replace_in(&mut tx, &RISK_REFUSALS, run_id, refusals).await?;
        replace_in(&mut tx, &RISK_BREAKERS, run_id, breakers).await?;
        tx.commit().await
    }

    /// Notes files as they now are on the remote, in place of what was known of them.
    pub async fn store_synced(&self, rows: &[SyncRow]) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        // The last word on a path counts; a second row of it would break the table's key.
        let mut seen = HashSet::new();
        let mut newest: Vec<SyncRow> =
            rows.iter().rev().filter(|row| seen.insert(row.remote_path.as_str())).cloned().collect();
        newest.reverse();
        for some in newest.chunks(PATHS) {
            let paths: Vec<Value> = some.iter().map(|row| Value::Text(row.remote_path.clone())).collect();
            let sql = format!("DELETE FROM sync_manifest WHERE remote_path IN ({})", places(1, paths.len()));
            tx.execute("cannot write to sync_manifest", sql, &paths).await?;
        }
        tx.insert(&SYNC_MANIFEST, &newest).await?;
        tx.commit().await
    }

    /// Notes that these files were found right on the remote.
    pub async fn store_verified(&self, remote_paths: &[String], at: DateTime<Utc>) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        for some in remote_paths.chunks(PATHS) {
            let mut values = vec![Value::Time(at)];
            values.extend(some.iter().map(|path| Value::Text(path.clone())));
            let places = places(2, some.len());
            let sql = format!("UPDATE sync_manifest SET verified_at = $1 WHERE remote_path IN ({places})");
            tx.execute("cannot write to sync_manifest", sql, &values).await?;
        }
        tx.commit().await
    }

    /// Adds events; one that is already there (by `event_id`) is left alone.
    pub async fn store_events(&self, rows: &[EventRow]) -> Result<(), BrainError> {
        self.add(&EVENTS, rows).await
    }

    /// Adds looks at components; one that is already there (by run, component and time) is left alone.
    pub async fn store_health(&self, rows: &[HealthRow]) -> Result<(), BrainError> {
        self.add(&HEALTH_CHECKS, rows).await
    }

    /// Adds rows; those whose key is taken are left alone.
    async fn add<R: Record>(&self, table: &Table<R>, rows: &[R]) -> Result<(), BrainError> {
        // PostgreSQL takes a value that is not there for text, and must be told what else the column holds.
        let place = |(number, column): (usize, &Column)| match column.kind {
            Kind::Real => format!("CAST(${number} AS DOUBLE PRECISION)"),
            Kind::Text | Kind::Int | Kind::Bool | Kind::Time | Kind::Date => format!("${number}"),
        };
        let places = (1..).zip(R::COLUMNS).map(place).collect::<Vec<_>>().join(", ");
        let sql =
            format!("INSERT INTO {} ({}) VALUES ({places}) ON CONFLICT DO NOTHING", table.name, table.column_list());
        let what = format!("cannot write to {}", table.name);
        let mut tx = self.store.begin().await?;
        for row in rows {
            tx.execute(&what, sql.clone(), &row.values()).await?;
        }
        tx.commit().await
    }
}

/// Deletes the run's rows of a table and writes these.
pub(super) async fn replace_in<R: RunRecord>(
    tx: &mut Tx,
    table: &Table<R>,
    run_id: &str,
    rows: &[R],
) -> Result<(), BrainError> {
    if let Some(row) = rows.iter().find(|row| row.run_id() != run_id) {
        return Err(BrainError::ForeignRow {
            table: table.name,
            expected: run_id.to_owned(),
            found: row.run_id().to_owned(),
        });
    }
    let run = Value::Text(run_id.to_owned());
    let what = format!("cannot write to {}", table.name);
    tx.execute(&what, format!("DELETE FROM {} WHERE run_id = $1", table.name), &[run]).await?;
    tx.insert(table, rows).await
}
