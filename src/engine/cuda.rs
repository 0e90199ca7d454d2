//! NVIDIA GPUs, seen through the driver library that is loaded at run time.

use cudarc::driver::{result, sys};

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
