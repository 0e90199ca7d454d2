//! Launches between two events each: what they take on the GPU itself, whatever the host does meanwhile.

use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::result::DriverError;
use cudarc::driver::sys::CUevent_flags;
use cudarc::driver::{CudaEvent, CudaStream};

/// Timed launches whose events have not been read yet.
#[derive(Default)]
pub struct Clock(Mutex<Vec<Timed>>);

struct Timed {
    name: &'static str,
    begun: CudaEvent,
    ended: CudaEvent,
}

impl Clock {
    /// Does `work`, which launches on `stream`, and where it is `timed` records an event before and after.
    pub fn around(
        &self,
        timed: bool,
        stream: &Arc<CudaStream>,
        name: &'static str,
        work: impl FnOnce() -> Result<(), DriverError>,
    ) -> Result<(), DriverError> {
        if !timed {
            return work();
        }
        // Events keep no time unless they are asked to.
        let event = || stream.record_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
        let begun = event()?;
        work()?;
        let ended = event()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Timed { name, begun, ended });
        Ok(())
    }

    /// Seconds of each launch so far, which are then forgotten; waits for them.
    pub fn take(&self) -> Result<Vec<(&'static str, f64)>, DriverError> {
        let timed = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let seconds = |one: &Timed| Ok((one.name, f64::from(one.begun.elapsed_ms(&one.ended)?) / 1e3));
        timed.iter().map(seconds).collect()
    }
}
