//! Steps 1 and 2: the dated folder, logs, the brain, the lock and the services; begins a new run, or resumes one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::json;

use super::board::Board;
use super::day::{ANSWER, Day};
use super::identity::RunIdentity;
use super::services::Services;
use super::stop::Stop;
use super::tasks::BackgroundTasks;
use super::uploads::Uploads;
use super::watch::HealthTasks;
use super::{CommandFailure, CommandOutput, Request, copies};
use crate::bars::Timeframe;
use crate::brain::{Brain, BrainError, Journal, RunLock, RunRow, time_of_ms};
use crate::engine::Device;
use crate::exit::{Code, OrExit};
use crate::health::{RunMetrics, SystemStatus};
use crate::market::{Exchange, read_folder, store};
use crate::notify::{Access, Milestone, Notifier};
use crate::settings::Settings;
use crate::sync::{Credentials, Remote};
use crate::ui::Ui;
use crate::{files, health, logs};

/// The result of waking up.
pub enum WakeOutcome {
    /// The run works from here on.
    Day(Box<Day>),
    /// The run to resume was complete already.
    Complete(CommandOutput),
}

const STEP: &str = "wake";

/// The stages that have kernels for a device other than the CPU.
const STAGES_WITH_KERNELS: &str =
    "features, the view, labels, votes, their consensus, boosting, prediction and shadow trades";

/// Opens everything that the run needs. If the run to resume is complete, only returns its answer.
pub async fn wake(settings: Settings, request: &Request, stop: &Stop) -> Result<WakeOutcome, CommandFailure> {
    let started = crate::brain::to_millis(Utc::now());
    let workdir = std::path::absolute(&request.workdir)?;
    let compute = settings.open_device(&workdir)?;
    let device = compute.device();
    let mut market = Market::open(&settings, request, &workdir)?;
    let date = request.date.unwrap_or_else(|| time_of_ms(market.now_ms).date_naive());

    // The dated folder is the first thing that a run makes.
    let remote = Remote::open(&settings.sync, &workdir, &Credentials::from_environment())?;
    remote.create_dated_folder(date).await?;
    let log = logs::init(&workdir, &settings.logs.level, started)?;
    tracing::info!(%date, device = %device, log = %log.display(), remote = remote.address(), "waking up");

    let ui = Ui::new(request.json);
    let restored = copies::restore_missing(&settings, &workdir, &remote, date).await?;
    copies::report(&restored, &ui);
    let brain = Brain::open(&settings.brain.url, &workdir, settings.brain.connections).await?;
    let lock = lock(&brain, date, request.resume, &ui).await?;
    let simulated = market.is_simulated(&workdir);
    let fresh = RunRow {
        settings_digest: settings.digest(),
        started,
        simulated,
        device: device.to_string(),
        account_currency: settings.risk.account_currency.clone(),
        ..RunRow::new(uuid::Uuid::new_v4().to_string(), date)
    };
    let fresh_id = fresh.run_id.clone();
    let row = match begin_or_resume(&brain, request.resume, fresh, &ui).await {
        Ok(Begun::Run(row)) => row,
        Ok(Begun::Complete(answer)) => {
            lock.release().await?;
            return Ok(WakeOutcome::Complete(answer));
        }
        Err(failure) => {
            lock.release().await?;
            return Err(failure);
        }
    };
    // A resumed run continues at the same moment of the market.
    if let Some(output) = brain.step_output(&row.run_id, STEP).await? {
        market.move_to(&settings, request, output["now_ms"].as_i64())?;
    }
    logs::set_simulated(simulated);
    let journal = Journal::open(&workdir.join("data/journal.db")).await?;
    stop.listen()?;
    let notifier = Notifier::start(&settings.notify, Access::from_environment().as_ref());
    let metrics = metrics(&row, started, device, simulated, brain.last_success().await?);
    let resumed = row.run_id != fresh_id;
    let identity = RunIdentity { now_ms: market.now_ms, settings, workdir, date, row, simulated, resumed };
    let services = Services {
        compute: Arc::new(compute),
        brain,
        journal,
        exchange: market.exchange.map(Arc::new),
        remote,
        lock,
        ui,
        notifier,
        stop: stop.clone(),
    };
    let mut day = new_day(identity, services, metrics);
    day.tasks.health = Some(HealthTasks::start(&day.run, &day.services, &day.board).await);
    // Recorded as uploaded, so that these files are not uploaded again.
    Uploads::of(&day.run, &day.services).record(restored.known.into_iter()).await?;
    announce(&mut day);
    match get_ready(&mut day).await {
        Ok(()) => Ok(WakeOutcome::Day(Box::new(day))),
        Err(failure) => match day.close(Err(failure)).await {
            Err(failure) => Err(failure),
            Ok(answer) => Ok(WakeOutcome::Complete(answer)),
        },
    }
}

