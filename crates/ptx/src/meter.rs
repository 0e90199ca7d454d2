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
