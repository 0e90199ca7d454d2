//! The state of a run, passed from step to step.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::board::Board;
use super::identity::RunIdentity;
use super::services::Services;
use super::tasks::BackgroundTasks;
use super::{CommandFailure, CommandOutput};
use crate::brain::{EventRow, RunStatus};
use crate::exit::Code;
use crate::health::Check;
use crate::kill;
use crate::report;
use crate::ui::Step;

/// Time for waiting messages at the end of a run.
const MESSAGES_LIMIT: Duration = Duration::from_secs(10);
/// Time for a round of health checks in progress at the end of a run.
const CHECKS_LIMIT: Duration = Duration::from_secs(3);
/// Time for waiting messages after a kill, which ends the process within a second, and after a signal.
const HURRIED_MESSAGES_LIMIT: Duration = Duration::from_millis(400);

/// Name of the step whose result is the run's answer.
pub const ANSWER: &str = "finish";

/// The state of a run, passed from step to step.
pub struct Day {
    pub run: RunIdentity,
    pub services: Services,
    pub tasks: BackgroundTasks,
    /// Name of the current step.
    pub step: String,
    /// Symbols that failed, with step and reason.
    pub failures: Vec<report::SymbolFailure>,
    pub events: Vec<EventRow>,
    /// How many of the events the brain has already.
    pub events_stored: usize,
    /// Approved and rejected models.
    pub verdicts: (usize, usize),
    /// SHA-256 (hex) of the candles; empty before step 6.
    pub panel_digest: String,
    /// Missing bars in the candles in use, whether filled or not.
    pub data_gaps: u64,
    pub board: Board,
}

impl Day {
    /// Begins a step: records and shows it. Fails if the kill switch, a signal or a lost lock demands a stop.
    pub async fn begin(&mut self, name: &str, total: Option<u64>) -> Result<Step, CommandFailure> {
        self.step = name.to_owned();
        self.services.stop.check()?;
        self.services.lock.check()?;
        self.check_kill_switch()?;
        self.services.brain.begin_step(&self.run.row.run_id, name).await?;
        tracing::info!(step = name, run_id = self.run.row.run_id, "step begins");
        self.write_status("running")?;
        Ok(self.services.ui.step(name, total))
    }

    /// Ends a step. `output` is stored for a resumed run.
    pub async fn end(&mut self, step: Step, output: Value) -> Result<(), CommandFailure> {
        let seconds = step.done();
        tracing::info!(step = self.step, seconds, "step ends");
        self.report_lost_devices();
        self.services.brain.finish_step(&self.run.row.run_id, &self.step, output).await?;
        self.store_events().await
    }

    async fn store_events(&mut self) -> Result<(), CommandFailure> {
        self.services.brain.store_events(&self.events[self.events_stored..]).await?;
        self.events_stored = self.events.len();
        Ok(())
    }

    /// Reports once of each lost device that it is, and what goes on without it.
    fn report_lost_devices(&mut self) {
        const KIND: &str = "device_lost";
        for loss in self.services.compute.losses() {
            let lost = format!("{} was lost", loss.device);
            if self.events.iter().any(|event| event.kind == KIND && event.message.starts_with(&lost)) {
                continue;
            }
            let heir = self.services.compute.heir();
            let message = format!("{lost}; {heir} continues with the same bits ({})", loss.reason);
            self.services.ui.message(&message);
            tracing::warn!("{message}");
            self.event("warn", KIND, message);
        }
    }

    /// The stored output of a step that this run has finished before.
    pub async fn step_output(&self, step: &str) -> Result<Option<Value>, CommandFailure> {
        Ok(self.services.brain.step_output(&self.run.row.run_id, step).await?)
    }

    /// # Errors
    /// Exit code 5 with the reason given for the kill switch, if it is on.
    pub fn check_kill_switch(&self) -> Result<(), CommandFailure> {
        kill::check(&self.run.workdir)
    }

