//! The compute engine: opens devices, manages their memory, and launches kernels.
//!
//! An [`Engine`] is a device that runs the kernels in `kernels/`: a GPU, or the emulated device, which runs the same
//! source compiled as C++. The CPU needs no engine: each stage has its own CPU code, which gives the same bits.

mod batches;
mod buffer;
mod compute;
mod cuda;
mod device;
#[cfg(feature = "emulated")]
mod emulated;
mod error;
mod kernel;
mod launch;
pub mod memory;
mod panel;
mod resident;
mod selftest;
mod share;
mod times;

use std::path::Path;
use std::sync::Arc;

pub use batches::Batches;
pub use buffer::{DeviceBuffer, Element, ElementKind};
pub use compute::{Compute, Loss};
pub use cuda::{CompiledKernels, GpuInfo, compile, compile_fused, driver_version, gpus, nvrtc_version, use_nvrtc};
pub use device::{Cards, Device, DeviceChoice, DeviceError};
pub use error::{EngineError, FaultKind};
pub use kernel::{KERNEL_FILES, Kernel, KernelSource, Shape, kernel_constant, kernel_integer, kernel_source};
pub use launch::Launch;
pub use panel::{DevicePanel, symbol_costs};
pub use resident::Content;
pub use share::{Divide, Items, Rows};
pub use times::KernelTime;

use batches::Paces;
use buffer::Memory;
use resident::Residents;
use times::Times;

/// Name under which copies within the device appear among the kernel times.
const COPY: &str = "copy";

/// An open device that runs kernels.
pub struct Engine {
    device: Device,
    /// Ahead of `inner`, so that they are freed before the device goes.
    residents: Residents,
    inner: Inner,
    times: Times,
    paces: Paces,
}

enum Inner {
    #[cfg(feature = "emulated")]
    Emulated(emulated::Emulated),
    Cuda(Box<cuda::Gpu>),
}

/// The resources of a device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Free memory on the device.
    pub free_bytes: u64,
    /// Most shared memory that one block may have.
    pub shared_bytes: u32,
    /// Number of multiprocessors: so many blocks run at the same time at least. On the emulated device, CPU threads.
    pub multiprocessors: u32,
    /// Their clock; 1 where it does not matter or is not known.
    pub clock_hz: f64,
    /// Whether the device stops launches that take too long, as one that drives a display does.
    pub stops_long_launches: bool,
}

impl Engine {
    /// Opens `device`, of several GPUs the first. Returns none for the CPU, which runs no kernels.
    ///
    /// `cache` is the folder for compiled kernels; only CUDA uses it.
    ///
    /// # Errors
    /// [`EngineError::Fault`] if the device cannot be opened.
    pub fn open(device: Device, cache: &Path) -> Result<Option<Self>, EngineError> {
        let inner = match device {
            Device::Cpu => return Ok(None),
            Device::Cuda(cards) => Inner::Cuda(Box::new(cuda::Gpu::open(cards.first(), cache)?)),
            #[cfg(feature = "emulated")]
            Device::Emulated => Inner::Emulated(emulated::Emulated::open()?),
            #[cfg(not(feature = "emulated"))]
            Device::Emulated => {
                return Err(EngineError::Fault {
                    device,
                    stage: "start",
                    action: "opening the device".into(),
                    reason: DeviceError::NotBuilt.to_string(),
                    remedy: "or use --device cpu",
                    kind: FaultKind::DeviceLost,
                });
            }
        };
        Ok(Some(Self::of(device, inner)))
    }

    /// The emulated device. `seed` sets the order in which threads run, `free_bytes` the memory it reports as free.
    ///
    /// # Errors
    /// [`EngineError::Fault`] if the library named by `HURACAN_EMULATED_KERNELS` cannot be loaded.
    #[cfg(feature = "emulated")]
    pub fn emulated(seed: u64, free_bytes: u64) -> Result<Self, EngineError> {
        let emulated = emulated::Emulated::open()?.with(seed, free_bytes);
        Ok(Self::of(Device::Emulated, Inner::Emulated(emulated)))
    }

