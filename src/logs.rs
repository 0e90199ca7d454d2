//! Logs: one JSON object per line in `logs/`, and short warnings on standard error.
//!
//! | file | content |
//! | --- | --- |
//! | `logs/engine_monitoring_{yyyymmdd_hhmmss}.log` | all events of one run |
//! | `logs/training.log` | events of target [`TRAINING`] and of the modules that train, of all runs |
//! | `logs/error.log` | warnings and errors, of all runs |

mod layer;
mod sink;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::files::WriteError;
use layer::{JsonLayer, TerminalLayer};
use sink::Sink;

/// Target of events about the progress of training: `tracing::info!(target: logs::TRAINING, …)`.
pub const TRAINING: &str = "training";

/// Whether every line is marked as from a simulated market.
static SIMULATED: AtomicBool = AtomicBool::new(false);

/// Marks all further lines of this process with `"simulated": true`, or stops doing so.
pub fn set_simulated(simulated: bool) {
    SIMULATED.store(simulated, Ordering::Relaxed);
}

fn is_simulated() -> bool {
    SIMULATED.load(Ordering::Relaxed)
}

/// Why logging cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// A log file cannot be opened.
    #[error(transparent)]
    File(#[from] WriteError),
    /// The level is unknown.
    #[error("logs.level: '{0}' is not a level; choose one of error, warn, info, debug, trace")]
    Level(String),
    /// Logging is on already.
    #[error("logging is already on in this process; start it once")]
    AlreadyOn,
}

/// Starts logging for this process: files in `workdir/logs`, warnings and errors on standard error.
///
/// `level` is `logs.level`. Libraries are logged at `warn` and above only, whatever the level, because some of them log whole
/// requests below that. Returns the path of this run's own log.
///
/// # Errors
/// [`LogsError`]: a file that cannot be opened, an unknown level, or a second call.
pub fn init(workdir: &Path, level: &str, started: DateTime<Utc>) -> Result<PathBuf, LogsError> {
    let (layers, path) = layers(workdir, level, started)?;
    let subscriber = tracing_subscriber::registry().with(layers);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogsError::AlreadyOn)?;
    Ok(path)
}

type AnyLayer = Box<dyn Layer<tracing_subscriber::Registry> + Send + Sync>;

fn layers(workdir: &Path, level: &str, started: DateTime<Utc>) -> Result<(AnyLayer, PathBuf), LogsError> {
    if !["error", "warn", "info", "debug", "trace"].contains(&level) {
        return Err(LogsError::Level(level.to_owned()));
    }
    let folder = workdir.join("logs");
    let path = folder.join(format!("engine_monitoring_{}.log", started.format("%Y%m%d_%H%M%S")));
    let json = JsonLayer {
        all: Sink::append(&path)?,
        training: Sink::append(&folder.join("training.log"))?,
        errors: Sink::append(&folder.join("error.log"))?,
    };
    let libraries = if level == "error" { "error" } else { "warn" };
    let filter = EnvFilter::new(format!("{libraries},huracan={level},{TRAINING}={level}"));
    Ok((Box::new(json.and_then(TerminalLayer).with_filter(filter)), path))
}

#[cfg(test)]
mod tests;