    /// Records that a symbol failed. The run continues without it and names it at the end.
    pub fn fail(&mut self, symbol: &str, reason: impl ToString) {
        let reason = reason.to_string();
        tracing::warn!(symbol, step = self.step, "{reason}");
        self.event("error", "symbol_failed", format!("{symbol}: {reason}"));
        self.failures.push(report::SymbolFailure { symbol: symbol.to_owned(), step: self.step.clone(), reason });
    }

    /// Records an event for the brain. Its id follows from its content: if a step is done again, its events stay single.
    pub fn event(&mut self, level: &str, kind: &str, message: String) {
        let mut event = EventRow::now(&self.run.row.run_id, level, kind, message);
        event.detail =
            json!({ "date": self.run.date, "step": self.step, "device": self.services.compute.device().to_string() });
        let content = format!("{}\n{}\n{}", event.run_id, event.kind, event.message);
        event.event_id = crate::text::hex(&Sha256::digest(content.as_bytes())[..16]);
        event.simulated = self.run.simulated;
        self.events.push(event);
    }

    /// Publishes the state of the run, in `monitoring/system_status.json` and to Prometheus.
    pub fn write_status(&self, state: &str) -> Result<(), CommandFailure> {
        self.board.change(|metrics| {
            state.clone_into(&mut metrics.status.state);
            self.step.clone_into(&mut metrics.status.step);
            (metrics.approved, metrics.rejected) = (self.verdicts.0 as u64, self.verdicts.1 as u64);
            (metrics.failures, metrics.data_gaps) = (self.failures.len() as u64, self.data_gaps);
        })?;
        Ok(())
    }

    /// Checks all components now; empty if the health checks are not running.
    pub async fn check_health(&self) -> Vec<Check> {
        match &self.tasks.health {
            Some(health) => health.check_now().await,
            None => Vec::new(),
        }
    }

    /// Ends the run: stores its state in the brain, sends waiting messages and releases the lock.
    pub async fn close(
        mut self,
        outcome: Result<CommandOutput, CommandFailure>,
    ) -> Result<CommandOutput, CommandFailure> {
        let (status, error) = match &outcome {
            Ok(answer) if answer.code == Code::Partial as u8 => (RunStatus::Partial, None),
            Ok(_) => (RunStatus::Done, None),
            Err(failure) if failure.code == Code::Interrupted => (RunStatus::Interrupted, None),
            Err(failure) => (RunStatus::Failed, Some(crate::secret::redact(failure.error.to_string()))),
        };
        let is_hurried =
            outcome.as_ref().is_err_and(|failure| matches!(failure.code, Code::Killed | Code::Interrupted));
        let (level, kind) = match &outcome {
            Ok(_) => ("info", "run_ended"),
            Err(failure) if failure.code == Code::Killed => ("error", "kill_switch"),
            Err(failure) if failure.code == Code::Interrupted => ("warn", "run_interrupted"),
            Err(_) => ("error", "run_failed"),
        };
        let message = error.clone().unwrap_or_else(|| format!("the run of {} is {status}", self.run.date));
        self.event(level, kind, message);
        if let Some(health) = self.tasks.health.take() {
            health.stop(if is_hurried { Duration::ZERO } else { CHECKS_LIMIT }).await;
        }
        // Each of these is tried, whatever the others return.
        let status_written = self.write_status(status.name());
        let events_stored = self.store_events().await;
        let run_finished = self.services.brain.finish_run(&self.run.row.run_id, status, error.as_deref()).await;
        let lock_released = self.services.lock.release().await;
        self.services.notifier.close(if is_hurried { HURRIED_MESSAGES_LIMIT } else { MESSAGES_LIMIT }).await;
        self.services.journal.close().await;
        self.services.brain.close().await;
        let answer = outcome?;
        status_written?;
        events_stored?;
        run_finished?;
        lock_released?;
        Ok(answer)
    }
}

/// Milliseconds since 1970 as a time.
pub fn time(ms: i64) -> DateTime<Utc> {
    crate::brain::time_of_ms(ms)
}
