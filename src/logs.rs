//! Logs: one JSON object a line in `logs/`, and terse warnings on standard error.
//!
//! | file | holds |
//! | --- | --- |
//! | `logs/engine_monitoring_{yyyymmdd_hhmmss}.log` | everything of one run |
//! | `logs/training.log` | events of target [`TRAINING`] and of the rooms that train, of all runs |
//! | `logs/error.log` | warnings and errors, of all runs |

mod layer;
mod sink;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::files::WriteError;
use layer::{JsonLayer, PersonLayer};
use sink::Sink;

/// Target of events that tell how training goes: `tracing::info!(target: logs::TRAINING, …)`.
pub const TRAINING: &str = "training";

/// Whether every line is marked: nobody may take an invented market for a real one.
static SIMULATED: AtomicBool = AtomicBool::new(false);

/// Marks every further line of this process with `"simulated": true`.
pub fn set_simulated(simulated: bool) {
    SIMULATED.store(simulated, Ordering::Relaxed);
}

fn is_simulated() -> bool {
    SIMULATED.load(Ordering::Relaxed)
}

/// Logs that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    #[error(transparent)]
    File(#[from] WriteError),
    #[error("logs.level: '{0}' is no level; choose one of error, warn, info, debug, trace")]
    Level(String),
    #[error("logs are set up already in this process; set them up once, at the start")]
    AlreadyOn,
}

/// Starts logging for this process: files below `workdir/logs`, warnings and errors on standard error.
///
/// `level` is that of `logs.level`; libraries are heard from `warn` on at any level, because some of them log whole
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
    // At level error the libraries' warnings go, too.
    let libraries = if level == "error" { "error" } else { "warn" };
    let filter = EnvFilter::new(format!("{libraries},huracan={level},{TRAINING}={level}"));
    Ok((Box::new(json.and_then(PersonLayer).with_filter(filter)), path))
}

#[cfg(test)]
mod tests;
