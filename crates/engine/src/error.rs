//! What goes wrong on a device, and what to do about it.

use super::Device;

/// A device that did not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    #[error("{stage} on {device}, {action}: {reason}; {remedy}")]
    Fault { device: Device, stage: &'static str, action: String, reason: String, remedy: &'static str, loss: Loss },
    #[error(
        "{stage}: one job needs {needed_bytes} bytes on the device and {free_bytes} are free; free memory there, take \
         a shorter history, or use --device cpu"
    )]
    TooLarge { stage: &'static str, needed_bytes: u64, free_bytes: u64 },
    #[error("{stage}, kernel {kernel}: {detail}; this is a fault of the program, use --device cpu and report it")]
    Kernel { stage: &'static str, kernel: &'static str, detail: String },
    #[error("{stage}, {action}: the buffer was made by another engine; this is a fault of the program, report it")]
    ForeignBuffer { stage: &'static str, action: &'static str },
}

/// What can still be expected of a device after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The device is gone or its context is broken: only another device, or a new process, can go on.
    Device,
    /// Memory ran out; the device is as usable as before.
    Memory,
    /// The work cannot be done this way, on this device.
    Work,
}

impl EngineError {
    /// Whether another device can do the work: every fault but one of the program's own.
    pub fn can_fall_back(&self) -> bool {
        !matches!(self, Self::Kernel { .. } | Self::ForeignBuffer { .. })
    }
}
