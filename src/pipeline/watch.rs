//! What goes along with all steps: health checks at their interval, `monitoring/`, and the metrics for Prometheus.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use chrono::Utc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::day::Day;
use super::doctor;
use crate::brain::{Brain, BrainError, EventRow, HealthRow, to_millis};
use crate::engine::Device;
use crate::files::WriteError;
use crate::health::{self, Check, Probe, Status, Vitals};
use crate::models::Bundle;
use crate::notify::{Milestone, Teller};
use crate::ui::Ui;

/// Rows of checks that wait at most for a brain that does not take them.
const WAITING: usize = 2000;
/// Rows that are stored together: what a slow brain has taken of them stays taken.
const A_TIME: usize = 100;

/// How the run does, for all who look; clones share it.
#[derive(Clone)]
pub struct Board(Arc<Shared>);

struct Shared {
    ui: Ui,
    workdir: PathBuf,
    vitals: Mutex<Vitals>,
    /// Held while the file is written, so that an older state never replaces a newer one.
    writing: Mutex<()>,
}

impl Board {
    pub fn new(workdir: PathBuf, ui: Ui, vitals: Vitals) -> Self {
        Self(Arc::new(Shared { ui, workdir, vitals: Mutex::new(vitals), writing: Mutex::default() }))
    }

    /// Changes what is known, and writes `monitoring/system_status.json`.
    pub fn change(&self, change: impl FnOnce(&mut Vitals)) -> Result<(), WriteError> {
        let _writing = locked(&self.0.writing);
        change(&mut locked(&self.0.vitals));
        let vitals = self.now();
        health::write_status(&self.0.workdir, &vitals.status, &vitals.checks)?;
        Ok(())
    }

    /// Bars missing from the candles in use.
    pub fn data_gaps(&self) -> u64 {
        locked(&self.0.vitals).data_gaps
    }

    /// How the run does at this moment.
    pub fn now(&self) -> Vitals {
        let mut vitals = locked(&self.0.vitals).clone();
        vitals.status.timestamp = Utc::now();
        let progress = self.0.ui.progress().filter(|progress| progress.step == vitals.status.step);
        vitals.status.done = progress.as_ref().map(|progress| progress.done);
        vitals.status.total = progress.and_then(|progress| progress.total);
        vitals.seconds = self.0.ui.seconds();
        vitals.resident_bytes = health::rss_bytes();
        vitals.peak_bytes = health::peak_rss_bytes();
        vitals
    }
}

/// A panic elsewhere must not blind those who look.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The tasks beside the run.
pub struct Watch {
    ask: mpsc::Sender<oneshot::Sender<Vec<Check>>>,
    rounds: JoinHandle<()>,
    metrics: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to look, and to serve the metrics where a port is set; a port that cannot be had is said and left.
    pub async fn start(day: &Day) -> Self {
        let settings = &day.settings.health;
        let rounds = Rounds {
            probes: probes(day),
            limit: Duration::from_secs_f64(settings.timeout_s),
            workdir: day.workdir.clone(),
            run_id: day.run.run_id.clone(),
            simulated: day.simulated,
            board: day.board.clone(),
            brain: day.brain.clone(),
            teller: day.notifier.teller(),
            known: HashMap::new(),
            rows: Vec::new(),
            events: Vec::new(),
        };
        let (ask, asked) = mpsc::channel(1);
        let rounds = tokio::spawn(rounds.go_on(Duration::from_secs_f64(settings.interval_s), asked));
        let metrics = match u16::try_from(settings.metrics_port).unwrap_or_default() {
            0 => None,
            port => serve(port, day).await,
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

async fn serve(port: u16, day: &Day) -> Option<JoinHandle<()>> {
    let board = day.board.clone();
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

/// Everything that a run leans on.
fn probes(day: &Day) -> Vec<Probe> {
    let limit = Duration::from_secs_f64(day.settings.health.timeout_s);
    let (brain, remote, workdir) = (day.brain.clone(), day.remote.clone(), day.workdir.clone());
    let mut probes = vec![Probe::new("database", doctor::BRAIN_REMEDY, move || {
        let brain = brain.clone();
        async move { doctor::database_check(&brain, limit).await }
    })];
    if let Some(exchange) = day.exchange.clone() {
        probes.push(Probe::new("exchange", doctor::EXCHANGE_REMEDY, move || {
            let exchange = exchange.clone();
            async move { doctor::exchange_check(&exchange, limit).await }
        }));
    }
    probes.push(Probe::new("remote", health::REMOTE_REMEDY, move || {
        let remote = remote.clone();
        async move { health::remote(&remote, limit).await }
    }));
    let (disk, models) = (workdir.clone(), workdir);
    let wanted = matches!(day.compute.device(), Device::Cuda(_));
    probes.push(Probe::blocking("disk", "look at the disk of --workdir", move || health::disk(&disk)));
    probes.push(Probe::blocking("memory", "look at the machine", health::memory));
    probes.push(Probe::blocking("gpu", "look at the NVIDIA driver", move || health::gpu(wanted)));
    let seen = Arc::new(Mutex::new(None));
    let look = move || models_check(&models, &seen);
    probes.push(Probe::blocking("models", "look at the disk of --workdir", look));
    probes
}

/// A model that was loaded, as it was then, and what came of it.
type Loaded = Option<(PathBuf, SystemTime, Check)>;

/// Loads the newest model back, as the trading bot would; one that has not changed since is not loaded again.
fn models_check(workdir: &Path, seen: &Mutex<Loaded>) -> Check {
    let entries = std::fs::read_dir(workdir.join("models")).into_iter().flatten().flatten();
    let models = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with("_model.pkl"));
    let changed = |path: PathBuf| Some((std::fs::metadata(&path).and_then(|about| about.modified()).ok()?, path));
    let newest = models.filter_map(|entry| changed(entry.path())).max();
    let Some((at, path)) = newest else { return Check::new("models", Status::Off, "no model is stored yet") };
    let mut seen = locked(seen);
    if let Some((known, then, check)) = &*seen
        && (known, then) == (&path, &at)
    {
        return Check { timestamp: Utc::now(), ..check.clone() };
    }
    let check = load(&path);
    *seen = Some((path, at, check.clone()));
    check
}

fn load(path: &Path) -> Check {
    let begun = Instant::now();
    match Bundle::load(path) {
        Ok(bundle) => {
            let took = begun.elapsed();
            let message = format!("the model of {} loads", bundle.symbol);
            let mut check = Check::new("models", Status::Healthy, message).with_latency(took);
            check.model_load_time_ms = check.latency_ms;
            check
        }
        Err(error) => Check::new("models", Status::Failed, error.to_string())
            .with_remedy("train it again with huracan run, or bring it back with huracan restore"),
    }
}
