//! Writes of the steps of a run.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::record::{Record, RunRecord, Table};
use super::rows::*;
use super::store::Tx;
use super::value::{Column, Kind, Value};
use super::{Brain, BrainError};

/// Most paths in one statement.
const PATHS_PER_STATEMENT: usize = 500;

/// `$from, …`: placeholders for `count` parameters.
fn placeholders(from: usize, count: usize) -> String {
    (from..from + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

impl Brain {
    /// Replaces the run's rows of a table, in one transaction.
    ///
    /// # Errors
    /// A row of another run, two rows with the same key, or a database that fails. The table is unchanged then.
    pub async fn replace<R: RunRecord>(&self, table: &Table<R>, run_id: &str, rows: &[R]) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        replace_in(&mut tx, table, run_id, rows).await?;
        tx.commit().await
    }

    /// Stores every coin that the choice of the universe considered.
    ///
    /// # Errors
    /// As for [`Brain::replace`].
    pub async fn store_universe(&self, run_id: &str, rows: &[UniverseRow]) -> Result<(), BrainError> {
        self.replace(&UNIVERSE_SELECTIONS, run_id, rows).await
    }

    /// Stores the trades that the account took or refused in `trade_memory`, and the coins' own in `shadow_trades`.
    ///
    /// # Errors
    /// As for [`Brain::replace`].
    pub async fn store_trades(
        &self,
        run_id: &str,
        offered: &[TradeRow],
        shadow: &[TradeRow],
    ) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        replace_in(&mut tx, &TRADE_MEMORY, run_id, offered).await?;
        replace_in(&mut tx, &SHADOW_TRADES, run_id, shadow).await?;
        tx.commit().await
    }

    /// Stores the run's models and their performance.
    ///
    /// # Errors
    /// As for [`Brain::replace`].
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

    /// Stores the metrics of a whole run.
    ///
    /// # Errors
    /// As for [`Brain::replace`].
    pub async fn store_daily_metrics(&self, row: &DailyMetricsRow) -> Result<(), BrainError> {
        self.replace(&DAILY_METRICS, &row.run_id, std::slice::from_ref(row)).await
    }

    /// Stores the patterns of the run.
    ///
    /// # Errors
    /// As for [`Brain::replace`].
    pub async fn store_patterns(&self, run_id: &str, rows: &[PatternRow]) -> Result<(), BrainError> {
        self.replace(&PATTERN_LIBRARY, run_id, rows).await
    }

    /// Stores why the run's trades won or lost.
    ///
    /// # Errors
    /// As for [`Brain::replace`].
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

    /// Stores where prices went after the run's trades.
    ///
    /// # Errors
    /// As for [`Brain::replace`].
    pub async fn store_post_exit(&self, run_id: &str, rows: &[PostExitRow]) -> Result<(), BrainError> {
        self.replace(&POST_EXIT_TRACKING, run_id, rows).await
    }

    /// Stores the trades that the account refused and the periods in which breakers held.
    ///
    /// # Errors
    /// As for [`Brain::replace`].
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

    /// Stores the signals of handed-over models that the run has scored.
    ///
    /// # Errors
    /// As for [`Brain::replace`].
    pub async fn store_forward(&self, run_id: &str, rows: &[ForwardRow]) -> Result<(), BrainError> {
        self.replace(&FORWARD_RECORD, run_id, rows).await
    }

    /// Records files as they are now on the remote, replacing earlier entries.
    ///
    /// # Errors
    /// A database that fails; nothing is changed then.
    pub async fn store_synced(&self, rows: &[SyncRow]) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        // The last row of a path counts; a second one would violate the table's key.
        let mut seen = HashSet::new();
        let mut newest: Vec<SyncRow> =
            rows.iter().rev().filter(|row| seen.insert(row.remote_path.as_str())).cloned().collect();
        newest.reverse();
        for chunk in newest.chunks(PATHS_PER_STATEMENT) {
            let paths: Vec<Value> = chunk.iter().map(|row| Value::Text(row.remote_path.clone())).collect();
            let sql = format!("DELETE FROM sync_manifest WHERE remote_path IN ({})", placeholders(1, paths.len()));
            tx.execute("cannot write to sync_manifest", sql, &paths).await?;
        }
        tx.insert(&SYNC_MANIFEST, &newest).await?;
        tx.commit().await
    }

    /// Forgets files that are no longer on the remote.
    ///
    /// # Errors
    /// A database that fails; nothing is changed then.
    pub async fn forget_synced(&self, remote_paths: &[String]) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        for chunk in remote_paths.chunks(PATHS_PER_STATEMENT) {
            let paths: Vec<Value> = chunk.iter().map(|path| Value::Text(path.clone())).collect();
            let sql = format!("DELETE FROM sync_manifest WHERE remote_path IN ({})", placeholders(1, paths.len()));
            tx.execute("cannot write to sync_manifest", sql, &paths).await?;
        }
        tx.commit().await
    }

    /// Records that these files were verified on the remote.
    ///
    /// # Errors
    /// A database that fails; nothing is changed then.
    pub async fn store_verified(&self, remote_paths: &[String], at: DateTime<Utc>) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        for chunk in remote_paths.chunks(PATHS_PER_STATEMENT) {
            let mut values = vec![Value::Time(at)];
            values.extend(chunk.iter().map(|path| Value::Text(path.clone())));
            let placeholders = placeholders(2, chunk.len());
            let sql = format!("UPDATE sync_manifest SET verified_at = $1 WHERE remote_path IN ({placeholders})");
            tx.execute("cannot write to sync_manifest", sql, &values).await?;
        }
        tx.commit().await
    }

    /// Adds events; an event that is already stored (by `event_id`) is left unchanged.
    ///
    /// # Errors
    /// A database that fails; nothing is changed then.
    pub async fn store_events(&self, rows: &[EventRow]) -> Result<(), BrainError> {
        self.add(&EVENTS, rows).await
    }

    /// Adds health checks; one that is already stored (by run, component and time) is left unchanged.
    ///
    /// # Errors
    /// A database that fails; nothing is changed then.
    pub async fn store_health(&self, rows: &[HealthRow]) -> Result<(), BrainError> {
        self.add(&HEALTH_CHECKS, rows).await
    }

    /// Adds rows; rows whose key exists are left unchanged.
    async fn add<R: Record>(&self, table: &Table<R>, rows: &[R]) -> Result<(), BrainError> {
        // PostgreSQL takes NULL for text unless it is cast to the column's type.
        let placeholder = |(number, column): (usize, &Column)| match column.kind {
            Kind::Real => format!("CAST(${number} AS DOUBLE PRECISION)"),
            Kind::Text | Kind::Int | Kind::Bool | Kind::Time | Kind::Date => format!("${number}"),
        };
        let placeholders = (1..).zip(R::COLUMNS).map(placeholder).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({placeholders}) ON CONFLICT DO NOTHING",
            table.name,
            table.column_list()
        );
        let what = format!("cannot write to {}", table.name);
        let mut tx = self.store.begin().await?;
        for row in rows {
            tx.execute(&what, sql.clone(), &row.values()).await?;
        }
        tx.commit().await
    }
}

/// Replaces the run's rows of a table within a transaction.
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
