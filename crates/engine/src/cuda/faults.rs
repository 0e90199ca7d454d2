//! What the driver's errors mean for a run.

use cudarc::driver::sys::CUresult;

use crate::Loss;

/// What is lost, and what the user can do.
pub fn explain(code: CUresult) -> (Loss, &'static str) {
    use CUresult as E;
    match code {
        E::CUDA_ERROR_OUT_OF_MEMORY => {
            (Loss::Memory, "close other programs on the GPU, or set engine.fallback: true to go on with the CPU")
        }
        E::CUDA_ERROR_NO_BINARY_FOR_GPU | E::CUDA_ERROR_INVALID_IMAGE | E::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => {
            (Loss::Work, "delete the folder of compiled kernels and update the NVIDIA driver")
        }
        E::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES | E::CUDA_ERROR_INVALID_VALUE => {
            (Loss::Work, "use --device cpu and report it: the kernel asks for more than this GPU has")
        }
        E::CUDA_ERROR_ILLEGAL_ADDRESS
        | E::CUDA_ERROR_LAUNCH_FAILED
        | E::CUDA_ERROR_MISALIGNED_ADDRESS
        | E::CUDA_ERROR_ILLEGAL_INSTRUCTION
        | E::CUDA_ERROR_INVALID_PC
        | E::CUDA_ERROR_INVALID_ADDRESS_SPACE
        | E::CUDA_ERROR_HARDWARE_STACK_ERROR
        | E::CUDA_ERROR_ASSERT => {
            (Loss::Device, "use --device cpu and report it: a kernel did something that it must not do")
        }
        E::CUDA_ERROR_LAUNCH_TIMEOUT => {
            (Loss::Device, "use a GPU without a display, or raise the driver's time limit for kernels")
        }
        E::CUDA_ERROR_ECC_UNCORRECTABLE
        | E::CUDA_ERROR_NVLINK_UNCORRECTABLE
        | E::CUDA_ERROR_DEVICE_UNAVAILABLE
        | E::CUDA_ERROR_NO_DEVICE
        | E::CUDA_ERROR_INVALID_DEVICE
        | E::CUDA_ERROR_CONTEXT_IS_DESTROYED
        | E::CUDA_ERROR_DEINITIALIZED => {
            (Loss::Device, "check the GPU with nvidia-smi, reset it, and run the same command again: it resumes")
        }
        E::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
        | E::CUDA_ERROR_NOT_INITIALIZED
        | E::CUDA_ERROR_SYSTEM_NOT_READY
        | E::CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE => {
            (Loss::Device, "update the NVIDIA driver or restart the machine")
        }
        _ => (Loss::Device, "check the GPU with nvidia-smi, or use --device cpu"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_device_can_be_used_again_and_a_broken_one_cannot() {
        assert_eq!(explain(CUresult::CUDA_ERROR_OUT_OF_MEMORY).0, Loss::Memory);
        assert_eq!(explain(CUresult::CUDA_ERROR_ILLEGAL_ADDRESS).0, Loss::Device);
        assert_eq!(explain(CUresult::CUDA_ERROR_ECC_UNCORRECTABLE).0, Loss::Device);
        assert_eq!(explain(CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU).0, Loss::Work);
        assert!(explain(CUresult::CUDA_ERROR_UNKNOWN).1.contains("--device cpu"));
    }
}
