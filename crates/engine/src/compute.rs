//! Chooses where stages compute, and falls back to the CPU when the device fails.

use std::path::Path;
use std::sync::{PoisonError, RwLock};

use super::{Device, Engine, EngineError, Stage};

/// A stage that still lacks memory with this part of the device's is not tried again.
const LEAST_SHARE: u64 = 16;

/// The device of a run, or the CPU.
///
/// If the device fails and `engine.fallback` is set, the CPU does that stage and all later ones. Both give the same bits,
/// so the results do not depend on when this happens.
pub struct Compute {
    device: Device,
    fallback: bool,
    state: RwLock<State>,
}

enum State {
    Cpu,
    Engine(Box<Engine>),
    /// The device failed and is not used any more, for this reason.
    FellBack(String),
}

impl Compute {
    /// Computes on the CPU only.
    pub fn cpu() -> Self {
        Self { device: Device::Cpu, fallback: false, state: RwLock::new(State::Cpu) }
    }

    /// Opens `device`. `cache` is the folder for compiled kernels; `fallback` lets the CPU take over if the device fails.
    ///
    /// # Errors
    /// [`EngineError`] if the device cannot be opened and `fallback` is false.
    pub fn open(device: Device, cache: &Path, fallback: bool) -> Result<Self, EngineError> {
        let state = match Engine::open(device, cache) {
            Ok(None) => State::Cpu,
            Ok(Some(engine)) => State::Engine(Box::new(engine)),
            Err(error) if fallback && error.can_fall_back() => State::fell_back(&error),
            Err(error) => return Err(error),
        };
        Ok(Self { device, fallback, state: RwLock::new(state) })
    }

    /// Computes on an engine that is already open.
    pub fn with_engine(engine: Engine, fallback: bool) -> Self {
        Self { device: engine.device(), fallback, state: RwLock::new(State::Engine(Box::new(engine))) }
    }

    /// The requested device, also after a fall-back to the CPU.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Why the CPU took over from the device; none if it did not.
    pub fn fallback_reason(&self) -> Option<String> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::FellBack(why) => Some(why.clone()),
            _ => None,
        }
    }

    /// Runs a stage with `on_device`, or with `on_cpu` if there is no device or it has failed.
    ///
    /// If the device has less memory than it said, the stage is run again, as if there were half as much, a quarter, and so on:
    /// its parts are then smaller. Only if that does not help, the device is given up.
    ///
    /// # Errors
    /// The device's error if fall-back is not allowed; always if the error is a bug in the program.
    pub fn run<T>(
        &self,
        stage: &'static str,
        mut on_device: impl FnMut(&Stage<'_>) -> Result<T, EngineError>,
        on_cpu: impl FnOnce() -> T,
    ) -> Result<T, EngineError> {
        let error = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let State::Engine(engine) = &*state else { return Ok(on_cpu()) };
            let mut share = 1;
            let mut lacked = None;
            loop {
                match on_device(&engine.stage_with_share(stage, share)) {
                    Ok(result) => return Ok(result),
                    Err(error) if error.is_out_of_memory() && share < LEAST_SHARE => {
                        share *= 2;
                        tracing::warn!(stage, %error, "tried again with 1/{share} of the device's memory");
                        lacked.get_or_insert(error);
                        if let Err(error) = engine.stage(stage).release() {
                            break error;
                        }
                    }
                    // That a job does not fit a part of the memory is not the cause.
                    Err(error @ EngineError::TooLarge { .. }) => break lacked.unwrap_or(error),
                    Err(error) => break error,
                }
            }
        };
        if !self.fallback || !error.can_fall_back() {
            return Err(error);
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State::fell_back(&error);
        Ok(on_cpu())
    }
}

impl State {
    fn fell_back(error: &EngineError) -> Self {
        Self::FellBack(error.to_string())
    }
}

#[cfg(all(test, feature = "emulated"))]
mod tests {
    use super::*;

    fn with_full_memory(fallback: bool) -> Compute {
        Compute::with_engine(Engine::emulated(7, 100).unwrap(), fallback)
    }

    fn job(stage: &Stage<'_>) -> Result<&'static str, EngineError> {
        stage.batches(crate::memory::Requirement { fixed_bytes: 0, job_bytes: 1000 }, 1).map(|_| "device")
    }

    #[test]
    fn a_full_device_ends_the_run_unless_the_cpu_may_take_over() {
        let strict = with_full_memory(false);
        assert!(matches!(strict.run("labels", job, || "cpu"), Err(EngineError::TooLarge { stage: "labels", .. })));
        assert_eq!(strict.fallback_reason(), None);
        let lenient = with_full_memory(true);
        assert_eq!(lenient.run("labels", job, || "cpu"), Ok("cpu"));
        assert!(lenient.fallback_reason().unwrap().starts_with("labels: one job needs 1000 bytes"));
        // The device is not used again.
        assert_eq!(lenient.run("shadow", |_| unreachable!(), || "cpu"), Ok("cpu"));
        let with_space = Compute::with_engine(Engine::emulated(7, 10_000).unwrap(), true);
        assert_eq!(with_space.run("labels", job, || "cpu"), Ok("device"));
        assert_eq!(Compute::cpu().run("labels", |_| unreachable!(), || "cpu"), Ok("cpu"));
    }

    #[test]
    fn a_bug_in_the_program_never_falls_back() {
        let launch_missing_kernel = |stage: &Stage<'_>| -> Result<(), EngineError> {
            let missing = crate::Kernel { file: "selftest", name: "missing", barriers: false };
            // SAFETY: nothing runs, because there is no kernel with this name.
            unsafe { stage.launch(&missing, crate::Shape::one_thread_each(1, 1)).run() }
        };
        let compute = with_full_memory(true);
        let result = compute.run("test", launch_missing_kernel, || ());
        assert!(matches!(result, Err(EngineError::Kernel { kernel: "missing", .. })));
        assert_eq!(compute.fallback_reason(), None);
    }

    #[test]
    fn a_missing_gpu_falls_back_when_it_is_opened() {
        let count = crate::gpus().map_or(0, |gpus| gpus.len());
        let cache = std::env::temp_dir();
        assert!(Compute::open(Device::Cuda(count), &cache, false).is_err());
        let compute = Compute::open(Device::Cuda(count), &cache, true).unwrap();
        assert!(compute.fallback_reason().unwrap().contains("opening the device"));
        assert_eq!(compute.device(), Device::Cuda(count));
    }
}
