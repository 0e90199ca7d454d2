//! What a run carries from step to step.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::board::Board;
use super::identity::RunIdentity;
use super::services::Services;
use super::tasks::BackgroundTasks;
use super::{Answer, Failure};
use crate::brain::{EventRow, RunStatus};
use crate::exit::Code;
use crate::health::Check;
use crate::kill;
use crate::report;
use crate::ui::Step;

/// Time that waiting messages get at the end of a run.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time that a round of health checks under way gets there.
const ROUND: Duration = Duration::from_secs(3);
/// The messages' time after a kill, which ends the process within a second, and after a signal.
const HASTE: Duration = Duration::from_millis(400);

/// Under this name the last step leaves the run's answer.
pub const ANSWER: &str = "finish";

/// What a run carries from step to step.
pub struct Day {
    pub run: RunIdentity,
    pub services: Services,
    pub tasks: BackgroundTasks,
    /// Name of the step at hand.
    pub step: String,
    /// Symbols that failed, with step and reason.
    pub failures: Vec<report::Failure>,
    pub events: Vec<EventRow>,
    /// Events that the brain has.
    pub events_stored: usize,
    /// Models that were judged: approved and rejected.
    pub verdicts: (usize, usize),
    /// SHA-256 (hex) of the candles; empty before they are there.
    pub panel_digest: String,
    /// Bars filled flat or missing in the candles in use.
    pub data_gaps: u64,
    pub board: Board,
}

impl Day {
    /// Begins a step: shows it, notes it, and stops here where the kill switch, a signal or a lost lock demands it.
    pub async fn begin(&mut self, name: &str, total: Option<u64>) -> Result<Step, Failure> {
        self.step = name.to_owned();
        self.services.stop.check()?;
        self.services.lock.check()?;
        self.check_kill_switch()?;
        self.services.brain.begin_step(&self.run.row.run_id, name).await?;
        tracing::info!(step = name, run_id = self.run.row.run_id, "step begins");
        self.write_status("running")?;
        Ok(self.services.ui.step(name, total))
    }

    /// Ends a step, with what it leaves for a resumed run.
    pub async fn end(&mut self, step: Step, left: Value) -> Result<(), Failure> {
        let seconds = step.done();
        tracing::info!(step = self.step, seconds, "step ends");
        self.tell_of_a_lost_device();
        self.services.brain.finish_step(&self.run.row.run_id, &self.step, left).await?;
        self.store_events().await
    }

    async fn store_events(&mut self) -> Result<(), Failure> {
        self.services.brain.store_events(&self.events[self.events_stored..]).await?;
        self.events_stored = self.events.len();
        Ok(())
    }

    /// Says once that the CPU took the device's place.
    fn tell_of_a_lost_device(&mut self) {
        const KIND: &str = "device_lost";
        let Some(why) = self.services.compute.fell_back() else { return };
        if self.events.iter().all(|event| event.kind != KIND) {
            let message = format!("{}: the CPU goes on, with the same bits ({why})", self.services.compute.device());
            self.services.ui.say(&message);
            tracing::warn!("{message}");
            self.event("warn", KIND, message);
        }
    }

    /// What a step of this run left, when it was done before.
    pub async fn left(&self, step: &str) -> Result<Option<Value>, Failure> {
        Ok(self.services.brain.step_left(&self.run.row.run_id, step).await?)
    }

    /// # Errors
    /// Exit code 5 with the reason that was given for the kill.
    pub fn check_kill_switch(&self) -> Result<(), Failure> {
        kill::check(&self.run.workdir)
    }

    /// Notes a symbol's failure: it is named at the end, and the run goes on.
    pub fn fail(&mut self, symbol: &str, reason: impl ToString) {
        let reason = reason.to_string();
        tracing::warn!(symbol, step = self.step, "{reason}");
        self.event("error", "symbol_failed", format!("{symbol}: {reason}"));
        self.failures.push(report::Failure { symbol: symbol.to_owned(), step: self.step.clone(), reason });
    }

    /// Notes an event for the brain. What a step that is done again says once more stays one event.
    pub fn event(&mut self, level: &str, kind: &str, message: String) {
        let mut event = EventRow::now(&self.run.row.run_id, level, kind, message);
        event.detail =
            json!({ "date": self.run.date, "step": self.step, "device": self.services.compute.device().to_string() });
        let told = format!("{}\n{}\n{}", event.run_id, event.kind, event.message);
        event.event_id = crate::text::hex(&Sha256::digest(told.as_bytes())[..16]);
        event.simulated = self.run.simulated;
        self.events.push(event);
    }

    /// Shows how the run stands, in `monitoring/system_status.json` and to Prometheus.
    pub fn write_status(&self, state: &str) -> Result<(), Failure> {
        self.board.change(|vitals| {
            state.clone_into(&mut vitals.status.state);
            self.step.clone_into(&mut vitals.status.step);
            (vitals.approved, vitals.rejected) = (self.verdicts.0 as u64, self.verdicts.1 as u64);
            (vitals.failures, vitals.data_gaps) = (self.failures.len() as u64, self.data_gaps);
        })?;
        Ok(())
    }

    /// Looks at all components now; empty where nobody is there to look.
    pub async fn look(&self) -> Vec<Check> {
        match &self.tasks.watch {
            Some(watch) => watch.look().await,
            None => Vec::new(),
        }
    }

    /// Ends the run: its state in the brain, the lock released, waiting messages sent.
    pub async fn close(mut self, outcome: Result<Answer, Failure>) -> Result<Answer, Failure> {
        let (status, error) = match &outcome {
            Ok(answer) if answer.code == Code::Partial as u8 => (RunStatus::Partial, None),
            Ok(_) => (RunStatus::Done, None),
            Err(failure) if failure.code == Code::Interrupted => (RunStatus::Interrupted, None),
            Err(failure) => (RunStatus::Failed, Some(crate::secret::redact(failure.error.to_string()))),
        };
        let hurried = outcome.as_ref().is_err_and(|failure| matches!(failure.code, Code::Killed | Code::Interrupted));
        let (level, kind) = match &outcome {
            Ok(_) => ("info", "run_ended"),
            Err(failure) if failure.code == Code::Killed => ("error", "kill_switch"),
            Err(failure) if failure.code == Code::Interrupted => ("warn", "run_interrupted"),
            Err(_) => ("error", "run_failed"),
        };
        let said = error.clone().unwrap_or_else(|| format!("the run of {} is {status}", self.run.date));
        self.event(level, kind, said);
        if let Some(watch) = self.tasks.watch.take() {
            watch.stop(if hurried { Duration::ZERO } else { ROUND }).await;
        }
        let told = self.write_status(status.name());
        let noted = self.store_events().await;
        let ended = self.services.brain.finish_run(&self.run.row.run_id, status, error.as_deref()).await;
        let released = self.services.lock.release().await;
        self.services.notifier.close(if hurried { HASTE } else { PATIENCE }).await;
        self.services.journal.close().await;
        self.services.brain.close().await;
        let answer = outcome?;
        told?;
        noted?;
        ended?;
        released?;
        Ok(answer)
    }
}

/// Milliseconds as a time.
pub fn time(ms: i64) -> DateTime<Utc> {
    crate::brain::time_of_ms(ms)
}
