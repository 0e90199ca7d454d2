//! Steps 1 and 2: the dated folder, logs, the brain, the lock, the tools; a new run, or one to go on with.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{NaiveDate, NaiveTime, Utc};
use serde_json::json;

use super::board::Board;
use super::day::{ANSWER, Day};
use super::identity::RunIdentity;
use super::services::Services;
use super::stop::Stop;
use super::tasks::BackgroundTasks;
use super::uploads::Uploads;
use super::watch::Watch;
use super::{Answer, Failure, Request, copies};
use crate::bars::Timeframe;
use crate::brain::{Brain, BrainError, Journal, RunLock, RunRow, time_of_ms};
use crate::engine::Device;
use crate::exit::{Code, OrExit};
use crate::health::{SystemStatus, Vitals};
use crate::market::{Exchange, read_folder, store};
use crate::notify::{Access, Milestone, Notifier};
use crate::settings::Settings;
use crate::sync::{Credentials, Remote};
use crate::ui::Ui;
use crate::{files, logs};

pub enum Woken {
    Day(Box<Day>),
    /// The run to be resumed had already come to its end.
    Complete(Answer),
}

pub const STEP: &str = "wake";
/// What a device other than the CPU computes.
const KERNELS: &str = "features, labels, boosting, prediction and shadow trades have kernels";
pub async fn wake(settings: Settings, request: &Request, stop: &Stop) -> Result<Woken, Failure> {
    let started = crate::brain::to_millis(Utc::now());
    let workdir = std::path::absolute(&request.workdir)?;
    let compute = settings.open_device(&workdir)?;
    let device = compute.device();

    let mut now_ms = request.date.map(midnight);
    let mut exchange = open_exchange(&settings, request, now_ms)?;
    let market_now = exchange
        .as_ref()
        .map_or_else(|| now_ms.unwrap_or_else(|| stored_now(&workdir, settings.market.timeframe)), Exchange::now_ms);
    let date = request.date.unwrap_or_else(|| time_of_ms(market_now).date_naive());

    // The dated folder is the first thing that a run makes.
    let remote = Remote::open(&settings.sync, &workdir, &Credentials::from_environment())?;
    remote.create_dated_folder(date).await?;
    let log = logs::init(&workdir, &settings.logs.level, started)?;
    tracing::info!(%date, device = %device, log = %log.display(), remote = remote.address(), "waking up");

    let ui = Ui::new(request.json);
    let returned = copies::bring_back(&settings, &workdir, &remote, date).await?;
    copies::tell(&returned, &ui);
    let brain = Brain::open(&settings.brain.url, &workdir, settings.brain.connections).await?;
    let lock = lock(&brain, date, request.resume, &ui).await?;
    let simulated =
        exchange.as_ref().map_or_else(|| store::holds_simulated(&workdir.join("data/candles")), Exchange::simulated);
    let mut fresh = RunRow::new(uuid::Uuid::new_v4().to_string(), date);
    fresh.settings_digest = settings.digest();
    fresh.started = started;
    fresh.simulated = simulated;
    fresh.device = device.to_string();
    fresh.account_currency = settings.risk.account_currency.clone();
    let fresh_id = fresh.run_id.clone();
    let run = match begin_or_resume(&brain, request.resume, fresh, &ui).await {
        Ok(Begun::Run(run)) => run,
        Ok(Begun::Complete(answer)) => {
            lock.release().await?;
            return Ok(Woken::Complete(answer));
        }
        Err(failure) => {
            lock.release().await?;
            return Err(failure);
        }
    };
    // A resumed run stands at the same moment of the market as before it was cut off.
    if let Some(left) = brain.step_left(&run.run_id, STEP).await? {
        now_ms = left["now_ms"].as_i64();
        exchange = open_exchange(&settings, request, now_ms)?;
    }
    logs::set_simulated(simulated);
    let journal = Journal::open(&workdir.join("data/journal.db")).await?;
    stop.listen()?;
    let notifier = Notifier::start(&settings.notify, Access::from_environment().as_ref());
    let board = Board::new(
        workdir.clone(),
        ui.clone(),
        Vitals {
            status: SystemStatus {
                timestamp: started,
                run_id: run.run_id.clone(),
                state: "running".to_owned(),
                step: STEP.to_owned(),
                done: None,
                total: None,
                device: device.to_string(),
                simulated,
            },
            started: run.started,
            finished: None,
            approved: 0,
            rejected: 0,
            failures: 0,
            data_gaps: 0,
            checks: Vec::new(),
            last_success: brain.last_success().await?,
            seconds: Vec::new(),
            resident_bytes: None,
            peak_bytes: None,
        },
    );
    let resumed = run.run_id != fresh_id;
    let mut day = Day {
        run: RunIdentity {
            now_ms: now_ms.unwrap_or(market_now),
            settings,
            workdir,
            date,
            row: run,
            simulated,
            resumed,
        },
        services: Services {
            compute: Arc::new(compute),
            brain,
            journal,
            exchange: exchange.map(Arc::new),
            remote,
            lock,
            ui,
            notifier,
            stop: stop.clone(),
        },
        tasks: BackgroundTasks::default(),
        step: STEP.to_owned(),
        failures: Vec::new(),
        events: Vec::new(),
        events_stored: 0,
        verdicts: (0, 0),
        panel_digest: String::new(),
        data_gaps: 0,
        board,
    };
    day.tasks.watch = Some(Watch::start(&day.run, &day.services, &day.board).await);
    // What came from there need not go up again.
    Uploads::of(&day.run, &day.services).note_all(returned.known.into_iter()).await?;
    let (kind, done) = if resumed { ("run_resumed", "goes on") } else { ("run_started", "started") };
    day.event("info", kind, format!("the run of {date} {done} on {device}"));
    if day.run.simulated {
        day.services.ui.say("SIMULATED MARKET: these prices are invented (market.exchange.kind chooses a real one)");
    }
    if day.services.compute.device() != Device::Cpu {
        day.services.ui.say(&format!(
            "{}: {KERNELS}; all else computes on the CPU, with the same bits",
            day.services.compute.device()
        ));
    }
    let ready = tools(&mut day).await;
    match ready {
        Ok(()) => Ok(Woken::Day(Box::new(day))),
        Err(failure) => match day.close(Err(failure)).await {
            Err(failure) => Err(failure),
            Ok(answer) => Ok(Woken::Complete(answer)),
        },
    }
}

