//! What a run carries from step to step.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::background::Background;
use super::carry::Carrier;
use super::stop::Stop;
use super::watch::{Board, Watch};
use super::{Answer, Failure};
use crate::brain::{Brain, EventRow, Journal, RunLock, RunRow, RunStatus};
use crate::engine::Compute;
use crate::exit::Code;
use crate::health::Check;
use crate::kill;
use crate::market::Exchange;
use crate::notify::Notifier;
use crate::report;
use crate::settings::Settings;
use crate::sync::Remote;
use crate::ui::{Step, Ui};

/// Time that waiting messages get at the end of a run.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time that a round of health checks under way gets there.
const ROUND: Duration = Duration::from_secs(3);
/// The messages' time after a kill, which ends the process within a second, and after a signal.
const HASTE: Duration = Duration::from_millis(400);

pub struct Day {
    pub settings: Settings,
    pub workdir: PathBuf,
    pub date: NaiveDate,
    /// The device, and what happens when it fails.
    pub compute: Arc<Compute>,
    pub run: RunRow,
    pub brain: Brain,
    pub journal: Journal,
    /// None where the stored candles are taken as they are.
    pub exchange: Option<Arc<Exchange>>,
    pub remote: Remote,
    pub lock: RunLock,
    pub ui: Ui,
    pub notifier: Notifier,
    pub stop: Stop,
    /// Whether this run had begun before.
    pub resumed: bool,
    /// Uploads what changes while the run works.
    pub background: Option<Background>,
    /// Brings checkpoints to the remote while the run works.
    pub carrier: Option<Carrier>,
    /// Name of the step at hand.
    pub step: String,
    /// The market's time: only bars that closed before it count.
    pub now_ms: i64,
    pub simulated: bool,
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
    /// Health checks and metrics, from the first step to the last.
    pub watch: Option<Watch>,
}

impl Day {
    /// Begins a step: shows it, notes it, and stops here where the kill switch, a signal or a lost lock demands it.
    pub async fn begin(&mut self, name: &str, total: Option<u64>) -> Result<Step, Failure> {
        self.step = name.to_owned();
        self.stop.check()?;
        self.lock.check()?;
        self.check_kill_switch()?;
        self.brain.begin_step(&self.run.run_id, name).await?;
        tracing::info!(step = name, run_id = self.run.run_id, "step begins");
        self.write_status("running")?;
        Ok(self.ui.step(name, total))
    }

    /// Ends a step, with what it leaves for a resumed run.
    pub async fn end(&mut self, step: Step, left: Value) -> Result<(), Failure> {
        let seconds = step.done();
        tracing::info!(step = self.step, seconds, "step ends");
        self.tell_of_a_lost_device();
        self.brain.finish_step(&self.run.run_id, &self.step, left).await?;
        self.store_events().await
    }

    async fn store_events(&mut self) -> Result<(), Failure> {
        self.brain.store_events(&self.events[self.events_stored..]).await?;
        self.events_stored = self.events.len();
        Ok(())
    }

    /// Says once that the CPU took the device's place.
    fn tell_of_a_lost_device(&mut self) {
        const KIND: &str = "device_lost";
        let Some(why) = self.compute.fell_back() else { return };
        if self.events.iter().all(|event| event.kind != KIND) {
            let message = format!("{}: the CPU goes on, with the same bits ({why})", self.compute.device());
            self.ui.say(&message);
            tracing::warn!("{message}");
            self.event("warn", KIND, message);
        }
    }

    /// What a step of this run left, when it was done before.
    pub async fn left(&self, step: &str) -> Result<Option<Value>, Failure> {
        Ok(self.brain.step_left(&self.run.run_id, step).await?)
    }

    /// # Errors
    /// Exit code 5 with the reason that was given for the kill.
    pub fn check_kill_switch(&self) -> Result<(), Failure> {
        kill::check(&self.workdir)
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
        let mut event = EventRow::now(&self.run.run_id, level, kind, message);
        event.detail = json!({ "date": self.date, "step": self.step, "device": self.compute.device().to_string() });
        let told = format!("{}\n{}\n{}", event.run_id, event.kind, event.message);
        event.event_id = crate::text::hex(&Sha256::digest(told.as_bytes())[..16]);
        event.simulated = self.simulated;
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
        match &self.watch {
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
        let said = error.clone().unwrap_or_else(|| format!("the run of {} is {status}", self.date));
        self.event(level, kind, said);
        if let Some(watch) = self.watch.take() {
            watch.stop(if hurried { Duration::ZERO } else { ROUND }).await;
        }
        let told = self.write_status(status.name());
        let noted = self.store_events().await;
        let ended = self.brain.finish_run(&self.run.run_id, status, error.as_deref()).await;
        let released = self.lock.release().await;
        self.notifier.close(if hurried { HASTE } else { PATIENCE }).await;
        self.journal.close().await;
        self.brain.close().await;
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
