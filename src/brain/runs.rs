//! Runs: begun, taken up again, marked step by step, ended.

use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt;
use serde_json::json;

use super::record::Record;
use super::rows::{RUNS, RunRow, RunStatus};
use super::value::{Column, Field, Kind, Value, to_millis};
use super::{Brain, BrainError};

impl Brain {
    /// Writes a new run.
    pub async fn begin_run(&self, run: &RunRow) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        tx.insert(&RUNS, std::slice::from_ref(run)).await?;
        tx.commit().await
    }

    /// Sets an unfinished run going again and gives it back with the steps that it had done.
    pub async fn resume_run(&self, run_id: &str) -> Result<RunRow, BrainError> {
        let sql = "UPDATE runs SET status = $2, error = NULL, finished = NULL, heartbeat = $3 WHERE run_id = $1";
        let binds = [text(run_id), RunStatus::Running.put(), Utc::now().put()];
        let changed = self.store.execute("cannot resume the run", sql, &binds).await?;
        self.expect_one(run_id, changed)?;
        self.run(run_id).await
    }

    pub async fn run(&self, run_id: &str) -> Result<RunRow, BrainError> {
        self.stream(&RUNS, run_id).try_next().await?.ok_or_else(|| BrainError::NoRun { run_id: run_id.to_owned() })
    }

    /// The newest run of the day that did not come to its end.
    pub async fn unfinished_run(&self, date: NaiveDate) -> Result<Option<RunRow>, BrainError> {
        let newest = self.latest_run(Some(date)).await?;
        Ok(newest.filter(|run| run.status.is_unfinished()))
    }

    /// The newest run, of one day or of all.
    pub async fn latest_run(&self, date: Option<NaiveDate>) -> Result<Option<RunRow>, BrainError> {
        let columns = RUNS.column_list();
        let (filter, binds) = match date {
            Some(date) => ("WHERE date = $1", vec![Value::Date(date)]),
            None => ("", vec![]),
        };
        let sql = format!("SELECT {columns} FROM runs {filter} ORDER BY started DESC, run_id DESC LIMIT 1");
        self.typed(&RUNS, sql, &binds).try_next().await
    }

    /// When the newest run ended that lost no symbol.
    pub async fn last_success(&self) -> Result<Option<DateTime<Utc>>, BrainError> {
        const FINISHED: &[Column] = &[Column { name: "finished", kind: Kind::Time }];
        let sql = "SELECT finished FROM runs WHERE status = $1 AND finished IS NOT NULL ORDER BY finished DESC LIMIT 1";
        let found = self.query("runs", sql, &[RunStatus::Done.put()], FINISHED).try_next().await?;
        Ok(found.and_then(|values| values.into_iter().next()).and_then(DateTime::take))
    }

    /// Notes that a step begins: a sign of life, and what `status` shows.
    pub async fn begin_step(&self, run_id: &str, step: &str) -> Result<(), BrainError> {
        let sql = "UPDATE runs SET step = $2, heartbeat = $3 WHERE run_id = $1";
        let binds = [text(run_id), text(step), Utc::now().put()];
        let changed = self.store.execute("cannot note the step", sql, &binds).await?;
        self.expect_one(run_id, changed)
    }

    /// Marks a step done, with what it left for the steps after it and for a resumed run (a JSON object).
    pub async fn finish_step(&self, run_id: &str, step: &str, left: serde_json::Value) -> Result<(), BrainError> {
        let mut tx = self.store.begin().await?;
        // The row is locked before it is read, so that no other writer's mark is lost.
        let lock = "UPDATE runs SET heartbeat = $2 WHERE run_id = $1";
        let changed = tx.execute("cannot mark the step", lock, &[text(run_id), Utc::now().put()]).await?;
        self.expect_one(run_id, changed)?;
        let sql = format!("SELECT {} FROM runs WHERE run_id = $1", RUNS.column_list());
        let found = tx.rows("runs", sql, &[text(run_id)], RunRow::COLUMNS).await?;
        let values = found.into_iter().next().ok_or_else(|| BrainError::NoRun { run_id: run_id.to_owned() })?;
        let mut steps = RunRow::from_values("runs", values)?.steps;
        if let Some(map) = steps.as_object_mut() {
            map.insert(step.to_owned(), json!({ "done": to_millis(Utc::now()), "left": left }));
        }
        let binds = [text(run_id), steps.put()];
        tx.execute("cannot mark the step", "UPDATE runs SET steps = $2 WHERE run_id = $1", &binds).await?;
        tx.commit().await
    }

    /// What a step left, if it was marked done.
    pub async fn step_left(&self, run_id: &str, step: &str) -> Result<Option<serde_json::Value>, BrainError> {
        let run = self.run(run_id).await?;
        Ok(run.steps.get(step).map(|mark| mark.get("left").cloned().unwrap_or_default()))
    }

    /// Ends a run, well or badly.
    pub async fn finish_run(&self, run_id: &str, status: RunStatus, error: Option<&str>) -> Result<(), BrainError> {
        let sql = "UPDATE runs SET status = $2, error = $3, finished = $4, heartbeat = $4 WHERE run_id = $1";
        let now = Utc::now().put();
        let error = error.map(str::to_owned).put();
        let changed = self.store.execute("cannot end the run", sql, &[text(run_id), status.put(), error, now]).await?;
        self.expect_one(run_id, changed)
    }

    fn expect_one(&self, run_id: &str, changed: u64) -> Result<(), BrainError> {
        if changed == 1 { Ok(()) } else { Err(BrainError::NoRun { run_id: run_id.to_owned() }) }
    }
}

fn text(value: &str) -> Value {
    value.to_owned().put()
}
