//! Times launches on the GPU with an event before and after each, so that work of the host does not count.

use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::result::DriverError;
use cudarc::driver::sys::CUevent_flags;
use cudarc::driver::{CudaEvent, CudaStream};

/// Timed launches whose events have not been read yet.
#[derive(Default)]
pub struct Clock(Mutex<Vec<Timed>>);

struct Timed {
    name: &'static str,
    start: CudaEvent,
    end: CudaEvent,
}

impl Clock {
    /// Runs `work`, which launches on `stream`. If `timed`, records an event before and after it.
    pub fn measure(
        &self,
        timed: bool,
        stream: &Arc<CudaStream>,
        name: &'static str,
        work: impl FnOnce() -> Result<(), DriverError>,
    ) -> Result<(), DriverError> {
        if !timed {
            return work();
        }
        // cudarc's default flags disable timing.
        let event = || stream.record_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
        let start = event()?;
        work()?;
        let end = event()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Timed { name, start, end });
        Ok(())
    }

    /// The seconds of each launch since the last call. Waits until they have finished.
    pub fn take(&self) -> Result<Vec<(&'static str, f64)>, DriverError> {
        let timed = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let seconds = |launch: &Timed| Ok((launch.name, f64::from(launch.start.elapsed_ms(&launch.end)?) / 1e3));
        timed.iter().map(seconds).collect()
    }
}
