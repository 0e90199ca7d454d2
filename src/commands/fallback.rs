//! The warning after a device was lost.

use crate::engine::Compute;

/// Warns on standard error of every device that was lost, with the reason. The results are the same.
pub fn warn_if_lost(compute: &Compute) {
    for loss in compute.losses() {
        let heir = compute.heir();
        eprintln!("warning: {} was lost; {heir} continued with the same bits ({})", loss.device, loss.reason);
    }
}
