//! Where stages compute, and what happens when the device fails.

use std::path::Path;
use std::sync::{PoisonError, RwLock};

use super::{Device, Engine, EngineError, Stage};

/// The device of a run, or the CPU: also from the moment on when the device failed and the settings let the CPU go on
/// (`engine.fallback`). Both give the same bits, so that it does not matter where a stage changes over.
pub struct Compute {
    device: Device,
    falls_back: bool,
    state: RwLock<State>,
}

enum State {
    Cpu,
    Engine(Box<Engine>),
    /// Why the device is used no more.
    FellBack(String),
}

impl Compute {
    /// The CPU alone.
    pub fn cpu() -> Self {
        Self { device: Device::Cpu, falls_back: false, state: RwLock::new(State::Cpu) }
    }

    /// Opens `device`; compiled kernels are kept in `cache`.
    ///
    /// # Errors
    /// Where the device cannot be opened and the CPU must not take its place.
    pub fn open(device: Device, cache: &Path, falls_back: bool) -> Result<Self, EngineError> {
        let state = match Engine::open(device, cache) {
            Ok(None) => State::Cpu,
            Ok(Some(engine)) => State::Engine(Box::new(engine)),
            Err(error) if falls_back && error.can_fall_back() => State::fell_back(&error),
            Err(error) => return Err(error),
        };
        Ok(Self { device, falls_back, state: RwLock::new(state) })
    }

    /// On an engine that is open already.
    pub fn on(engine: Engine, falls_back: bool) -> Self {
        Self { device: engine.device(), falls_back, state: RwLock::new(State::Engine(Box::new(engine))) }
    }

    /// The device that was asked for.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Why the CPU took the device's place, if it did.
    pub fn fell_back(&self) -> Option<String> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::FellBack(why) => Some(why.clone()),
            _ => None,
        }
    }

    /// Computes a stage by `on_device`, or by `on_cpu` where there is no device, or none any more.
    ///
    /// # Errors
    /// What the device says where the CPU must not go on, and a fault of the program's own in any case.
    pub fn run<T>(
        &self,
        stage: &'static str,
        on_device: impl FnOnce(&Stage<'_>) -> Result<T, EngineError>,
        on_cpu: impl FnOnce() -> T,
    ) -> Result<T, EngineError> {
        let error = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let State::Engine(engine) = &*state else { return Ok(on_cpu()) };
            match on_device(&engine.stage(stage)) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            }
        };
        if !self.falls_back || !error.can_fall_back() {
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

    fn full(falls_back: bool) -> Compute {
        Compute::on(Engine::emulated(7, 100).unwrap(), falls_back)
    }

    fn job(stage: &Stage<'_>) -> Result<&'static str, EngineError> {
        stage.parts(super::super::memory::Need { fixed_bytes: 0, job_bytes: 1000 }, 1).map(|_| "device")
    }

    #[test]
    fn a_full_device_ends_the_run_unless_the_cpu_may_go_on() {
        let strict = full(false);
        assert!(matches!(strict.run("labels", job, || "cpu"), Err(EngineError::TooLarge { stage: "labels", .. })));
        assert_eq!(strict.fell_back(), None);
        let lenient = full(true);
        assert_eq!(lenient.run("labels", job, || "cpu"), Ok("cpu"));
        assert!(lenient.fell_back().unwrap().starts_with("labels: one job needs 1000 bytes"));
        // From then on the device is left alone.
        assert_eq!(lenient.run("shadow", |_| unreachable!(), || "cpu"), Ok("cpu"));
        let roomy = Compute::on(Engine::emulated(7, 10_000).unwrap(), true);
        assert_eq!(roomy.run("labels", job, || "cpu"), Ok("device"));
        assert_eq!(Compute::cpu().run("labels", |_| unreachable!(), || "cpu"), Ok("cpu"));
    }

    #[test]
    fn a_fault_of_the_program_is_never_passed_over() {
        let wrong = |stage: &Stage<'_>| -> Result<(), EngineError> {
            let nowhere = super::super::Kernel { file: "selftest", name: "nowhere", barriers: false };
            stage.launch(&nowhere, super::super::Shape::one_thread_each(1, 1)).run()
        };
        let compute = full(true);
        assert!(matches!(compute.run("test", wrong, || ()), Err(EngineError::Kernel { kernel: "nowhere", .. })));
        assert_eq!(compute.fell_back(), None);
    }

    #[test]
    fn a_gpu_that_is_not_there_falls_back_at_once() {
        let count = super::super::gpus().map_or(0, |gpus| gpus.len());
        let cache = std::env::temp_dir();
        assert!(Compute::open(Device::Cuda(count), &cache, false).is_err());
        let compute = Compute::open(Device::Cuda(count), &cache, true).unwrap();
        assert!(compute.fell_back().unwrap().contains("opening the device"));
        assert_eq!(compute.device(), Device::Cuda(count));
    }
}
