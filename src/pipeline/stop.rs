//! Stops a run early. After Ctrl-C or SIGTERM it ends between pieces of work, at the latest after [`EXIT_LIMIT`]. The kill
//! switch ends it within a second, whatever it is doing.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::exit::{Code, CommandFailure};
use crate::kill;

/// Interval at which the kill switch is read.
const POLL: Duration = Duration::from_millis(100);

/// Time to save the state after a kill. Then the process ends: a step can be cut off at any instruction.
const GRACE: Duration = Duration::from_millis(700);

/// Time after a signal for the current piece of work. Then a step that waits for something is dropped.
const WORK_LIMIT: Duration = Duration::from_secs(6);
/// Time after a signal until which files are uploaded.
const UPLOAD_LIMIT: Duration = Duration::from_secs(14);
/// Time after a signal by which the run must have stored its end in the brain. Cloud providers kill a process after about
/// 20 s.
const EXIT_LIMIT: Duration = Duration::from_secs(18);

/// Whether this run has to stop. Clones share the state.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// When the first signal arrived.
    interrupted: OnceLock<Instant>,
    /// Reason of the kill switch, once it was on. It stays even if the switch is turned off again.
    killed: OnceLock<String>,
    /// Notified when either changes.
    changed: Notify,
}

impl Stop {
    /// Watches the kill switch of `workdir` from a thread of its own, until the last clone is dropped.
    ///
    /// If the process is still running [`GRACE`] after the switch was seen, it is ended with exit code 5.
    pub fn watching(workdir: PathBuf) -> Self {
        let stop = Self::default();
        let state = Arc::downgrade(&stop.0);
        thread::spawn(move || watch(&state, &workdir));
        stop
    }

    /// Listens for SIGINT and SIGTERM on the current runtime.
    ///
    /// # Errors
    /// Signal handlers that cannot be installed.
    pub fn listen(&self) -> std::io::Result<()> {
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let mut signals = signal(kind)?;
            let state = Arc::downgrade(&self.0);
            tokio::spawn(async move {
                if signals.recv().await.is_some() {
                    if let Some(state) = state.upgrade() {
                        let _ = state.interrupted.set(Instant::now());
                        state.changed.notify_waiters();
                    }
                    crate::ui::print_line(
                        "stopping after the current piece of work; run again with --resume to continue",
                    );
                }
                // A second signal ends the process at once.
                if signals.recv().await.is_some() {
                    std::process::exit(Code::Interrupted as i32);
                }
            });
        }
        Ok(())
    }

    /// Whether to start no further work. Cheap enough to check between trees.
    pub fn is_requested(&self) -> bool {
        self.0.interrupted.get().is_some() || self.0.killed.get().is_some()
    }

    /// The reason of the kill switch, once it was on.
    pub fn why_killed(&self) -> Option<String> {
        self.0.killed.get().cloned()
    }

    /// Waits for the kill switch.
    pub async fn killed(&self) -> CommandFailure {
        loop {
            let changed = self.0.changed.notified();
            if let Some(why) = self.0.killed.get() {
                return killed(why);
            }
            changed.await;
        }
    }

    /// Waits for a signal, and then until the time for the current piece of work is over.
    pub async fn overdue(&self) -> CommandFailure {
        loop {
            let changed = self.0.changed.notified();
            if let Some(since) = self.0.interrupted.get() {
                tokio::time::sleep_until((*since + WORK_LIMIT).into()).await;
                return interrupted();
            }
            changed.await;
        }
    }

    /// The time until which an interrupted run may upload.
    pub fn upload_until(&self) -> Instant {
        self.0.interrupted.get().copied().unwrap_or_else(Instant::now) + UPLOAD_LIMIT
    }

    /// # Errors
    /// Exit code 5 once the kill switch was on, 130 after a signal.
    pub fn check(&self) -> Result<(), CommandFailure> {
        if let Some(why) = self.0.killed.get() {
            return Err(killed(why));
        }
        if self.is_requested() {
            return Err(interrupted());
        }
        Ok(())
    }
}

fn killed(why: &str) -> CommandFailure {
    CommandFailure::new(Code::Killed, why)
}

fn interrupted() -> CommandFailure {
    CommandFailure::new(Code::Interrupted, "interrupted; the state is saved, continue with --resume")
}

fn watch(state: &Weak<State>, workdir: &std::path::Path) {
    while let Some(state) = state.upgrade() {
        if let Some(killed) = kill::status(workdir) {
            let _ = state.killed.set(format!("the kill switch is {killed}"));
            state.changed.notify_waiters();
            break;
        }
        if state.interrupted.get().is_some_and(|since| since.elapsed() > EXIT_LIMIT) {
            eprintln!("huracan: interrupted; the current work was cut off, continue with --resume");
            std::process::exit(Code::Interrupted as i32);
        }
        drop(state);
        thread::sleep(POLL);
    }
    thread::sleep(GRACE);
    if let Some(why) = state.upgrade().and_then(|state| state.killed.get().cloned()) {
        tracing::error!("the run was cut off: {why}");
        eprintln!("huracan: {why}; the current work was cut off, continue with --resume after huracan kill off");
        std::process::exit(Code::Killed as i32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_waiting_step_is_dropped_some_seconds_after_the_signal_and_the_upload_ends_before_the_run() {
        let stop = Stop::default();
        let early = tokio::time::timeout(POLL, stop.overdue()).await;
        assert!(early.is_err(), "there was no signal");
        stop.0.interrupted.set(Instant::now()).unwrap();
        assert!(
            stop.is_requested() && tokio::time::timeout(POLL, stop.overdue()).await.is_err(),
            "the current work has some time"
        );
        let before = Stop::default();
        before.0.interrupted.set(Instant::now() - WORK_LIMIT).unwrap();
        let failure = tokio::time::timeout(POLL, before.overdue()).await.unwrap();
        assert_eq!(failure.code, Code::Interrupted);
        assert!(before.upload_until() <= Instant::now() + (UPLOAD_LIMIT - WORK_LIMIT));
        assert!(WORK_LIMIT < UPLOAD_LIMIT && UPLOAD_LIMIT < EXIT_LIMIT && EXIT_LIMIT < Duration::from_secs(20));
    }

    #[tokio::test]
    async fn the_kill_switch_is_seen_in_time_and_stays_seen() {
        let workdir = tempfile::tempdir().unwrap();
        let stop = Stop::watching(workdir.path().to_owned());
        assert!(stop.check().is_ok() && !stop.is_requested());
        let begun = Instant::now();
        kill::on(workdir.path(), "wild prices").unwrap();
        let failure = stop.killed().await;
        // Several times the interval, for a busy machine.
        assert!(begun.elapsed() < POLL * 4, "{:?}", begun.elapsed());
        assert_eq!(failure.code, Code::Killed);
        kill::off(workdir.path()).unwrap();
        assert!(stop.is_requested() && stop.why_killed().unwrap().contains("wild prices"));
        assert_eq!(stop.check().unwrap_err().code, Code::Killed);
        // Dropped here, before GRACE is over: otherwise the test process would end with exit code 5.
    }
}
