//! Being made to stop: Ctrl-C and SIGTERM are noted at once, obeyed between pieces of work, and end the run within
//! [`LEAVE`]; the kill switch ends it within a second, whatever it is doing.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::exit::{Code, Failure};
use crate::kill;

/// The kill switch is looked at so often.
const LOOK: Duration = Duration::from_millis(100);

/// After a kill a run has so long to save its state. Any step can be cut off at any instruction, so that work that
/// cannot be interrupted is.
const GRACE: Duration = Duration::from_millis(700);

/// After a signal, the work at hand has so long to come to its end; then a step that waits for others is dropped.
const WORK: Duration = Duration::from_secs(6);
/// Until then after a signal, what matters is brought to the remote.
const UPLOAD: Duration = Duration::from_secs(14);
/// Until then the run has noted in the brain how it ended; whoever takes a machine away kills after some 20 s.
const LEAVE: Duration = Duration::from_secs(18);

/// Whether somebody wants this run to stop.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    /// When the first signal came.
    interrupted: OnceLock<Instant>,
    /// What the kill switch said. It stays: what was decided in doubt shall not be saved.
    killed: OnceLock<String>,
    /// Wakes those who wait for either.
    told: Notify,
}

impl Stop {
    /// Watches the kill switch of `workdir` from a thread of its own, until the last copy of this is dropped.
    ///
    /// A process that is still there [`GRACE`] after the switch was seen is ended with exit code 5.
    pub fn watching(workdir: PathBuf) -> Self {
        let stop = Self::default();
        let asked = Arc::downgrade(&stop.0);
        thread::spawn(move || watch(&asked, &workdir));
        stop
    }

    /// Listens for SIGINT and SIGTERM on the current runtime.
    ///
    /// # Errors
    /// Signals that cannot be listened to.
    pub fn listen(&self) -> std::io::Result<()> {
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let mut signals = signal(kind)?;
            let asked = Arc::downgrade(&self.0);
            tokio::spawn(async move {
                if signals.recv().await.is_some() {
                    if let Some(asked) = asked.upgrade() {
                        let _ = asked.interrupted.set(Instant::now());
                        asked.told.notify_waiters();
                    }
                    crate::ui::print_line("stopping after the work at hand; run again with --resume to go on");
                }
                // Asked twice, nobody wants to wait.
                if signals.recv().await.is_some() {
                    std::process::exit(Code::Interrupted as i32);
                }
            });
        }
        Ok(())
    }

    /// Whether to begin nothing more; cheap enough to ask between trees.
    pub fn is_asked(&self) -> bool {
        self.0.interrupted.get().is_some() || self.0.killed.get().is_some()
    }

    /// What the kill switch said, once it has been seen.
    pub fn why_killed(&self) -> Option<String> {
        self.0.killed.get().cloned()
    }

    /// Waits for the kill switch.
    pub async fn killed(&self) -> Failure {
        loop {
            let told = self.0.told.notified();
            if let Some(why) = self.0.killed.get() {
                return killed(why);
            }
            told.await;
        }
    }

    /// Waits until a signal came and the work at hand did not end by itself.
    pub async fn overdue(&self) -> Failure {
        loop {
            let told = self.0.told.notified();
            if let Some(since) = self.0.interrupted.get() {
                tokio::time::sleep_until((*since + WORK).into()).await;
                return interrupted();
            }
            told.await;
        }
    }

    /// Until when a run that was asked to stop may upload.
    pub fn upload_until(&self) -> Instant {
        self.0.interrupted.get().copied().unwrap_or_else(Instant::now) + UPLOAD
    }

    /// # Errors
    /// Exit code 5 once the kill switch has been seen, 130 where a stop was asked for.
    pub fn check(&self) -> Result<(), Failure> {
        if let Some(why) = self.0.killed.get() {
            return Err(killed(why));
        }
        if self.is_asked() {
            return Err(interrupted());
        }
        Ok(())
    }
}

fn killed(why: &str) -> Failure {
    Failure::new(Code::Killed, why)
}

fn interrupted() -> Failure {
    Failure::new(Code::Interrupted, "interrupted; the state is saved, and --resume goes on")
}

fn watch(asked: &Weak<Asked>, workdir: &std::path::Path) {
    while let Some(asked) = asked.upgrade() {
        if let Some(killed) = kill::status(workdir) {
            let _ = asked.killed.set(format!("the kill switch is {killed}"));
            asked.told.notify_waiters();
            break;
        }
        if asked.interrupted.get().is_some_and(|since| since.elapsed() > LEAVE) {
            eprintln!("huracan: interrupted; the work at hand was cut off, and --resume goes on");
            std::process::exit(Code::Interrupted as i32);
        }
        drop(asked);
        thread::sleep(LOOK);
    }
    thread::sleep(GRACE);
    if let Some(why) = asked.upgrade().and_then(|asked| asked.killed.get().cloned()) {
        tracing::error!("the run was cut off: {why}");
        eprintln!("huracan: {why}; the work at hand was cut off, and --resume goes on after kill off");
        std::process::exit(Code::Killed as i32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_step_that_waits_is_dropped_some_seconds_after_the_signal_and_the_upload_ends_before_the_run() {
        let stop = Stop::default();
        let early = tokio::time::timeout(LOOK, stop.overdue()).await;
        assert!(early.is_err(), "nobody asked");
        stop.0.interrupted.set(Instant::now()).unwrap();
        assert!(
            stop.is_asked() && tokio::time::timeout(LOOK, stop.overdue()).await.is_err(),
            "work may come to its end"
        );
        let before = Stop::default();
        before.0.interrupted.set(Instant::now() - WORK).unwrap();
        let failure = tokio::time::timeout(LOOK, before.overdue()).await.unwrap();
        assert_eq!(failure.code, Code::Interrupted);
        assert!(before.upload_until() <= Instant::now() + (UPLOAD - WORK));
        assert!(WORK < UPLOAD && UPLOAD < LEAVE && LEAVE < Duration::from_secs(20));
    }

    #[tokio::test]
    async fn the_kill_switch_is_seen_in_time_and_stays_seen() {
        let workdir = tempfile::tempdir().unwrap();
        let stop = Stop::watching(workdir.path().to_owned());
        assert!(stop.check().is_ok() && !stop.is_asked());
        let begun = Instant::now();
        kill::on(workdir.path(), "wild prices").unwrap();
        let failure = stop.killed().await;
        // With room for a busy machine.
        assert!(begun.elapsed() < LOOK * 4, "{:?}", begun.elapsed());
        assert_eq!(failure.code, Code::Killed);
        kill::off(workdir.path()).unwrap();
        assert!(stop.is_asked() && stop.why_killed().unwrap().contains("wild prices"));
        assert_eq!(stop.check().unwrap_err().code, Code::Killed);
        // Dropped here, before the grace is over: else this test would end with exit code 5.
    }
}
