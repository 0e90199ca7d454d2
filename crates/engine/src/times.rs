//! What launches take on the device itself, without the way there and back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

#[cfg(feature = "emulated")]
use std::time::Instant;

/// All launches of one kernel, or all copies within the device.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct KernelTime {
    pub kernel: &'static str,
    pub launches: u64,
    pub seconds: f64,
}

/// Times by kernel, kept once they are wanted.
#[derive(Default)]
pub(super) struct Times {
    wanted: AtomicBool,
    taken: Mutex<BTreeMap<&'static str, (u64, f64)>>,
}

impl Times {
    pub fn begin(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    pub fn are_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    pub fn add(&self, kernel: &'static str, seconds: f64) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (launches, sum) = taken.entry(kernel).or_default();
        *launches += 1;
        *sum += seconds;
    }

    /// Does `work`, which ends when it returns, by the wall clock.
    #[cfg(feature = "emulated")]
    pub fn around<T>(&self, kernel: &'static str, work: impl FnOnce() -> T) -> T {
        if !self.are_wanted() {
            return work();
        }
        let begun = Instant::now();
        let done = work();
        self.add(kernel, begun.elapsed().as_secs_f64());
        done
    }

    /// Everything so far.
    pub fn take(&self) -> Vec<KernelTime> {
        let taken = std::mem::take(&mut *self.taken.lock().unwrap_or_else(PoisonError::into_inner));
        let one = |(kernel, (launches, seconds))| KernelTime { kernel, launches, seconds };
        taken.into_iter().map(one).collect()
    }
}
