//! What panics in Burn and CubeCL, and on their devices' threads, as an error.
//!
//! They panic where memory runs out or a device is lost; and where a device's own thread panics, its caller learns no more than
//! that no answer came, or nothing. So panics of such threads are noted as they happen.

use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

static FIRST: Mutex<Option<String>> = Mutex::new(None);
static INSTALLED: Once = Once::new();

/// What `work` gives, or the text of the first panic. One guard at a time knows what panicked on a device's thread.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            note(panic);
            before(panic);
        }));
    });
    take_first();
    let outcome = catch_unwind(AssertUnwindSafe(work));
    match (outcome, take_first()) {
        (Ok(value), None) => Ok(value),
        (_, Some(text)) => Err(text),
        (Err(panic), None) => Err(text(panic.as_ref())),
    }
}

/// CubeCL 0.10 names the threads of its devices, and of what it fuses, so; Rayon's have no name.
fn is_a_devices(thread: Option<&str>) -> bool {
    thread.is_none_or(|name| name.starts_with("DSD-") || name.starts_with("DSU-"))
}

fn note(panic: &PanicHookInfo<'_>) {
    if is_a_devices(thread::current().name()) {
        FIRST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| text(panic.payload()));
    }
}

fn take_first() -> Option<String> {
    FIRST.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("no reason was given").to_owned()
}