    /// [`Self::emulated`] with the kernels of another library than the built-in one.
    ///
    /// # Errors
    /// [`EngineError::Fault`] if the library cannot be loaded.
    #[cfg(feature = "emulated")]
    pub fn emulated_with(library: &Path, seed: u64, free_bytes: u64) -> Result<Self, EngineError> {
        let emulated = emulated::Emulated::open_with(library)?.with(seed, free_bytes);
        Ok(Self::of(Device::Emulated, Inner::Emulated(emulated)))
    }

    fn of(device: Device, inner: Inner) -> Self {
        Self { device, residents: Residents::default(), inner, times: Times::default(), paces: Paces::default() }
    }

    /// The device that this engine runs on.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The engine as used by one stage. Errors carry the stage's name.
    pub fn stage(&self, name: &'static str) -> Stage<'_> {
        self.stage_with_share(name, 1)
    }

    /// A stage for which the device has only one `share`th of its free memory.
    fn stage_with_share(&self, name: &'static str, share: u64) -> Stage<'_> {
        Stage { engine: self, name, share }
    }
}

/// An [`Engine`] as used by one stage, such as `features` or `labels`.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    engine: &'a Engine,
    name: &'static str,
    /// It takes the free memory for one `share`th of what it is.
    share: u64,
}

impl<'a> Stage<'a> {
    /// Name of the stage.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The device that the stage runs on.
    pub fn device(&self) -> Device {
        self.engine.device
    }

    /// The device's resources, as they are now.
    ///
    /// # Errors
    /// [`EngineError::Fault`] if the device does not respond.
    pub fn limits(&self) -> Result<Limits, EngineError> {
        let mut limits = match &self.engine.inner {
            #[cfg(feature = "emulated")]
            Inner::Emulated(emulated) => emulated.limits(),
            Inner::Cuda(gpu) => {
                let mut limits = gpu.limits(self.name)?;
                // Data that stay there give way to what a stage needs.
                limits.free_bytes += self.engine.residents.idle_bytes();
                limits
            }
        };
        limits.free_bytes /= self.share;
        Ok(limits)
    }

    /// Frees what stays on the device and nobody holds, and gives all freed memory back, for others who use the device.
    ///
    /// # Errors
    /// [`EngineError::Fault`] if the device does not respond.
    pub fn release(&self) -> Result<(), EngineError> {
        self.engine.residents.free(u64::MAX);
        match &self.engine.inner {
            #[cfg(feature = "emulated")]
            Inner::Emulated(_) => Ok(()),
            Inner::Cuda(gpu) => gpu.release_freed(self.name),
        }
    }

    /// A folder for compiled kernels of other libraries: of this GPU's architecture, NVRTC and driver. None on other devices.
    pub fn foreign_kernels(&self) -> Option<std::path::PathBuf> {
        match &self.engine.inner {
            #[cfg(feature = "emulated")]
            Inner::Emulated(_) => None,
            Inner::Cuda(gpu) => Some(gpu.foreign_kernels()),
        }
    }

    /// Splits `jobs` into batches that fit the device's free memory, as few as that allows; on a device that stops long
    /// launches, also into [paced](Batches::paced) ones.
    ///
    /// # Errors
    /// [`EngineError::TooLarge`] if one job does not fit; [`EngineError::Fault`] if the device does not respond.
    pub fn batches(&self, requirement: memory::Requirement, jobs: usize) -> Result<Batches<'a>, EngineError> {
        Batches::new(*self, requirement, jobs)
    }

