//! NVIDIA GPUs. The driver and NVRTC are loaded at run time, so the same program runs with and without them.

mod cache;
mod clock;
mod faults;
mod gpu;
mod library;
mod nvrtc;

use cudarc::driver::{result, sys};

pub use gpu::Gpu;
pub use library::use_nvrtc;
pub use nvrtc::{CompiledKernels, compile, compile_fused};

const NO_DRIVER: &str = "no NVIDIA driver library is installed";

/// A GPU of this machine.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GpuInfo {
    /// The driver's number of the GPU, from 0: the N of `cuda:N`.
    pub index: usize,
    /// The driver's name of the model, such as `NVIDIA H200`.
    pub name: String,
    /// Compute capability, major and minor.
    pub capability: (i32, i32),
    /// All memory of the GPU, used or free.
    pub memory_bytes: usize,
}

/// The GPUs of this machine.
///
/// # Errors
/// A sentence for the user if there is no driver or it reports an error.
pub fn gpus() -> Result<Vec<GpuInfo>, String> {
    // SAFETY: this only loads the driver's library, whose initialisation has no requirements.
    if !unsafe { sys::is_culib_present() } {
        return Err(NO_DRIVER.into());
    }
    let message = |error: result::DriverError| format!("the NVIDIA driver reports: {error}");
    result::init().map_err(message)?;
    let count = result::device::get_count().map_err(message)?;
    (0..count)
        .map(|index| {
            let device = result::device::get(index).map_err(message)?;
            let attribute = |which| {
                // SAFETY: `device` comes from the driver.
                unsafe { result::device::get_attribute(device, which) }.map_err(message)
            };
            Ok(GpuInfo {
                index: index as usize,
                name: result::device::get_name(device).map_err(message)?,
                capability: (
                    attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
                    attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
                ),
                // SAFETY: `device` comes from the driver.
                memory_bytes: unsafe { result::device::total_mem(device) }.map_err(message)?,
            })
        })
        .collect()
}

/// Checks that kernels can run on GPU `index`.
///
/// # Errors
/// A sentence for the user that says why they cannot.
pub fn usable(index: usize) -> Result<(), String> {
    let gpus = gpus()?;
    let Some(gpu) = gpus.get(index) else {
        return Err(format!("this machine has {} GPUs, numbered from 0", gpus.len()));
    };
    if gpu.capability < (8, 0) {
        let (major, minor) = gpu.capability;
        return Err(format!("{} has compute capability {major}.{minor}; the kernels need 8.0 or higher", gpu.name));
    }
    let (nvrtc, driver) = (nvrtc::version()?, driver_version()?);
    // Machine code of a newer CUDA is refused by the driver; of a newer minor version it is not.
    if nvrtc.0 > driver.0 {
        return Err(format!(
            "NVRTC is of CUDA {}.{}, and the driver of CUDA {}.{}; install a newer driver, or NVRTC of CUDA {}",
            nvrtc.0, nvrtc.1, driver.0, driver.1, driver.0
        ));
    }
    let architecture = nvrtc::architecture(gpu.capability)?;
    if architecture.starts_with("compute") && nvrtc > driver {
        return Err(format!(
            "NVRTC {}.{} does not know {}, and its PTX is newer than the driver of CUDA {}.{}; install a newer driver and NVRTC",
            nvrtc.0, nvrtc.1, gpu.name, driver.0, driver.1
        ));
    }
    Ok(())
}

/// The newest CUDA that the driver knows, major and minor.
///
/// # Errors
/// A sentence for the user if the driver does not tell.
pub fn driver_version() -> Result<(i32, i32), String> {
    // SAFETY: this only loads the driver's library, whose initialisation has no requirements.
    if !unsafe { sys::is_culib_present() } {
        return Err(NO_DRIVER.into());
    }
    let mut number = 0;
    // SAFETY: the number may be written.
    let result = unsafe { sys::cuDriverGetVersion(&raw mut number) };
    result.result().map_err(|error| format!("the NVIDIA driver reports: {error}"))?;
    Ok((number / 1000, number % 1000 / 10))
}

/// The version of NVRTC, major and minor.
///
/// # Errors
/// A sentence for the user if it is not installed.
pub fn nvrtc_version() -> Result<(i32, i32), String> {
    nvrtc::version()
}
