//! A run every day, each in a process of its own, so that no run affects the next one.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, Utc};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::commands::{self, Due};
use crate::exit::{Code, CommandFailure};
use crate::settings::{Purpose, Settings};
use crate::{secret, ui};

use super::Cli;
use super::between::IdleMetrics;

/// Longest sleep before the clock is read again: the machine may have been suspended, or its clock set.
const TICK: Duration = Duration::from_secs(20);
/// Pause before a brain that could not be read is tried again.
const BRAIN_RETRY: Duration = Duration::from_secs(300);
/// Pause between two checks whether the run's process has ended.
const POLL: Duration = Duration::from_millis(100);

/// Starts a run at each start time, until a signal ends the schedule.
pub async fn schedule(cli: &Cli) -> Result<u8, CommandFailure> {
    let settings = cli.settings(Purpose::Training)?;
    let at = start_time(&settings.schedule.at_utc)?;
    let mut signals = Signals::listen()?;
    // A missed start is caught up once and an interrupted run resumed once, whatever the result.
    let mut handled: Option<(DateTime<Utc>, Due)> = None;
    let mut next = next_start(Utc::now(), at);
    loop {
        let last = last_start(Utc::now(), at);
        let found = due(cli, &settings, last).await;
        let due = found.flatten().filter(|due| handled != Some((last, *due)));
        handled = due.map(|due| (last, due)).or(handled);
        let arguments = match due {
            Some(Due::Missed) => {
                ui::print_line(&format!("the start at {} was missed: catching up", text(last)));
                Vec::new()
            }
            Some(Due::Unfinished(date)) => {
                ui::print_line(&format!("the run of {date} was cut off: resuming it"));
                vec!["--resume".into(), "--date".into(), date.to_string().into()]
            }
            None => {
                ui::print_line(&format!("next run: {}", text(next)));
                let until = if found.is_some() { next } else { next.min(Utc::now() + BRAIN_RETRY) };
                let metrics = IdleMetrics::serve(&settings, &cli.common.workdir, next).await;
                let interrupted = signals.received_before(until).await;
                metrics.end().await;
                if interrupted {
                    return Ok(Code::Interrupted as u8);
                }
                if Utc::now() < next {
                    continue;
                }
                Vec::new()
            }
        };
        if run(cli, arguments, &mut signals).await? == Ended::Interrupted {
            return Ok(Code::Interrupted as u8);
        }
        // If the run took longer than a day, the next round finds the starts that it missed.
        next = next_start(Utc::now(), at);
    }
}

/// The time of day in `HH:MM`.
fn start_time(at_utc: &str) -> Result<NaiveTime, CommandFailure> {
    let parts = at_utc.split_once(':').and_then(|(hour, minute)| Some((hour.parse().ok()?, minute.parse().ok()?)));
    let time = parts.and_then(|(hour, minute)| NaiveTime::from_hms_opt(hour, minute, 0));
    time.ok_or_else(|| {
        CommandFailure::new(Code::Usage, format!("schedule.at_utc is '{at_utc}'; give a time of day as \"HH:MM\""))
    })
}

/// The newest start at or before `now`.
fn last_start(now: DateTime<Utc>, at: NaiveTime) -> DateTime<Utc> {
    let today = now.date_naive().and_time(at).and_utc();
    if today <= now { today } else { today - Days::new(1) }
}

/// The first start after `now`.
fn next_start(now: DateTime<Utc>, at: NaiveTime) -> DateTime<Utc> {
    last_start(now, at) + Days::new(1)
}

/// What is due before the next start. None if the brain cannot be read: the schedule continues without its database.
async fn due(cli: &Cli, settings: &Settings, last: DateTime<Utc>) -> Option<Option<Due>> {
    match commands::due(settings, &cli.common.workdir, last).await {
        Ok(due) => Some(due),
        Err(failure) => {
            let why = secret::redact(failure.error.to_string());
            ui::print_line(&format!("cannot check whether a start was missed: {why}"));
            None
        }
    }
}

#[derive(PartialEq, Eq)]
enum Ended {
    /// The run ended without a signal.
    ByItself,
    Interrupted,
}

