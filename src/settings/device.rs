//! Opens the device of the settings.

use std::path::Path;

use super::Settings;
use crate::engine::{Compute, DeviceChoice};
use crate::exit::{Code, CommandFailure, OrExit};

impl Settings {
    /// Opens the device of `engine.device`; compiled kernels are cached below `workdir`.
    ///
    /// # Errors
    /// Exit code 2 if this machine or this build does not have the device; 1 if it cannot be opened.
    pub fn open_device(&self, workdir: &Path) -> Result<Compute, CommandFailure> {
        let device = self.engine.device.parse().and_then(DeviceChoice::resolve).or_exit(Code::Usage)?;
        Ok(Compute::open(device, &workdir.join("data/kernels"), self.engine.fallback)?)
    }
}
