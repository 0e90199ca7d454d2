//! Being asked to stop: Ctrl-C and SIGTERM are noted at once and obeyed between pieces of work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{Code, Failure};

/// Whether somebody asked this process to stop.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens for SIGINT and SIGTERM on the current runtime.
    ///
    /// # Errors
    /// Signals that cannot be listened to.
    pub fn listen() -> std::io::Result<Self> {
        let stop = Self::default();
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let mut signals = signal(kind)?;
            let asked = stop.0.clone();
            tokio::spawn(async move {
                if signals.recv().await.is_some() {
                    asked.store(true, Ordering::Relaxed);
                    crate::ui::print_line("stopping after the work at hand; run again with --resume to go on");
                }
                // Asked twice, nobody wants to wait.
                if signals.recv().await.is_some() {
                    std::process::exit(Code::Interrupted as i32);
                }
            });
        }
        Ok(stop)
    }

    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// Exit code 130 where a stop was asked for.
    pub fn check(&self) -> Result<(), Failure> {
        if self.is_asked() {
            return Err(Failure::new(Code::Interrupted, "interrupted; the state is saved, and --resume goes on"));
        }
        Ok(())
    }
}
