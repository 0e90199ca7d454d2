//! Which device computes, and how kernels are launched on it.
//!
//! An [`Engine`] is a device that runs the kernels of `kernels/`: a GPU, or the emulated one, which runs the same text
//! compiled as C++. The CPU has no engine; its code lies beside each stage's kernels and gives the same bits.

mod buffer;
mod compute;
mod cuda;
#[cfg(feature = "emulated")]
mod emulated;
mod error;
mod kernel;
mod launch;
pub mod memory;
mod panel;
mod times;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

pub use buffer::{DeviceBuffer, Element, ElementKind};
pub use compute::Compute;
pub use cuda::{Compiled, GpuInfo, compile, gpus};
pub use error::{EngineError, Loss};
pub use kernel::{FILES, Kernel, Shape, Source, kernel_constant, whole_text};
pub use launch::Launch;
pub use panel::DevicePanel;
pub use times::KernelTime;

use buffer::Memory;
use times::Times;

/// Name of a copy within the device among the times of kernels.
const COPY: &str = "copy";

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
    /// The GPU of this number.
    Cuda(usize),
    Emulated,
}

/// A device that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    #[error("choose one of: auto, cpu, cuda, cuda:N, emulated")]
    Unknown,
    #[error("{0} cannot be used: {1}; use --device cpu or auto")]
    NotThere(DeviceChoice, String),
    #[error("this program was built without the emulated device (feature `emulated`); use --device cpu or auto")]
    NotBuilt,
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
            Self::Cuda(n) => write!(f, "cuda:{n}"),
            Self::Emulated => f.write_str("emulated"),
        }
    }
}

impl DeviceChoice {
    /// The device to compute on. `auto` is the CPU until kernels of every stage have been measured on a GPU.
    ///
    /// # Errors
    /// [`DeviceError`] for a device asked for by name that this machine or this program does not have.
    pub fn resolve(self) -> Result<Device, DeviceError> {
        match self {
            Self::Auto | Self::Cpu => Ok(Device::Cpu),
            Self::Emulated if cfg!(feature = "emulated") => Ok(Device::Emulated),
            Self::Emulated => Err(DeviceError::NotBuilt),
            Self::Cuda(index) => {
                cuda::usable(index).map(|()| Device::Cuda(index)).map_err(|why| DeviceError::NotThere(self, why))
            }
        }
    }
}

/// A device that runs kernels.
pub struct Engine {
    device: Device,
    inner: Inner,
    times: Times,
}

enum Inner {
    #[cfg(feature = "emulated")]
    Emulated(emulated::Emulated),
    Cuda(Box<cuda::Gpu>),
}

/// What a device has for the kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory that nothing occupies.
    pub free_bytes: u64,
    /// The most shared memory of a block.
    pub shared_bytes: u32,
    /// Blocks that run at the same time, one on each multiprocessor.
    pub multiprocessors: u32,
}

impl Engine {
    /// Opens `device`; none for the CPU, which runs no kernels. Compiled kernels are kept in `cache` (CUDA alone).
    ///
    /// # Errors
    /// [`EngineError::Fault`] where the device cannot be opened.
    pub fn open(device: Device, cache: &Path) -> Result<Option<Self>, EngineError> {
        let inner = match device {
            Device::Cpu => return Ok(None),
            Device::Cuda(index) => Inner::Cuda(Box::new(cuda::Gpu::open(index, cache)?)),
            #[cfg(feature = "emulated")]
            Device::Emulated => Inner::Emulated(emulated::Emulated::open()?),
            #[cfg(not(feature = "emulated"))]
            Device::Emulated => {
                return Err(EngineError::Fault {
                    device,
                    stage: "start",
                    action: "opening the device".into(),
                    reason: DeviceError::NotBuilt.to_string(),
                    remedy: "use --device cpu",
                    loss: Loss::Device,
                });
            }
        };
        Ok(Some(Self { device, inner, times: Times::default() }))
    }

    /// The emulated device with a thread order of its own, and as much memory as one likes to pretend.
    ///
    /// # Errors
    /// [`EngineError::Fault`] where the library that `HURACAN_EMULATED_KERNELS` names cannot be loaded.
    #[cfg(feature = "emulated")]
    pub fn emulated(seed: u64, free_bytes: u64) -> Result<Self, EngineError> {
        let emulated = emulated::Emulated::open()?.with(seed, free_bytes);
        Ok(Self { device: Device::Emulated, inner: Inner::Emulated(emulated), times: Times::default() })
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// The engine at the service of a stage, whose name errors carry.
    pub fn stage(&self, name: &'static str) -> Stage<'_> {
        Stage { engine: self, name }
    }
}

/// An [`Engine`] at the service of one stage.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    engine: &'a Engine,
    name: &'static str,
}

impl<'a> Stage<'a> {
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn device(&self) -> Device {
        self.engine.device
    }

    /// # Errors
    /// [`EngineError::Fault`] where the device does not answer.
    pub fn limits(&self) -> Result<Limits, EngineError> {
        match &self.engine.inner {
            #[cfg(feature = "emulated")]
            Inner::Emulated(emulated) => Ok(emulated.limits()),
            Inner::Cuda(gpu) => gpu.limits(self.name),
        }
    }

