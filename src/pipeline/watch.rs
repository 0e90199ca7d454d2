//! What goes along with all steps: health checks at their interval, `monitoring/`, and the metrics for Prometheus.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::board::Board;
use super::identity::RunIdentity;
use super::probes::probes;
use super::services::Services;
use crate::brain::{Brain, BrainError, EventRow, HealthRow, to_millis};
use crate::health::{self, Check, Probe, Status};
use crate::notify::{Milestone, Teller};

/// Rows of checks that wait at most for a brain that does not take them.
const WAITING: usize = 2000;
/// Rows that are stored together: what a slow brain has taken of them stays taken.
const A_TIME: usize = 100;

/// The tasks beside the run.
pub struct Watch {
    ask: mpsc::Sender<oneshot::Sender<Vec<Check>>>,
    rounds: JoinHandle<()>,
    metrics: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to look, and to serve the metrics where a port is set; a port that cannot be had is said and left.
    pub async fn start(run: &RunIdentity, services: &Services, board: &Board) -> Self {
        let settings = &run.settings.health;
        let rounds = Rounds {
            probes: probes(run, services),
            limit: Duration::from_secs_f64(settings.timeout_s),
            workdir: run.workdir.clone(),
            run_id: run.row.run_id.clone(),
            simulated: run.simulated,
            board: board.clone(),
            brain: services.brain.clone(),
            teller: services.notifier.teller(),
            known: HashMap::new(),
            rows: Vec::new(),
            events: Vec::new(),
        };
        let (ask, asked) = mpsc::channel(1);
        let rounds = tokio::spawn(rounds.go_on(Duration::from_secs_f64(settings.interval_s), asked));
        let metrics = match u16::try_from(settings.metrics_port).unwrap_or_default() {
            0 => None,
            port => serve(port, board.clone()).await,
        };
        Self { ask, rounds, metrics }
    }

    /// Looks at everything once more, out of turn.
    pub async fn look(&self) -> Vec<Check> {
        let (reply, checks) = oneshot::channel();
        if self.ask.send(reply).await.is_err() {
            return Vec::new();
        }
        checks.await.unwrap_or_default()
    }

    /// Ends both tasks; a round of checks under way gets `patience` to be stored.
    pub async fn stop(self, patience: Duration) {
        drop(self.ask);
        let mut rounds = self.rounds;
        if tokio::time::timeout(patience, &mut rounds).await.is_err() {
            rounds.abort();
        }
        if let Some(metrics) = self.metrics {
            metrics.abort();
        }
    }
}

async fn serve(port: u16, board: Board) -> Option<JoinHandle<()>> {
    match health::listen(port, Arc::new(move || health::prometheus(&board.now()))).await {
        Ok((address, serving)) => {
            tracing::info!(%address, "metrics for Prometheus are served");
            Some(tokio::spawn(serving))
        }
        Err(error) => {
            tracing::warn!(
                port,
                "no metrics for Prometheus: {error}; choose another health.metrics_port, or 0 for none"
            );
            None
        }
    }
}

struct Rounds {
    probes: Vec<Probe>,
    limit: Duration,
    workdir: PathBuf,
    run_id: String,
    simulated: bool,
    board: Board,
    brain: Brain,
    teller: Teller,
    /// What was last said of each component.
    known: HashMap<String, Status>,
    rows: Vec<HealthRow>,
    events: Vec<EventRow>,
}

impl Rounds {
    async fn go_on(mut self, interval: Duration, mut asked: mpsc::Receiver<oneshot::Sender<Vec<Check>>>) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => { self.round().await; }
                reply = asked.recv() => match reply {
                    Some(reply) => {
                        let checks = self.round().await;
                        // Nobody waits any more where the run was stopped meanwhile.
                        let _ = reply.send(checks);
                    }
                    None => return,
                },
            }
        }
    }

    async fn round(&mut self) -> Vec<Check> {
        let mut checks = health::look_at_all(&mut self.probes, self.limit).await;
        let load = checks.iter().find_map(|check| check.model_load_time_ms);
        let gaps = self.board.data_gaps();
        for check in &mut checks {
            (check.model_load_time_ms, check.data_gaps) = (load, gaps);
        }
        match tokio::task::block_in_place(|| health::write_checks(&self.workdir, Utc::now(), &checks)) {
            Ok((with_rates, _)) => checks = with_rates,
            Err(error) => tracing::warn!("{error}"),
        }
        if let Err(error) = self.board.change(|vitals| vitals.checks.clone_from(&checks)) {
            tracing::warn!("{error}");
        }
        self.tell_of_changes(&checks);
        self.store(&checks).await;
        checks
    }

    fn tell_of_changes(&mut self, checks: &[Check]) {
        for check in checks {
            let before = self.known.insert(check.component.clone(), check.status);
            let (component, message) = (check.component.clone(), check.message.clone());
            let (level, milestone) = if check.status >= Status::Degraded && before != Some(check.status) {
                let level = if check.status == Status::Failed { "error" } else { "warn" };
                (level, Milestone::Unhealthy { component, message })
            } else if check.status < Status::Degraded && before >= Some(Status::Degraded) {
                ("info", Milestone::Recovered { component })
            } else {
                continue;
            };
            match level {
                "info" => tracing::info!(component = check.component, "well again: {}", check.message),
                _ => tracing::warn!(component = check.component, status = check.status.name(), "{}", check.message),
            }
            let said = format!("{} is {}: {}", check.component, check.status.name(), check.message);
            let mut event = EventRow::now(&self.run_id, level, "health", said);
            event.simulated = self.simulated;
            event.detail = serde_json::json!({
                "component": check.component,
                "status": check.status.name(),
                "latency_ms": check.latency_ms,
                "error_rate": check.error_rate,
                "remedy": check.remedy,
            });
            self.events.push(event);
            self.teller.tell(&milestone);
        }
    }

    /// What the brain does not take now, it gets with the next round.
    async fn store(&mut self, checks: &[Check]) {
        self.rows.extend(checks.iter().map(|check| HealthRow {
            run_id: self.run_id.clone(),
            checked_at: to_millis(check.timestamp),
            component: check.component.clone(),
            status: check.status.name().to_owned(),
            latency_ms: check.latency_ms,
            error_rate: check.error_rate,
            data_gaps: check.data_gaps as i64,
            model_load_time_ms: check.model_load_time_ms,
            message: check.message.clone(),
            remedy: check.remedy.clone(),
            simulated: self.simulated,
        }));
        self.rows.drain(..self.rows.len().saturating_sub(WAITING));
        let (brain, rows, events) = (&self.brain, &mut self.rows, &mut self.events);
        let stored = tokio::time::timeout(self.limit, async {
            brain.store_events(events).await?;
            events.clear();
            while !rows.is_empty() {
                let some = rows.len().min(A_TIME);
                brain.store_health(&rows[..some]).await?;
                rows.drain(..some);
            }
            Ok::<(), BrainError>(())
        });
        match stored.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("health checks wait for the brain: {error}"),
            Err(_) => tracing::warn!("health checks wait for the brain: no answer in {:?}", self.limit),
        }
    }
}