/// Where the candles come from, and the market's time.
struct Market {
    /// None if the run uses the stored candles as they are.
    exchange: Option<Exchange>,
    now_ms: i64,
}

impl Market {
    /// The market at the midnight of the request's date, or without a date at its newest moment.
    fn open(settings: &Settings, request: &Request, workdir: &Path) -> Result<Self, CommandFailure> {
        let requested_ms = request.date.map(midnight);
        let exchange = open_exchange(settings, request, requested_ms)?;
        let newest_ms =
            || exchange.as_ref().map_or_else(|| stored_now(workdir, settings.market.timeframe), Exchange::now_ms);
        let now_ms = requested_ms.unwrap_or_else(newest_ms);
        Ok(Self { exchange, now_ms })
    }

    /// Moves the market to another time; without one, the exchange to its newest moment.
    fn move_to(&mut self, settings: &Settings, request: &Request, now_ms: Option<i64>) -> Result<(), CommandFailure> {
        self.exchange = open_exchange(settings, request, now_ms)?;
        self.now_ms = now_ms.unwrap_or(self.now_ms);
        Ok(())
    }

    fn is_simulated(&self, workdir: &Path) -> bool {
        let exchange = self.exchange.as_ref();
        exchange.map_or_else(|| store::holds_simulated(&workdir.join("data/candles")), Exchange::simulated)
    }
}

/// The metrics of a run that has just begun.
fn metrics(
    row: &RunRow,
    now: DateTime<Utc>,
    device: Device,
    simulated: bool,
    last_success: Option<DateTime<Utc>>,
) -> RunMetrics {
    RunMetrics {
        status: SystemStatus {
            timestamp: now,
            run_id: row.run_id.clone(),
            state: "running".to_owned(),
            step: STEP.to_owned(),
            done: None,
            total: None,
            device: device.to_string(),
            simulated,
        },
        started: row.started,
        finished: None,
        approved: 0,
        rejected: 0,
        failures: 0,
        data_gaps: 0,
        checks: Vec::new(),
        last_success,
        seconds: Vec::new(),
        resident_bytes: None,
        peak_bytes: None,
    }
}

fn new_day(run: RunIdentity, services: Services, metrics: RunMetrics) -> Day {
    let board = Board::new(run.workdir.clone(), services.ui.clone(), metrics);
    Day {
        run,
        services,
        tasks: BackgroundTasks::default(),
        step: STEP.to_owned(),
        failures: Vec::new(),
        events: Vec::new(),
        events_stored: 0,
        verdicts: (0, 0),
        panel_digest: String::new(),
        data_gaps: 0,
        board,
    }
}

/// Records that the run begins, and shows what is special about it.
fn announce(day: &mut Day) {
    let device = day.services.compute.device();
    let (kind, verb) = if day.run.resumed { ("run_resumed", "resumed") } else { ("run_started", "started") };
    day.event("info", kind, format!("the run of {} {verb} on {device}", day.run.date));
    let ui = &day.services.ui;
    if day.run.simulated {
        ui.message("SIMULATED MARKET: these prices are invented (market.exchange.kind chooses a real one)");
    }
    if device != Device::Cpu {
        ui.message(&format!("{device}: computes {STAGES_WITH_KERNELS}, with the same bits as the CPU"));
    }
    if let Some(warning) = health::missing_burn(&day.run.settings, device) {
        ui.message(warning);
    }
}

