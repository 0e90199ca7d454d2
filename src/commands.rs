//! The commands that take what they are given: no universe, no database, no remote.

pub mod audit;
pub mod backtest;
pub mod boost;
mod candles;
pub mod features;
pub mod folds;
pub mod labels;
mod signals;
pub mod sweep;
mod table;

pub use candles::read_panel;
pub use table::{TableError, time_text};

use std::path::Path;

use crate::engine::{Compute, DeviceChoice};
use crate::exit::{Code, Failure, OrExit};
use crate::settings::Settings;

/// The device of the settings; compiled kernels are kept below `workdir`.
///
/// # Errors
/// Exit code 2 where this machine or this program does not have it; 1 where it cannot be opened.
pub fn compute_on(settings: &Settings, workdir: &Path) -> Result<Compute, Failure> {
    let device = settings.engine.device.parse().and_then(DeviceChoice::resolve).or_exit(Code::Usage)?;
    Ok(Compute::open(device, &workdir.join("data/kernels"), settings.engine.fallback)?)
}
