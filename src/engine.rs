//! Which device computes.

mod cuda;

use std::fmt;
use std::str::FromStr;

pub use cuda::{GpuInfo, gpus};

/// What the user asked for with `--device` or `engine.device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    Auto,
    Cpu,
    Cuda(usize),
    Emulated,
}

/// The device that a run computes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    Cpu,
}

/// A device that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    #[error("choose one of: auto, cpu, cuda, cuda:N, emulated")]
    Unknown,
    #[error("this version has no kernels for {0} yet; use --device cpu or auto")]
    NoKernels(DeviceChoice),
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "emulated" => Ok(Self::Emulated),
            _ => {
                let index = text.strip_prefix("cuda:").and_then(|n| n.parse().ok());
                index.map(Self::Cuda).ok_or(DeviceError::Unknown)
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
            Self::Emulated => f.write_str("emulated"),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
        }
    }
}

impl DeviceChoice {
    /// The device to compute on.
    ///
    /// # Errors
    /// [`DeviceError::NoKernels`] for a device asked for by name that no kernels exist for.
    pub fn resolve(self) -> Result<Device, DeviceError> {
        match self {
            Self::Auto | Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) | Self::Emulated => Err(DeviceError::NoKernels(self)),
        }
    }
}