/// Step 2: writes the effective settings and sends the first message.
async fn get_ready(day: &mut Day) -> Result<(), CommandFailure> {
    let step = day.begin(STEP, None).await?;
    let mut effective = serde_json::to_value(&day.run.settings)?;
    effective["brain"]["url"] = day.run.settings.brain_url_redacted().into();
    let path = day.run.workdir.join("config/effective_settings.json");
    files::write_atomic(&path, format!("{effective:#}\n").as_bytes())?;
    day.services.notifier.send(&Milestone::Started {
        date: day.run.date,
        device: day.services.compute.device().to_string(),
        simulated: day.run.simulated,
    });
    let output = json!({ "now_ms": day.run.now_ms });
    day.end(step, output).await
}

/// Takes the run lock.
///
/// With `wait`, waits for a lock whose heartbeat does not change: the run to resume may have been cut off on another machine
/// without releasing its lock. A changing heartbeat belongs to a run that is working.
async fn lock(brain: &Brain, date: NaiveDate, wait: bool, ui: &Ui) -> Result<RunLock, CommandFailure> {
    const PAUSE: Duration = Duration::from_secs(3);
    let mut silent_s = None;
    loop {
        match brain.lock(&format!("run of {date}")).await {
            Ok(lock) => return Ok(lock),
            Err(BrainError::Locked { seconds_ago, timeout_s, owner })
                if wait && silent_s.is_none_or(|before| seconds_ago >= before) =>
            {
                if silent_s.is_none() {
                    ui.message(&format!(
                        "the lock is held by the {owner}; waiting up to {timeout_s} s for a sign of life"
                    ));
                }
                silent_s = Some(seconds_ago);
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(CommandFailure::new(Code::Failed, error)),
        }
    }
}

enum Begun {
    Run(RunRow),
    Complete(CommandOutput),
}

/// Begins the run `fresh`, or resumes the unfinished run of its day.
async fn begin_or_resume(brain: &Brain, resume: bool, fresh: RunRow, ui: &Ui) -> Result<Begun, CommandFailure> {
    let date = fresh.date;
    let latest = brain.latest_run(Some(date)).await?;
    if let (true, Some(latest)) = (resume, &latest) {
        if !latest.status.is_unfinished() {
            if let Some(json) = brain.step_output(&latest.run_id, ANSWER).await? {
                ui.message(&format!("the run of {date} is complete; there is nothing to resume"));
                let partial = json["failed"].as_array().is_some_and(|failed| !failed.is_empty());
                return Ok(Begun::Complete(CommandOutput {
                    code: if partial { Code::Partial as u8 } else { 0 },
                    json,
                }));
            }
        } else if latest.settings_digest != fresh.settings_digest {
            let message = format!(
                "the unfinished run of {date} was started with other settings; give the same ones, or start again without --resume"
            );
            return Err(CommandFailure::new(Code::Usage, message));
        } else {
            let step = latest.step.as_deref().unwrap_or(STEP);
            ui.message(&format!("resuming the run of {date}, which stopped in step {step}"));
            return Ok(Begun::Run(brain.resume_run(&latest.run_id).await?));
        }
    }
    if latest.is_some_and(|run| run.status.is_unfinished()) {
        ui.message(&format!("ignoring an unfinished run of {date}; --resume would continue it"));
    }
    brain.begin_run(&fresh).await?;
    Ok(Begun::Run(fresh))
}

fn open_exchange(
    settings: &Settings,
    request: &Request,
    now_ms: Option<i64>,
) -> Result<Option<Exchange>, CommandFailure> {
    if request.stored_only {
        return Ok(None);
    }
    Exchange::open(settings, now_ms).or_exit(Code::BadData).map(Some)
}

/// The end of the newest stored bar; the last midnight if nothing is stored.
fn stored_now(workdir: &Path, timeframe: Timeframe) -> i64 {
    let files = read_folder(&workdir.join("data/candles"), Some(timeframe)).map(|(_, files)| files).unwrap_or_default();
    let newest = files.iter().filter_map(|(_, read)| read.as_ref().ok()?.timestamp.last()).max();
    newest.map_or_else(|| midnight(Utc::now().date_naive()), |open| open + timeframe.ms())
}

fn midnight(date: NaiveDate) -> i64 {
    date.and_time(NaiveTime::MIN).and_utc().timestamp_millis()
}
