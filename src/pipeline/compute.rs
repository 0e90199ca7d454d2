//! The device of a run or a command.

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
