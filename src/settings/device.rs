//! The device that the settings ask for.

use std::path::Path;

use super::Settings;
use crate::engine::{Compute, DeviceChoice};
use crate::exit::{Code, Failure, OrExit};

impl Settings {
    /// Opens the device of `engine.device`; compiled kernels are kept below `workdir`.
    ///
    /// # Errors
    /// Exit code 2 where this machine or this program does not have it; 1 where it cannot be opened.
    pub fn open_device(&self, workdir: &Path) -> Result<Compute, Failure> {
        let device = self.engine.device.parse().and_then(DeviceChoice::resolve).or_exit(Code::Usage)?;
        Ok(Compute::open(device, &workdir.join("data/kernels"), self.engine.fallback)?)
    }
}
