//! The warning after a device was lost.

use crate::engine::Compute;

/// Warns on standard error if the CPU had to replace the device, with the reason. The results are the same.
pub fn warn_if_lost(compute: &Compute) {
    if let Some(why) = compute.fallback_reason() {
        eprintln!("warning: {} was lost; the CPU continued with the same bits ({why})", compute.device());
    }
}
