//! For tests, where no GPU is at hand: what NVRTC makes of the kernels, run on the CPU.
//!
//! NVRTC compiles a kernel's source to PTX, the assembly language of NVIDIA's GPUs. This crate reads that PTX
//! ([`parse`](parse()), [`module`]), refuses what must not be in it ([`gate`]), and puts it back into C++ ([`translate`](translate())) for the device
//! that runs kernels on the CPU. Tests on [`library::build`]'s kernels then see what the compiler made of the source: an
//! operation that it fuses, reorders or replaces gives other bits, and fails.
//!
//! What ptxas makes of the PTX, and the GPU of that, cannot be seen here.

pub mod gate;
pub mod library;
pub mod meter;
pub mod module;
pub mod nvrtc;
mod parse;
mod translate;

pub use library::Variant;
pub use parse::{ParseError, parse};
pub use translate::{TranslateError, translate};