/// Does one run. A signal is forwarded to it, and the run gets the time to save its state.
async fn run(cli: &Cli, arguments: Vec<OsString>, signals: &mut Signals) -> Result<Ended, CommandFailure> {
    let mut command = crate::program::command()?;
    command.arg("run").args(arguments).args(cli.common.arguments());
    // In its own process group the run receives each signal only from here. A second one would end it at once.
    let mut child = command.process_group(0).spawn()?;
    let mut interrupted = false;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if signals.received_within(POLL).await {
            interrupted = true;
            terminate(&child);
        }
    };
    if interrupted || status.code() == Some(Code::Interrupted as i32) {
        return Ok(Ended::Interrupted);
    }
    report_failure(status);
    Ok(Ended::ByItself)
}

fn report_failure(status: ExitStatus) {
    if !status.success() {
        ui::print_line(&format!("the run ended with {status}"));
    }
}

/// Sends SIGTERM to the run.
fn terminate(child: &Child) {
    if let Ok(pid) = libc::pid_t::try_from(child.id()) {
        // SAFETY: only sends a signal. The child has not been waited for yet, so its process id cannot have been reused.
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

    /// Waits for one of them.
    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    async fn received_within(&mut self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.received()).await.is_ok()
    }

    /// Whether one arrives before the time `at`.
    async fn received_before(&mut self, at: DateTime<Utc>) -> bool {
        while let Ok(left) = (at - Utc::now()).to_std() {
            if self.received_within(left.min(TICK)).await {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn starts(now: &str, at: &str, last: &str, next: &str) {
        let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let at = start_time(at).unwrap();
        assert_eq!((last_start(time(now), at), next_start(time(now), at)), (time(last), time(next)), "{now}");
    }

    #[test]
    fn the_next_start_is_today_or_tomorrow() {
        starts("2025-11-08T01:59:59.999Z", "02:00", "2025-11-07T02:00:00Z", "2025-11-08T02:00:00Z");
        // A start is the last one from its own moment on, and never the next one at that moment.
        starts("2025-11-08T02:00:00Z", "02:00", "2025-11-08T02:00:00Z", "2025-11-09T02:00:00Z");
        starts("2025-11-08T02:00:00.5Z", "02:00", "2025-11-08T02:00:00Z", "2025-11-09T02:00:00Z");
        starts("2025-11-08T23:59:00Z", "00:00", "2025-11-08T00:00:00Z", "2025-11-09T00:00:00Z");
        starts("2025-11-08T00:00:00Z", "23:59", "2025-11-07T23:59:00Z", "2025-11-08T23:59:00Z");
    }

    #[test]
    fn starts_cross_the_ends_of_months_and_years() {
        starts("2025-11-30T12:00:00Z", "02:30", "2025-11-30T02:30:00Z", "2025-12-01T02:30:00Z");
        starts("2025-12-31T03:00:00Z", "02:30", "2025-12-31T02:30:00Z", "2026-01-01T02:30:00Z");
        starts("2026-01-01T00:10:00Z", "02:30", "2025-12-31T02:30:00Z", "2026-01-01T02:30:00Z");
    }

    #[test]
    fn a_leap_year_has_a_start_on_its_leap_day() {
        starts("2028-02-28T12:00:00Z", "02:00", "2028-02-28T02:00:00Z", "2028-02-29T02:00:00Z");
        starts("2028-02-29T12:00:00Z", "02:00", "2028-02-29T02:00:00Z", "2028-03-01T02:00:00Z");
        starts("2027-02-28T12:00:00Z", "02:00", "2027-02-28T02:00:00Z", "2027-03-01T02:00:00Z");
    }

    #[test]
    fn a_start_time_is_a_time_of_day() {
        assert_eq!(start_time("2:05").unwrap(), NaiveTime::from_hms_opt(2, 5, 0).unwrap());
        for wrong in ["24:00", "02:60", "0200", "x:y", ""] {
            let failure = start_time(wrong).unwrap_err();
            assert!(failure.code == Code::Usage && failure.error.to_string().contains("HH:MM"), "{wrong}");
        }
    }
}
