//! A meter: kernels that count, while they run on the CPU, what they would cost a GPU, and what time follows from that.
//!
//! [`costs`] says what machine instructions a PTX instruction stands for. `translate` puts the counting into the C++
//! ([`crate::Variant::Metered`]); `kernels/emulated/meter.cpp` turns lanes into warps, addresses into sectors and
//! wavefronts, and operands into a clock.

pub mod costs;
pub mod counts;
pub mod growth;
pub mod measured;
pub mod model;
pub mod resources;
pub mod table;

use std::path::{Path, PathBuf};

/// The folder of what was counted and measured. It is not that of the kernels, whose every change compiles them again.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("costs")
}