    /// Splits jobs into parts that fit the device's free memory: see [`memory::parts`].
    ///
    /// # Errors
    /// [`EngineError::TooLarge`] where one job does not fit; [`EngineError::Fault`] where the device does not answer.
    pub fn parts(&self, need: memory::Need, jobs: usize) -> Result<Vec<std::ops::Range<usize>>, EngineError> {
        memory::parts(self.name, self.limits()?.free_bytes, need, jobs)
    }

    /// Copies values to the device.
    ///
    /// # Errors
    /// [`EngineError::Fault`], of [`Loss::Memory`] where the device is full.
    pub fn upload<T: Element>(&self, values: &[T]) -> Result<DeviceBuffer<T>, EngineError> {
        let memory = match &self.engine.inner {
            _ if values.is_empty() => Memory::Nothing,
            #[cfg(feature = "emulated")]
            Inner::Emulated(_) => Memory::Host(values.to_vec()),
            Inner::Cuda(gpu) => gpu.upload(self.name, values)?,
        };
        Ok(DeviceBuffer { memory, len: values.len() })
    }

    /// `len` values of zero bits on the device.
    ///
    /// # Errors
    /// [`EngineError::Fault`], of [`Loss::Memory`] where the device is full.
    pub fn zeros<T: Element>(&self, len: usize) -> Result<DeviceBuffer<T>, EngineError> {
        let memory = match &self.engine.inner {
            _ if len == 0 => Memory::Nothing,
            #[cfg(feature = "emulated")]
            Inner::Emulated(_) => Memory::Host(buffer::zeros(len)),
            Inner::Cuda(gpu) => gpu.zeros::<T>(self.name, len)?,
        };
        Ok(DeviceBuffer { memory, len })
    }

    /// Copies values from the device, after everything launched before has ended.
    ///
    /// # Errors
    /// [`EngineError::Fault`], also of a launch before that failed on the device.
    pub fn download<T: Element>(&self, buffer: &DeviceBuffer<T>) -> Result<Vec<T>, EngineError> {
        let mut values = buffer::zeros(buffer.len);
        self.download_into(buffer, &mut values)?;
        Ok(values)
    }

    /// [`Self::download`] into memory of the caller's.
    ///
    /// # Errors
    /// As [`Self::download`].
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn download_into<T: Element>(&self, buffer: &DeviceBuffer<T>, values: &mut [T]) -> Result<(), EngineError> {
        assert_eq!(buffer.len, values.len(), "a download as long as the buffer");
        match (&self.engine.inner, &buffer.memory) {
            (_, Memory::Nothing) => Ok(()),
            #[cfg(feature = "emulated")]
            (Inner::Emulated(_), Memory::Host(memory)) => {
                values.copy_from_slice(memory);
                Ok(())
            }
            (Inner::Cuda(gpu), Memory::Cuda(memory, _)) => gpu.download(self.name, memory, values),
            #[cfg(feature = "emulated")]
            _ => Err(EngineError::ForeignBuffer { stage: self.name, action: "download" }),
        }
    }

    /// Copies values from one buffer to another of the same length, without the host.
    ///
    /// # Errors
    /// [`EngineError::Fault`] where the device fails.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn copy<T: Element>(&self, from: &DeviceBuffer<T>, to: &mut DeviceBuffer<T>) -> Result<(), EngineError> {
        assert_eq!(from.len, to.len, "a copy as long as the buffer");
        match (&self.engine.inner, &from.memory, &mut to.memory) {
            #[cfg(feature = "emulated")]
            (Inner::Emulated(_), Memory::Host(from), Memory::Host(to)) => {
                self.engine.times.around(COPY, || memory::copy(from, to));
                Ok(())
            }
            (Inner::Cuda(gpu), Memory::Cuda(from, _), Memory::Cuda(to, _)) => {
                gpu.copy(self.name, from, to, self.engine.times.are_wanted())
            }
            (_, Memory::Nothing, Memory::Nothing) => Ok(()),
            _ => Err(EngineError::ForeignBuffer { stage: self.name, action: COPY }),
        }
    }

    /// Waits until the device has done all that it was given.
    ///
    /// # Errors
    /// What went wrong with it.
    pub fn wait(&self) -> Result<(), EngineError> {
        match &self.engine.inner {
            #[cfg(feature = "emulated")]
            Inner::Emulated(_) => Ok(()),
            Inner::Cuda(gpu) => gpu.wait(self.name),
        }
    }

    /// Times every launch from now on; see [`Self::launch_times`].
    pub fn time_launches(&self) {
        self.engine.times.begin();
    }

    /// What each kernel took on the device since [`Self::time_launches`] or the last call, longest first; waits for what
    /// was launched.
    ///
    /// # Errors
    /// [`EngineError::Fault`], also of a launch before that failed on the device.
    pub fn launch_times(&self) -> Result<Vec<KernelTime>, EngineError> {
        if let Inner::Cuda(gpu) = &self.engine.inner {
            gpu.launch_times(self.name)?.into_iter().for_each(|(kernel, s)| self.engine.times.add(kernel, s));
        }
        Ok(self.engine.times.take())
    }

    /// Begins a launch; its arguments follow in the order of the kernel's parameters.
    pub fn launch(&self, kernel: &'a Kernel, shape: Shape) -> Launch<'a> {
        Launch::new(*self, kernel, shape)
    }
}
