//! NVIDIA GPUs, through the driver and NVRTC, both loaded at run time: one program runs with and without them.

mod cache;
mod clock;
mod faults;
mod gpu;
mod nvrtc;

use cudarc::driver::{result, sys};

pub use gpu::Gpu;
pub use nvrtc::{Compiled, compile};

/// One GPU of this machine.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GpuInfo {
    pub index: usize,
    pub name: String,
    /// Compute capability, major and minor.
    pub capability: (i32, i32),
    pub memory_bytes: usize,
}

/// The GPUs of this machine, or why none can be used.
///
/// # Errors
/// A sentence for the user: no driver, or what the driver answered.
pub fn gpus() -> Result<Vec<GpuInfo>, String> {
    // SAFETY: only asks the loader whether the driver library is there.
    if !unsafe { sys::is_culib_present() } {
        return Err("no NVIDIA driver library is installed".into());
    }
    let told = |error: result::DriverError| format!("the NVIDIA driver answers: {error}");
    result::init().map_err(told)?;
    let count = result::device::get_count().map_err(told)?;
    (0..count)
        .map(|index| {
            let device = result::device::get(index).map_err(told)?;
            let attribute = |which| {
                // SAFETY: `device` was just handed out by the driver.
                unsafe { result::device::get_attribute(device, which) }.map_err(told)
            };
            Ok(GpuInfo {
                index: index as usize,
                name: result::device::get_name(device).map_err(told)?,
                capability: (
                    attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
                    attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
                ),
                // SAFETY: `device` was just handed out by the driver.
                memory_bytes: unsafe { result::device::total_mem(device) }.map_err(told)?,
            })
        })
        .collect()
}

/// Whether kernels can run on GPU `index`, or why not.
pub fn usable(index: usize) -> Result<(), String> {
    let gpus = gpus()?;
    let Some(gpu) = gpus.get(index) else {
        return Err(format!("this machine has {} GPUs, numbered from 0", gpus.len()));
    };
    if gpu.capability < (8, 0) {
        let (major, minor) = gpu.capability;
        return Err(format!("{} has compute capability {major}.{minor}, and kernels need 8.0", gpu.name));
    }
    nvrtc::version().map(drop)
}
