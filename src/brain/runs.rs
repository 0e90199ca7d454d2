//! Runs: how they are started, resumed, marked step by step, and ended.

use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt;
use serde_json::json;

use super::record::Record;
use super::rows::{RUNS, RunRow, RunStatus};
use super::value::{Column, Field, Kind, Value, to_millis};
use super::{Brain, BrainError};

impl Brain {
    /// Stores a new run.
    ///
    /// # Errors
    /// A run with the same id, or a database that fails.
    pub async fn begin_run(&self, run: &RunRow) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        tx.insert(&RUNS, std::slice::from_ref(run)).await?;
        tx.commit().await
    }

    /// Marks an unfinished run as running again, and returns it with the steps that it has done.
    ///
    /// # Errors
    /// An unknown run, or a database that fails.
    pub async fn resume_run(&self, run_id: &str) -> Result<RunRow, BrainError> {
        let sql = "UPDATE runs SET status = $2, error = NULL, finished = NULL, heartbeat = $3 WHERE run_id = $1";
        let binds = [text(run_id), RunStatus::Running.to_value(), Utc::now().to_value()];
        let changed = self.store.execute("cannot resume the run", sql, &binds).await?;
        self.expect_one(run_id, changed)?;
        self.run(run_id).await
    }

    /// The run with this id.
    ///
    /// # Errors
    /// An unknown run, or a database that fails.
    pub async fn run(&self, run_id: &str) -> Result<RunRow, BrainError> {
        self.stream(&RUNS, run_id).try_next().await?.ok_or_else(|| BrainError::NoRun { run_id: run_id.to_owned() })
    }

    /// The newest run of the day, if it is unfinished.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn unfinished_run(&self, date: NaiveDate) -> Result<Option<RunRow>, BrainError> {
        let newest = self.latest_run(Some(date)).await?;
        Ok(newest.filter(|run| run.status.is_unfinished()))
    }

    /// The newest run of one day or of all days.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn latest_run(&self, date: Option<NaiveDate>) -> Result<Option<RunRow>, BrainError> {
        let columns = RUNS.column_list();
        let (filter, binds) = match date {
            Some(date) => ("WHERE date = $1", vec![Value::Date(date)]),
            None => ("", vec![]),
        };
        let sql = format!("SELECT {columns} FROM runs {filter} ORDER BY started DESC, run_id DESC LIMIT 1");
        self.typed(&RUNS, sql, &binds).try_next().await
    }

    /// When the newest run without a failed symbol ended.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn last_success(&self) -> Result<Option<DateTime<Utc>>, BrainError> {
        const FINISHED: &[Column] = &[Column { name: "finished", kind: Kind::Time }];
        let sql = "SELECT finished FROM runs WHERE status = $1 AND finished IS NOT NULL ORDER BY finished DESC LIMIT 1";
        let found = self.query("runs", sql, &[RunStatus::Done.to_value()], FINISHED).try_next().await?;
        Ok(found.and_then(|values| values.into_iter().next()).and_then(DateTime::from_value))
    }

    /// Records that a step begins, which also counts as a sign of life.
    ///
    /// # Errors
    /// An unknown run, or a database that fails.
    pub async fn begin_step(&self, run_id: &str, step: &str) -> Result<(), BrainError> {
        let sql = "UPDATE runs SET step = $2, heartbeat = $3 WHERE run_id = $1";
        let binds = [text(run_id), text(step), Utc::now().to_value()];
        let changed = self.store.execute("cannot record the step", sql, &binds).await?;
        self.expect_one(run_id, changed)
    }

    /// Marks a step as done, with its output (a JSON object) for later steps and for a resumed run.
    ///
    /// # Errors
    /// An unknown run, or a database that fails.
    pub async fn finish_step(&self, run_id: &str, step: &str, output: serde_json::Value) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        // The row is locked before it is read, so that no concurrent mark is lost.
        let lock = "UPDATE runs SET heartbeat = $2 WHERE run_id = $1";
        let changed = tx.execute("cannot mark the step", lock, &[text(run_id), Utc::now().to_value()]).await?;
        self.expect_one(run_id, changed)?;
        let sql = format!("SELECT {} FROM runs WHERE run_id = $1", RUNS.column_list());
        let found = tx.rows("runs", sql, &[text(run_id)], RunRow::COLUMNS).await?;
        let values = found.into_iter().next().ok_or_else(|| BrainError::NoRun { run_id: run_id.to_owned() })?;
        let mut steps = RunRow::from_values("runs", values)?.steps;
        if let Some(map) = steps.as_object_mut() {
            map.insert(step.to_owned(), json!({ "done": to_millis(Utc::now()), "left": output }));
        }
        let binds = [text(run_id), steps.to_value()];
        tx.execute("cannot mark the step", "UPDATE runs SET steps = $2 WHERE run_id = $1", &binds).await?;
        tx.commit().await
    }

    /// The output of a step, if it was marked as done.
    ///
    /// # Errors
    /// An unknown run, or a database that fails.
    pub async fn step_output(&self, run_id: &str, step: &str) -> Result<Option<serde_json::Value>, BrainError> {
        let run = self.run(run_id).await?;
        Ok(run.steps.get(step).map(|mark| mark.get("left").cloned().unwrap_or_default()))
    }

    /// Ends a run with its status and, if it failed, the error.
    ///
    /// # Errors
    /// An unknown run, or a database that fails.
    pub async fn finish_run(&self, run_id: &str, status: RunStatus, error: Option<&str>) -> Result<(), BrainError> {
        let sql = "UPDATE runs SET status = $2, error = $3, finished = $4, heartbeat = $4 WHERE run_id = $1";
        let now = Utc::now().to_value();
        let error = error.map(str::to_owned).to_value();
        let changed =
            self.store.execute("cannot end the run", sql, &[text(run_id), status.to_value(), error, now]).await?;
        self.expect_one(run_id, changed)
    }

    fn expect_one(&self, run_id: &str, changed: u64) -> Result<(), BrainError> {
        if changed == 1 { Ok(()) } else { Err(BrainError::NoRun { run_id: run_id.to_owned() }) }
    }
}

fn text(value: &str) -> Value {
    value.to_owned().to_value()
}
