//! What is said where a device failed and the cores went on.

use crate::engine::Compute;

/// Says on stderr that the CPU took a device's place, and why: the results are the same.
pub fn tell(compute: &Compute) {
    if let Some(why) = compute.fell_back() {
        eprintln!("warning: {}: the CPU went on, with the same bits ({why})", compute.device());
    }
}
