//! Long work beside the interpreter: on threads of its own, stopped by Ctrl-C, with progress.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use rayon::ThreadPoolBuilder;

use crate::errors::HuracanError;

/// How often signals are looked for and progress is told.
const POLL: Duration = Duration::from_millis(50);
/// How long work that was told to stop is waited for. After it the work goes on unseen, and its result is dropped.
const PATIENCE: Duration = Duration::from_millis(500);

/// What work tells while it runs, and how it learns that it should stop.
#[derive(Debug, Default)]
pub struct Signs {
    stopped: AtomicBool,
    done: AtomicUsize,
}

impl Signs {
    /// Whether the result is still wanted.
    pub fn keep_going(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
    }

    /// Counts one piece of work as done.
    pub fn advance(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// The process that loaded the module.
static PROCESS: AtomicU32 = AtomicU32::new(0);
/// Notes which process has loaded the module.
pub fn note_process() {
    PROCESS.store(std::process::id(), Ordering::Relaxed);
}

/// Fails in a child that was forked from the process that loaded the module: the threads of the libraries that read files and
/// tables exist only there, and the child would wait for them forever.
pub fn refuse_after_fork(what: &str) -> PyResult<()> {
    if PROCESS.load(Ordering::Relaxed) == std::process::id() {
        return Ok(());
    }
    Err(HuracanError::new_err(format!(
        "{what} cannot run in a process that was forked after huracan had been imported; start it with \
         multiprocessing.get_context(\"spawn\"), or import huracan in the child alone (fit and predict do run there)"
    )))
}

/// Does `work` on `threads` threads (0: every core) while other Python threads run, and returns its result.
///
/// `progress` is called on this thread with the number of pieces done and `total`, a few times a second; an exception that it
/// raises stops the work, as Ctrl-C does.
pub fn run<T: Send + 'static>(
    py: Python<'_>,
    threads: usize,
    progress: Option<&Bound<'_, PyAny>>,
    total: usize,
    work: impl FnOnce(&Signs) -> PyResult<T> + Send + 'static,
) -> PyResult<T> {
    // Threads of this call alone: it waits for no other one, not even for one that was interrupted and goes on unseen, and a
    // forked child, which has no threads of its parent, needs none of them.
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|at| format!("huracan-{at}")).build();
    let pool = pool.map_err(|error| HuracanError::new_err(error.to_string()))?;
    let signs = Arc::new(Signs::default());
    let (answer, result) = channel();
    let result = Mutex::new(result);
    let own = Arc::clone(&signs);
    pool.spawn(move || {
        let done = catch_unwind(AssertUnwindSafe(|| work(&own)));
        // Nobody listens after an interruption.
        let _ = answer.send(done);
    });
    let mut told = 0;
    loop {
        let waited = py.detach(|| wait(&result, POLL));
        let answer = match waited {
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(HuracanError::new_err("the work ended without a result"))),
            Ok(Err(panic)) => {
                Some(Err(HuracanError::new_err(format!("this is a bug in huracan: {}", text_of(&*panic)))))
            }
            Ok(Ok(result)) => Some(result),
        };
        let done = signs.done.load(Ordering::Relaxed);
        let tell = match progress {
            Some(progress) if done != told && !matches!(answer, Some(Err(_))) => {
                told = done;
                progress.call1((done, total)).map(drop)
            }
            _ => Ok(()),
        };
        if let Some(answer) = answer {
            tell?;
            return answer;
        }
        if let Err(interruption) = tell.and_then(|()| py.check_signals()) {
            signs.stopped.store(true, Ordering::Relaxed);
            let _ = py.detach(|| wait(&result, PATIENCE));
            return Err(interruption);
        }
    }
}

fn wait<T>(result: &Mutex<Receiver<T>>, time: Duration) -> Result<T, RecvTimeoutError> {
    result.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(time)
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown")
}
