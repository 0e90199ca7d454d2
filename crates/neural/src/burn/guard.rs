//! What panics in Burn and CubeCL, and on a device's threads, as an error.
//!
//! They panic where memory runs out or a device is lost; and where a device's own thread panics, its caller learns no more than
//! that no answer came, or nothing. So panics of such threads are noted as they happen.

use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use ::burn::backend::cuda::CudaDevice;
use ::burn::backend::flex::FlexDevice;

/// Panics of devices' threads: the thread's name, and what it said.
static NOTED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
static INSTALLED: Once = Once::new();

/// A device that may work on threads of its own.
pub trait Device {
    /// Their names.
    fn threads(&self) -> Vec<String>;
}

impl Device for FlexDevice {
    fn threads(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Device for CudaDevice {
    /// As CubeCL 0.10 names the thread that launches, and the one that fuses.
    fn threads(&self) -> Vec<String> {
        ["DSD", "DSU"].map(|stage| format!("{stage}-0-{}", self.index)).to_vec()
    }
}

/// What `work` on a device gives, or what the device's threads or the work said when they panicked.
pub fn guarded<T>(device: &impl Device, work: impl FnOnce() -> T) -> Result<T, String> {
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            note(panic);
            before(panic);
        }));
    });
    let before = noted().len();
    let outcome = catch_unwind(AssertUnwindSafe(work));
    let names = device.threads();
    let heard = noted().iter().skip(before).find(|(name, _)| names.contains(name)).map(|(_, said)| said.clone());
    match (outcome, heard) {
        (Ok(value), None) => Ok(value),
        (_, Some(said)) => Err(said),
        (Err(panic), None) => Err(text(panic.as_ref())),
    }
}

fn note(panic: &PanicHookInfo<'_>) {
    if let Some(name) = thread::current().name().filter(|name| name.starts_with("DS")) {
        noted().push((name.to_owned(), text(panic.payload())));
    }
}

fn noted() -> MutexGuard<'static, Vec<(String, String)>> {
    NOTED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("no reason was given").to_owned()
}