/// Step 2: settings written down, the market asked for, the first message sent.
async fn tools(day: &mut Day) -> Result<(), Failure> {
    let step = day.begin(STEP, None).await?;
    let mut effective = serde_json::to_value(&day.run.settings)?;
    effective["brain"]["url"] = day.run.settings.brain_url_redacted().into();
    let path = day.run.workdir.join("config/effective_settings.json");
    files::write_atomic(&path, format!("{effective:#}\n").as_bytes())?;
    day.services.notifier.tell(&Milestone::Started {
        date: day.run.date,
        device: day.services.compute.device().to_string(),
        simulated: day.run.simulated,
    });
    let left = json!({ "now_ms": day.run.now_ms });
    day.end(step, left).await
}

/// Takes the run lock.
///
/// A run that goes on with another one's work is `patient`: that one may have been cut off on another machine without
/// giving its lock back. Its heartbeat then stands still, and is waited out; one that beats is a run at work.
async fn lock(brain: &Brain, date: NaiveDate, patient: bool, ui: &Ui) -> Result<RunLock, Failure> {
    const PAUSE: Duration = Duration::from_secs(3);
    let mut silent_s = None;
    loop {
        match brain.lock(&format!("run of {date}")).await {
            Ok(lock) => return Ok(lock),
            Err(BrainError::Locked { seconds_ago, timeout_s, owner })
                if patient && silent_s.is_none_or(|before| seconds_ago >= before) =>
            {
                if silent_s.is_none() {
                    ui.say(&format!("the lock is held by the {owner}; waiting up to {timeout_s} s for a sign of life"));
                }
                silent_s = Some(seconds_ago);
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(Failure::new(Code::Failed, error)),
        }
    }
}

enum Begun {
    Run(RunRow),
    Complete(Answer),
}

/// Begins `fresh`, or takes up the unfinished run of its day.
async fn begin_or_resume(brain: &Brain, resume: bool, fresh: RunRow, ui: &Ui) -> Result<Begun, Failure> {
    let date = fresh.date;
    let latest = brain.latest_run(Some(date)).await?;
    if let (true, Some(latest)) = (resume, &latest) {
        if !latest.status.is_unfinished() {
            if let Some(json) = brain.step_left(&latest.run_id, ANSWER).await? {
                ui.say(&format!("the run of {date} is complete; nothing is left to resume"));
                let partial = json["failed"].as_array().is_some_and(|failed| !failed.is_empty());
                return Ok(Begun::Complete(Answer { code: if partial { Code::Partial as u8 } else { 0 }, json }));
            }
        } else if latest.settings_digest != fresh.settings_digest {
            let message = format!(
                "the unfinished run of {date} was begun with other settings; give the same ones, or start anew without --resume"
            );
            return Err(Failure::new(Code::Usage, message));
        } else {
            let step = latest.step.as_deref().unwrap_or(STEP);
            ui.say(&format!("going on with the run of {date} that stopped in step {step}"));
            return Ok(Begun::Run(brain.resume_run(&latest.run_id).await?));
        }
    }
    if latest.is_some_and(|run| run.status.is_unfinished()) {
        ui.say(&format!("an unfinished run of {date} is left as it is; --resume would go on with it"));
    }
    brain.begin_run(&fresh).await?;
    Ok(Begun::Run(fresh))
}

fn open_exchange(settings: &Settings, request: &Request, now_ms: Option<i64>) -> Result<Option<Exchange>, Failure> {
    if request.stored_only {
        return Ok(None);
    }
    Exchange::open(settings, now_ms).or_exit(Code::BadData).map(Some)
}

/// The end of the newest stored bar; the last midnight where nothing is stored.
fn stored_now(workdir: &Path, timeframe: Timeframe) -> i64 {
    let files = read_folder(&workdir.join("data/candles"), Some(timeframe)).map(|(_, files)| files).unwrap_or_default();
    let newest = files.iter().filter_map(|(_, read)| read.as_ref().ok()?.timestamp.last()).max();
    newest.map_or_else(|| midnight(Utc::now().date_naive()), |open| open + timeframe.ms())
}

fn midnight(date: NaiveDate) -> i64 {
    date.and_time(NaiveTime::MIN).and_utc().timestamp_millis()
}
