//! Turns panics in Burn and CubeCL, and on a device's threads, into errors.
//!
//! Burn and CubeCL panic when memory runs out or a device is lost. When a thread of the device panics, its caller sees only
//! that no answer came, or nothing at all. So the panics of such threads are recorded as they happen.

use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use ::burn::backend::cuda::CudaDevice;
#[cfg(feature = "flex")]
use ::burn::backend::flex::FlexDevice;

/// Panics of devices' threads: the name of the thread, and the message.
static PANICS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
static HOOK_INSTALLED: Once = Once::new();

/// A device that may have threads of its own.
pub trait Device {
    /// The names of its threads.
    fn threads(&self) -> Vec<String>;
}

#[cfg(feature = "flex")]
impl Device for FlexDevice {
    fn threads(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Device for CudaDevice {
    /// The names that CubeCL 0.10 gives to the thread that launches, and to the one that fuses.
    fn threads(&self) -> Vec<String> {
        ["DSD", "DSU"].map(|stage| format!("{stage}-0-{}", self.index)).to_vec()
    }
}

/// Runs `work` on a device.
///
/// # Errors
/// The message, if the work or a thread of the device panicked.
pub fn guarded<T>(device: &impl Device, work: impl FnOnce() -> T) -> Result<T, String> {
    HOOK_INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            record(panic);
            before(panic);
        }));
    });
    let before = panics().len();
    let outcome = catch_unwind(AssertUnwindSafe(work));
    let names = device.threads();
    let on_device =
        panics().iter().skip(before).find(|(name, _)| names.contains(name)).map(|(_, message)| message.clone());
    match (outcome, on_device) {
        (Ok(value), None) => Ok(value),
        (_, Some(message)) => Err(message),
        (Err(panic), None) => Err(message_of(panic.as_ref())),
    }
}

fn record(panic: &PanicHookInfo<'_>) {
    if let Some(name) = thread::current().name().filter(|name| name.starts_with("DS")) {
        panics().push((name.to_owned(), message_of(panic.payload())));
    }
}

fn panics() -> MutexGuard<'static, Vec<(String, String)>> {
    PANICS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("no reason was given").to_owned()
}
