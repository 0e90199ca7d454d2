//! What the driver's error codes mean for a run, and what the user can do.

use cudarc::driver::sys::CUresult;

use crate::FaultKind;

/// The kind of fault, and a remedy for the user.
pub fn explain(code: CUresult) -> (FaultKind, &'static str) {
    use CUresult as E;
    match code {
        E::CUDA_ERROR_OUT_OF_MEMORY => (
            FaultKind::OutOfMemory,
            "close other programs on the GPU, or set engine.fallback: true to continue on the CPU",
        ),
        E::CUDA_ERROR_NO_BINARY_FOR_GPU | E::CUDA_ERROR_INVALID_IMAGE | E::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => {
            (FaultKind::Unsupported, "delete the folder of compiled kernels and update the NVIDIA driver")
        }
        E::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES | E::CUDA_ERROR_INVALID_VALUE => {
            (FaultKind::Unsupported, "use --device cpu and report it: the kernel needs more than this GPU has")
        }
        E::CUDA_ERROR_ILLEGAL_ADDRESS
        | E::CUDA_ERROR_LAUNCH_FAILED
        | E::CUDA_ERROR_MISALIGNED_ADDRESS
        | E::CUDA_ERROR_ILLEGAL_INSTRUCTION
        | E::CUDA_ERROR_INVALID_PC
        | E::CUDA_ERROR_INVALID_ADDRESS_SPACE
        | E::CUDA_ERROR_HARDWARE_STACK_ERROR
        | E::CUDA_ERROR_ASSERT => {
            (FaultKind::DeviceLost, "use --device cpu and report it: a kernel made an invalid access")
        }
        E::CUDA_ERROR_LAUNCH_TIMEOUT => {
            (FaultKind::DeviceLost, "use a GPU without a display, or raise the driver's time limit for kernels")
        }
        E::CUDA_ERROR_ECC_UNCORRECTABLE
        | E::CUDA_ERROR_NVLINK_UNCORRECTABLE
        | E::CUDA_ERROR_DEVICE_UNAVAILABLE
        | E::CUDA_ERROR_NO_DEVICE
        | E::CUDA_ERROR_INVALID_DEVICE
        | E::CUDA_ERROR_CONTEXT_IS_DESTROYED
        | E::CUDA_ERROR_DEINITIALIZED => (
            FaultKind::DeviceLost,
            "check the GPU with nvidia-smi, reset it, and run the same command again, which resumes",
        ),
        E::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
        | E::CUDA_ERROR_NOT_INITIALIZED
        | E::CUDA_ERROR_SYSTEM_NOT_READY
        | E::CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE => {
            (FaultKind::DeviceLost, "update the NVIDIA driver or restart the machine")
        }
        _ => (FaultKind::DeviceLost, "check the GPU with nvidia-smi, or use --device cpu"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_device_can_be_used_again_and_a_broken_one_cannot() {
        assert_eq!(explain(CUresult::CUDA_ERROR_OUT_OF_MEMORY).0, FaultKind::OutOfMemory);
        assert_eq!(explain(CUresult::CUDA_ERROR_ILLEGAL_ADDRESS).0, FaultKind::DeviceLost);
        assert_eq!(explain(CUresult::CUDA_ERROR_ECC_UNCORRECTABLE).0, FaultKind::DeviceLost);
        assert_eq!(explain(CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU).0, FaultKind::Unsupported);
        assert!(explain(CUresult::CUDA_ERROR_UNKNOWN).1.contains("--device cpu"));
    }
}
