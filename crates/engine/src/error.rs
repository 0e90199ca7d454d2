//! What can go wrong on a device, and what the user can do about it.

use super::Device;

/// A device that did not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The device failed or refused.
    #[error("{stage} on {device}, {action}: {reason}; {remedy}")]
    Fault {
        /// The device that failed.
        device: Device,
        /// The stage that was running.
        stage: &'static str,
        /// What the engine was doing.
        action: String,
        /// The message of the driver, the compiler or the loader.
        reason: String,
        /// What the user can do.
        remedy: &'static str,
        /// Whether the device can still be used.
        kind: FaultKind,
    },
    /// A batch cannot be split any further and still does not fit the device's memory.
    #[error(
        "{stage}: one job needs {needed_bytes} bytes on the device and {free_bytes} are free; free memory there, use a \
         shorter history, or use --device cpu"
    )]
    TooLarge {
        /// The stage that was running.
        stage: &'static str,
        /// Bytes that one job needs.
        needed_bytes: u64,
        /// Bytes that are free on the device.
        free_bytes: u64,
    },
    /// A kernel, or the code that launches it, is wrong.
    #[error("{stage}, kernel {kernel}: {detail}; this is a bug in the program: report it, and use --device cpu")]
    Kernel {
        /// The stage that was running.
        stage: &'static str,
        /// Name of the kernel, or of its file.
        kernel: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// A buffer of another engine was passed to this one.
    #[error("{stage}, {action}: the buffer belongs to another engine; this is a bug in the program: report it")]
    ForeignBuffer {
        /// The stage that was running.
        stage: &'static str,
        /// What was called: a copy, or the name of a kernel.
        action: &'static str,
    },
}

/// What a fault means for further use of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The device is gone or its context is broken: only another device or a new process can continue.
    DeviceLost,
    /// Memory ran out. The device can still be used.
    OutOfMemory,
    /// This device cannot do this work. It can still be used for other work.
    Unsupported,
}

impl EngineError {
    /// Whether the device has too little free memory.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Fault { kind: FaultKind::OutOfMemory, .. })
    }

    /// Whether the device can still do other work.
    pub fn leaves_the_device(&self) -> bool {
        match self {
            Self::Fault { kind, .. } => *kind != FaultKind::DeviceLost,
            Self::TooLarge { .. } => true,
            Self::Kernel { .. } | Self::ForeignBuffer { .. } => false,
        }
    }

    /// Whether another device can do the work: true for every fault except a bug in the program.
    pub fn can_fall_back(&self) -> bool {
        !matches!(self, Self::Kernel { .. } | Self::ForeignBuffer { .. })
    }
}
