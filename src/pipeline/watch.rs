//! The background tasks for health: checks at an interval, with the files in `monitoring/`, and the metrics for Prometheus.

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
use crate::notify::{Milestone, NotifierHandle};

/// Most rows of checks that wait while the brain cannot store them.
const MAX_WAITING_ROWS: usize = 2000;
/// Rows stored at once. If the time limit is reached, the batches before stay stored.
const BATCH: usize = 100;

/// The health checks and the metrics server.
pub struct HealthTasks {
    requests: mpsc::Sender<oneshot::Sender<Vec<Check>>>,
    rounds: JoinHandle<()>,
    metrics: Option<JoinHandle<()>>,
}

impl HealthTasks {
    /// Starts the checks, and the metrics server if a port is set. A port that cannot be opened is only reported.
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
            notifier: services.notifier.handle(),
            reported: HashMap::new(),
            rows: Vec::new(),
            events: Vec::new(),
        };
        let (requests, received) = mpsc::channel(1);
        let rounds = tokio::spawn(rounds.run(Duration::from_secs_f64(settings.interval_s), received));
        let metrics = match u16::try_from(settings.metrics_port).unwrap_or_default() {
            0 => None,
            port => serve(port, board.clone()).await,
        };
        Self { requests, rounds, metrics }
    }

    /// Makes a round of checks now.
    pub async fn check_now(&self) -> Vec<Check> {
        let (reply, checks) = oneshot::channel();
        if self.requests.send(reply).await.is_err() {
            return Vec::new();
        }
        checks.await.unwrap_or_default()
    }

    /// Ends both tasks. A round of checks in progress gets up to `limit`.
    pub async fn stop(self, limit: Duration) {
        drop(self.requests);
        let mut rounds = self.rounds;
        if tokio::time::timeout(limit, &mut rounds).await.is_err() {
            rounds.abort();
        }
        if let Some(metrics) = self.metrics {
            metrics.abort();
        }
    }
}

async fn serve(port: u16, board: Board) -> Option<JoinHandle<()>> {
    match health::listen(port, Arc::new(move || health::prometheus(&board.metrics()))).await {
        Ok((address, serving)) => {
            tracing::info!(%address, "serving metrics for Prometheus");
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
    notifier: NotifierHandle,
    /// The last reported status per component.
    reported: HashMap<String, Status>,
    /// Rows and events that are not stored yet.
    rows: Vec<HealthRow>,
    events: Vec<EventRow>,
}

impl Rounds {
    async fn run(mut self, interval: Duration, mut requests: mpsc::Receiver<oneshot::Sender<Vec<Check>>>) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => { self.round().await; }
                reply = requests.recv() => match reply {
                    Some(reply) => {
                        let checks = self.round().await;
                        // Fails if the run was stopped in the meantime.
                        let _ = reply.send(checks);
                    }
                    None => return,
                },
            }
        }
    }

    async fn round(&mut self) -> Vec<Check> {
        let mut checks = health::run_probes(&mut self.probes, self.limit).await;
        let load = checks.iter().find_map(|check| check.model_load_time_ms);
        let gaps = self.board.data_gaps();
        for check in &mut checks {
            (check.model_load_time_ms, check.data_gaps) = (load, gaps);
        }
        match tokio::task::block_in_place(|| health::write_checks(&self.workdir, Utc::now(), &checks)) {
            Ok((with_rates, _)) => checks = with_rates,
            Err(error) => tracing::warn!("{error}"),
        }
        if let Err(error) = self.board.change(|metrics| metrics.checks.clone_from(&checks)) {
            tracing::warn!("{error}");
        }
        self.report_changes(&checks);
        self.store(&checks).await;
        checks
    }

    fn report_changes(&mut self, checks: &[Check]) {
        for check in checks {
            let before = self.reported.insert(check.component.clone(), check.status);
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
                "info" => tracing::info!(component = check.component, "healthy again: {}", check.message),
                _ => tracing::warn!(component = check.component, status = check.status.name(), "{}", check.message),
            }
            let message = format!("{} is {}: {}", check.component, check.status.name(), check.message);
            let mut event = EventRow::now(&self.run_id, level, "health", message);
            event.simulated = self.simulated;
            event.detail = serde_json::json!({
                "component": check.component,
                "status": check.status.name(),
                "latency_ms": check.latency_ms,
                "error_rate": check.error_rate,
                "remedy": check.remedy,
            });
            self.events.push(event);
            self.notifier.send(&milestone);
        }
    }

    /// Stores rows and events in the brain. What cannot be stored now is tried again with the next round.
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
        self.rows.drain(..self.rows.len().saturating_sub(MAX_WAITING_ROWS));
        let (brain, rows, events) = (&self.brain, &mut self.rows, &mut self.events);
        let stored = tokio::time::timeout(self.limit, async {
            brain.store_events(events).await?;
            events.clear();
            while !rows.is_empty() {
                let count = rows.len().min(BATCH);
                brain.store_health(&rows[..count]).await?;
                rows.drain(..count);
            }
            Ok::<(), BrainError>(())
        });
        match stored.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("health checks cannot be stored in the brain yet: {error}"),
            Err(_) => tracing::warn!("health checks cannot be stored in the brain yet: no answer in {:?}", self.limit),
        }
    }
}
