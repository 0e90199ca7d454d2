//! A run every day, each in a process of its own: whatever one run does, the next one starts clean.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus};
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use croner::Cron;
use tokio::signal::unix::{Signal, SignalKind, signal};

use huracan::commands::{self, Due};
use huracan::exit::{Code, Failure, OrExit};
use huracan::settings::{Purpose, Settings};
use huracan::{secret, ui};

use super::Cli;
use super::between::Between;

/// Pause between two looks at the clock: a machine that slept wakes up late, and its clock may be set.
const TICK: Duration = Duration::from_secs(20);
/// Pause after which a brain that could not be asked is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(300);
/// Pause between two looks at a run at work.
const LOOK: Duration = Duration::from_millis(100);

/// Waits for each start and makes a run, until a signal ends it.
pub async fn schedule(cli: &Cli) -> Result<u8, Failure> {
    let settings = cli.settings(Purpose::Training)?;
    let (hour, minute) = settings.schedule.at_utc.split_once(':').unwrap_or(("2", "0"));
    let cron = Cron::from_str(&format!("{minute} {hour} * * *")).or_exit(Code::Usage)?;
    let mut signals = Signals::listen()?;
    // Whatever comes of it, a start is caught up once, and a run that was cut off gone on with once.
    let mut done: Option<(DateTime<Utc>, Due)> = None;
    let mut next = cron.find_next_occurrence(&Utc::now(), false)?;
    loop {
        let last = cron.find_previous_occurrence(&Utc::now(), true)?;
        let asked = due(cli, &settings, last).await;
        let due = asked.flatten().filter(|due| done != Some((last, *due)));
        done = due.map(|due| (last, due)).or(done);
        let more = match due {
            Some(Due::Missed) => {
                ui::print_line(&format!("the start at {} was missed: catching up", text(last)));
                Vec::new()
            }
            Some(Due::Unfinished(date)) => {
                ui::print_line(&format!("the run of {date} was cut off: going on with it"));
                vec!["--resume".into(), "--date".into(), date.to_string().into()]
            }
            None => {
                ui::print_line(&format!("next run: {}", text(next)));
                // What the brain could not say it is asked again.
                let until = if asked.is_some() { next } else { next.min(Utc::now() + ASK_AGAIN) };
                let between = Between::serve(&settings, &cli.common.workdir, next).await;
                let come = signals.come_before(until).await;
                between.end().await;
                if come {
                    return Ok(Code::Interrupted as u8);
                }
                if Utc::now() < next {
                    continue;
                }
                Vec::new()
            }
        };
        if run(cli, more, &mut signals).await? == Ended::Interrupted {
            return Ok(Code::Interrupted as u8);
        }
        // A run that took more than a day has missed starts, which the next round finds.
        next = cron.find_next_occurrence(&Utc::now(), false)?;
    }
}

/// What is due; none where the brain cannot be asked: a schedule outlives a database.
async fn due(cli: &Cli, settings: &Settings, last: DateTime<Utc>) -> Option<Option<Due>> {
    match commands::due(settings, &cli.common.workdir, last).await {
        Ok(due) => Some(due),
        Err(failure) => {
            let why = secret::redact(failure.error.to_string());
            ui::print_line(&format!("whether a start was missed is not known: {why}"));
            None
        }
    }
}

#[derive(PartialEq, Eq)]
enum Ended {
    Alone,
    Interrupted,
}

/// One run; a signal is handed on to it, and waited for until it has saved its state.
async fn run(cli: &Cli, more: Vec<OsString>, signals: &mut Signals) -> Result<Ended, Failure> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.arg("run").args(more).args(cli.common.arguments());
    // In a group of its own the run hears of a signal once, from here: asked twice, it would leave at once.
    let mut child = command.process_group(0).spawn()?;
    let mut interrupted = false;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if signals.come_within(LOOK).await {
            interrupted = true;
            hand_on(&child);
        }
    };
    if interrupted || status.code() == Some(Code::Interrupted as i32) {
        return Ok(Ended::Interrupted);
    }
    told(status);
    Ok(Ended::Alone)
}

fn told(status: ExitStatus) {
    if !status.success() {
        ui::print_line(&format!("the run ended with {status}"));
    }
}

fn hand_on(child: &Child) {
    if let Ok(pid) = libc::pid_t::try_from(child.id()) {
        // SAFETY: only sends a signal. The child is not yet waited for, so that the number is still its own.
        unsafe { libc::kill(pid, libc::SIGTERM) };
    }
}

fn text(at: DateTime<Utc>) -> String {
    commands::time_text(at.timestamp_millis())
}

/// Ctrl-C and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn come(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    async fn come_within(&mut self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.come()).await.is_ok()
    }

    /// Whether one comes before the clock says `at`.
    async fn come_before(&mut self, at: DateTime<Utc>) -> bool {
        while let Ok(left) = (at - Utc::now()).to_std() {
            if self.come_within(left.min(TICK)).await {
                return true;
            }
        }
        false
    }
}
