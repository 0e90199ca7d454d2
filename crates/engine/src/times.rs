//! What launches and copies within the device take, without transfers to and from the host.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

#[cfg(feature = "emulated")]
use std::time::Instant;

/// The time of all launches of one kernel, or of all copies within the device.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct KernelTime {
    /// Name of the kernel, or `copy`.
    pub kernel: &'static str,
    /// Number of launches.
    pub launches: u64,
    /// Sum over all launches.
    pub seconds: f64,
}

/// Times by kernel. Nothing is measured until it is enabled.
#[derive(Default)]
pub(super) struct Times {
    enabled: AtomicBool,
    /// Launches and seconds by kernel.
    measured: Mutex<BTreeMap<&'static str, (u64, f64)>>,
}

impl Times {
    pub fn enable(&self, on: bool) {
        self.enabled.store(on, Ordering::Relaxed);
    }

    pub fn enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    pub fn add(&self, kernel: &'static str, seconds: f64) {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let (launches, sum) = measured.entry(kernel).or_default();
        *launches += 1;
        *sum += seconds;
    }

    /// Runs `work` and measures it by the wall clock. The work must be finished when it returns.
    #[cfg(feature = "emulated")]
    pub fn measure<T>(&self, kernel: &'static str, work: impl FnOnce() -> T) -> T {
        if !self.enabled() {
            return work();
        }
        let start = Instant::now();
        let result = work();
        self.add(kernel, start.elapsed().as_secs_f64());
        result
    }

    /// All times so far, in the order of the kernels' names; they start again from 0.
    pub fn take(&self) -> Vec<KernelTime> {
        let measured = std::mem::take(&mut *self.measured.lock().unwrap_or_else(PoisonError::into_inner));
        let time = |(kernel, (launches, seconds))| KernelTime { kernel, launches, seconds };
        measured.into_iter().map(time).collect()
    }
}