    fn paces(&self) -> &'a Paces {
        &self.engine.paces
    }

    /// Copies values to a new buffer on the device.
    ///
    /// # Errors
    /// [`EngineError::Fault`]; its kind is [`FaultKind::OutOfMemory`] if the device is full.
    pub fn upload<T: Element>(&self, values: &[T]) -> Result<DeviceBuffer<T>, EngineError> {
        let memory = match &self.engine.inner {
            _ if values.is_empty() => Memory::Nothing,
            #[cfg(feature = "emulated")]
            Inner::Emulated(_) => Memory::Host(values.to_vec()),
            Inner::Cuda(gpu) => self.with_space(size_of_val(values), gpu, || gpu.upload(self.name, values))?,
        };
        Ok(DeviceBuffer { memory, len: values.len() })
    }

    /// Copies several arrays to a new buffer on the device, one after the other.
    ///
    /// # Errors
    /// As [`Self::upload`].
    pub fn upload_parts<T: Element>(&self, parts: &[&[T]]) -> Result<DeviceBuffer<T>, EngineError> {
        if let [only] = parts {
            return self.upload(only);
        }
        let len = parts.iter().map(|part| part.len()).sum();
        let memory = match &self.engine.inner {
            _ if len == 0 => Memory::Nothing,
            #[cfg(feature = "emulated")]
            Inner::Emulated(_) => Memory::Host(parts.concat()),
            Inner::Cuda(gpu) => {
                let bytes = len * size_of::<T>();
                self.with_space(bytes, gpu, || gpu.upload_parts(self.name, parts))?
            }
        };
        Ok(DeviceBuffer { memory, len })
    }

    /// A buffer with these values that stays on the device: where one with the same content is there already, from this stage
    /// or another one, nothing is copied. It gives way when memory is needed and nobody holds it.
    ///
    /// # Errors
    /// As [`Self::upload`].
    pub fn resident<T: Element>(&self, values: &[T]) -> Result<Arc<DeviceBuffer<T>>, EngineError> {
        if values.is_empty() {
            return self.upload(values).map(Arc::new);
        }
        let content = Content::of(values);
        match self.engine.residents.find(&content) {
            Some(found) => Ok(found),
            None => Ok(self.keep_as(content, self.upload(values)?)),
        }
    }

    fn keep_as<T: Element>(&self, content: Content, buffer: DeviceBuffer<T>) -> Arc<DeviceBuffer<T>> {
        let kept = self.engine.residents.keep(content, buffer);
        // The emulated device's memory is the host's: nothing would tell that it is full.
        #[cfg(feature = "emulated")]
        if let Inner::Emulated(emulated) = &self.engine.inner {
            let over = self.engine.residents.idle_bytes().saturating_sub(emulated.limits().free_bytes);
            if over > 0 {
                self.engine.residents.free(over);
            }
        }
        kept
    }

    /// Lets a buffer stay on the device, whose values on the host are these: a later [`Self::resident`] of them finds it.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn keep<T: Element>(&self, values: &[T], buffer: DeviceBuffer<T>) -> Arc<DeviceBuffer<T>> {
        assert_eq!(buffer.len, values.len(), "as many values as the buffer has");
        self.keep_as(Content::of(values), buffer)
    }

    /// Allocates, and once more after data that stay on the device have given way, if there was no memory.
    fn with_space<T>(
        &self,
        bytes: usize,
        gpu: &cuda::Gpu,
        allocate: impl Fn() -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        match allocate() {
            Err(error) if error.is_out_of_memory() && self.engine.residents.free(bytes as u64) => {
                gpu.release_freed(self.name)?;
                allocate()
            }
            result => result,
        }
    }

    /// A new buffer of `len` values on the device, with all bits 0.
    ///
    /// # Errors
    /// [`EngineError::Fault`]; its kind is [`FaultKind::OutOfMemory`] if the device is full.
    pub fn zeros<T: Element>(&self, len: usize) -> Result<DeviceBuffer<T>, EngineError> {
        let memory = match &self.engine.inner {
            _ if len == 0 => Memory::Nothing,
            #[cfg(feature = "emulated")]
            Inner::Emulated(_) => Memory::Host(buffer::zeros(len)),
            Inner::Cuda(gpu) => {
                let bytes = len.saturating_mul(size_of::<T>());
                self.with_space(bytes, gpu, || gpu.zeros::<T>(self.name, len))?
            }
        };
        Ok(DeviceBuffer { memory, len })
    }

    /// Copies a buffer's values to the host, after all earlier launches have finished.
    ///
    /// # Errors
    /// [`EngineError::Fault`] if the copy or an earlier launch failed; [`EngineError::ForeignBuffer`] if another engine
    /// made the buffer.
    pub fn download<T: Element>(&self, buffer: &DeviceBuffer<T>) -> Result<Vec<T>, EngineError> {
        let mut values = buffer::zeros(buffer.len);
        self.download_into(buffer, &mut values)?;
        Ok(values)
    }

    /// Like [`Self::download`], into the caller's slice.
    ///
    /// # Errors
    /// As [`Self::download`].
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn download_into<T: Element>(&self, buffer: &DeviceBuffer<T>, values: &mut [T]) -> Result<(), EngineError> {
        assert_eq!(buffer.len, values.len(), "the slice must be as long as the buffer");
        match (&self.engine.inner, &buffer.memory) {
            (_, Memory::Nothing) => Ok(()),
            #[cfg(feature = "emulated")]
            (Inner::Emulated(_), Memory::Host(memory)) => {
                values.copy_from_slice(memory);
                Ok(())
            }
            (Inner::Cuda(gpu), Memory::Cuda(memory, _)) if gpu.owns(memory) => gpu.download(self.name, memory, values),
            _ => Err(EngineError::ForeignBuffer { stage: self.name, action: "download" }),
        }
    }

    /// Copies values from one buffer to another of the same length, on the device.
    ///
    /// # Errors
    /// [`EngineError::Fault`] if the device fails; [`EngineError::ForeignBuffer`] if another engine made a buffer.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn copy<T: Element>(&self, from: &DeviceBuffer<T>, to: &mut DeviceBuffer<T>) -> Result<(), EngineError> {
        assert_eq!(from.len, to.len, "both buffers must have the same length");
        match (&self.engine.inner, &from.memory, &mut to.memory) {
            #[cfg(feature = "emulated")]
            (Inner::Emulated(_), Memory::Host(from), Memory::Host(to)) => {
                self.engine.times.measure(COPY, || memory::copy(from, to));
                Ok(())
            }
            (Inner::Cuda(gpu), Memory::Cuda(from, _), Memory::Cuda(to, _)) if gpu.owns(from) && gpu.owns(to) => {
                gpu.copy(self.name, from, to, self.engine.times.enabled())
            }
            (_, Memory::Nothing, Memory::Nothing) => Ok(()),
            _ => Err(EngineError::ForeignBuffer { stage: self.name, action: COPY }),
        }
    }

    /// Waits until the device has finished all copies and launches.
    ///
    /// # Errors
    /// [`EngineError::Fault`] if one of them failed.
    pub fn wait(&self) -> Result<(), EngineError> {
        match &self.engine.inner {
            #[cfg(feature = "emulated")]
            Inner::Emulated(_) => Ok(()),
            Inner::Cuda(gpu) => gpu.wait(self.name),
        }
    }

    /// Measures the time of every launch from now on, or no longer; see [`Self::launch_times`]. It makes launches slower, by two
    /// events each.
    pub fn time_launches(&self, on: bool) {
        self.engine.times.enable(on);
    }

    /// The time that each kernel took on the device since [`Self::time_launches`] or the last call of this function, in
    /// the order of the kernels' names. Waits until all launches have finished.
    ///
    /// # Errors
    /// [`EngineError::Fault`] if an earlier launch failed.
    pub fn launch_times(&self) -> Result<Vec<KernelTime>, EngineError> {
        match &self.engine.inner {
            #[cfg(feature = "emulated")]
            Inner::Emulated(_) => {}
            Inner::Cuda(gpu) => {
                for (kernel, seconds) in gpu.launch_times(self.name)? {
                    self.engine.times.add(kernel, seconds);
                }
            }
        }
        Ok(self.engine.times.take())
    }

    /// Starts to build a launch. The arguments follow in the order of the kernel's parameters.
    pub fn launch(&self, kernel: &'a Kernel, shape: Shape) -> Launch<'a> {
        Launch::new(*self, kernel, shape)
    }
}
