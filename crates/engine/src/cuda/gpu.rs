//! One GPU: its context, its streams, and its loaded kernels.
//!
//! Uploads go through page-locked memory on their own stream and overlap with kernels. After each upload, the compute
//! stream waits for it and owns the memory from then on. No other events are needed; cudarc's event tracking is therefore
//! off, as it would cost two driver calls per buffer and launch.
//!
//! `kernels/emulated/driver` simulates a GPU, on which this module can be tested without one.

use std::collections::HashMap;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUdevice_attribute, CUfunction_attribute};
use cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaModule, CudaSlice, CudaStream, DevicePtr, DevicePtrMut, PinnedHostSlice,
    SyncOnDrop,
};
use cudarc::nvrtc::Ptx;

use super::clock::Clock;
use super::{cache, faults};
use crate::buffer::{Element, Memory, bytes_of, bytes_of_mut};
use crate::memory;
use crate::{COPY, Device, EngineError, FaultKind, Kernel, Limits, Shape, kernel_source};

/// Bytes per chunk of a copy between host and device.
const CHUNK_BYTES: usize = 8 << 20;
/// Chunks that are in flight at a time.
const CHUNKS: usize = 4;
/// Fewest bytes that come from the device through chunks; fewer are copied at once.
const CHUNKED_BYTES: usize = 1 << 20;
/// Freed bytes that the driver's pool may retain, so that small buffers do not need new memory for every launch.
const POOL_RETAINED_BYTES: u64 = 1 << 30;
/// Dynamic shared memory per block that a launch may have without opting in. A GPU gives a block 48 KiB by default; the
/// rest is for what the kernel declares itself.
const DEFAULT_SHARED_BYTES: u32 = 32 * 1024;

pub struct Gpu {
    index: usize,
    context: Arc<CudaContext>,
    compute: Arc<CudaStream>,
    copies: Arc<CudaStream>,
    /// `sm_90` and the like; `compute_90` if NVRTC does not know the GPU.
    architecture: String,
    cache: PathBuf,
    modules: Mutex<HashMap<&'static str, Arc<CudaModule>>>,
    functions: Mutex<HashMap<&'static str, CudaFunction>>,
    staging: Mutex<Staging>,
    clock: Clock,
    /// Description of the last launch: the driver reports a launch's fault in a later call.
    last_launch: Mutex<String>,
}

/// Page-locked chunks, used in turn. A chunk's event says when its last copy has finished.
struct Staging {
    chunks: [(PinnedHostSlice<u8>, CudaEvent); CHUNKS],
    next: usize,
}

impl Gpu {
    pub fn open(index: usize, cache: &Path) -> Result<Self, EngineError> {
        let device = Device::cuda(index);
        let fault = |reason: String, kind, remedy| EngineError::Fault {
            device,
            stage: "start",
            action: "opening the device".into(),
            reason,
            remedy,
            kind,
        };
        super::usable(index).map_err(|why| fault(why, FaultKind::DeviceLost, "use --device cpu or auto"))?;
        let driver_fault = |error: DriverError| {
            let (kind, remedy) = faults::explain(error.0);
            fault(error.to_string(), kind, remedy)
        };
        let context = CudaContext::new(index).map_err(driver_fault)?;
        // SAFETY: nothing has been allocated yet. Every buffer is used on the compute stream only: `send` makes that
        // stream wait for each upload, and `owns` refuses buffers of other streams.
        unsafe { context.disable_event_tracking() };
        retain_freed_memory(&context).map_err(driver_fault)?;
        let (major, minor) = context.compute_capability().map_err(driver_fault)?;
        let chunk = || -> Result<_, DriverError> {
            // Not write-combined, as cudarc has it by default: what comes from the device is read from there.
            // SAFETY: every bit pattern is a byte, and a chunk is written before it is read.
            Ok((unsafe { context.alloc_pinned_with_flags(CHUNK_BYTES, 0) }?, context.new_event(None)?))
        };
        let chunks: Vec<_> = (0..CHUNKS).map(|_| chunk()).collect::<Result<_, _>>().map_err(driver_fault)?;
        let Ok(chunks) = chunks.try_into() else { unreachable!("as many chunks were made") };
        Ok(Self {
            index,
            compute: context.new_stream().map_err(driver_fault)?,
            copies: context.new_stream().map_err(driver_fault)?,
            architecture: super::nvrtc::architecture((major, minor))
                .map_err(|why| fault(why, FaultKind::Unsupported, "install a newer NVRTC, or use --device cpu"))?,
            cache: cache.to_owned(),
            modules: Mutex::default(),
            functions: Mutex::default(),
            staging: Mutex::new(Staging { chunks, next: 0 }),
            clock: Clock::default(),
            last_launch: Mutex::default(),
            context,
        })
    }

    fn fault(&self, stage: &'static str, action: impl Into<String>, error: DriverError) -> EngineError {
        let (kind, remedy) = faults::explain(error.0);
        let mut action = action.into();
        let last = self.last_launch.lock().unwrap_or_else(PoisonError::into_inner);
        // A launch's fault is reported by whatever is called next.
        if kind == FaultKind::DeviceLost && !last.is_empty() {
            action = format!("{action} (the last launch was {last})");
        }
        EngineError::Fault { device: Device::cuda(self.index), stage, action, reason: error.to_string(), remedy, kind }
    }

    pub fn limits(&self, stage: &'static str) -> Result<Limits, EngineError> {
        let fault = |error| self.fault(stage, "reading the device's limits", error);
        let attribute = |which| self.context.attribute(which).map_err(fault);
        // Freed buffers count as free memory only after the streams have reached the free.
        self.check_launches(stage, self.context.synchronize(), || "reading the device's limits".to_owned())?;
        let (free, _) = self.context.mem_get_info().map_err(fault)?;
        Ok(Limits {
            free_bytes: free as u64 + retained_bytes(&self.context).map_err(fault)?,
            shared_bytes: attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)? as u32,
            multiprocessors: attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)? as u32,
            // In kHz. A driver that no longer tells it may say 0.
            clock_hz: f64::from(attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)?.max(1)) * 1e3,
            stops_long_launches: attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT)? != 0,
        })
    }

    /// A folder for compiled kernels of other libraries, below that for ours.
    pub fn foreign_kernels(&self) -> PathBuf {
        let version = |found: Result<(i32, i32), String>| {
            found.map_or_else(|_| "unknown".to_owned(), |(major, minor)| format!("{major}.{minor}"))
        };
        let (nvrtc, driver) = (version(super::nvrtc_version()), version(super::driver_version()));
        self.cache.join(format!("foreign-{}-nvrtc-{nvrtc}-driver-{driver}", self.architecture))
    }

    /// Gives the memory of freed buffers back to the device.
    pub fn release_freed(&self, stage: &'static str) -> Result<(), EngineError> {
        self.check_launches(stage, self.context.synchronize(), || "freeing memory".to_owned())?;
        trim_pool(&self.context).map_err(|error| self.fault(stage, "freeing memory", error))
    }

    /// Whether this GPU's engine made the buffer. Another engine's buffer may be on another GPU, and its stream is not
    /// synchronised with this one's.
    pub fn owns(&self, memory: &CudaSlice<u8>) -> bool {
        Arc::ptr_eq(memory.stream(), &self.compute)
    }

    pub fn upload<T: Element>(&self, stage: &'static str, values: &[T]) -> Result<Memory<T>, EngineError> {
        self.upload_parts(stage, &[values])
    }

    /// Uploads arrays one after the other into one buffer.
    pub fn upload_parts<T: Element>(&self, stage: &'static str, parts: &[&[T]]) -> Result<Memory<T>, EngineError> {
        let parts: Vec<&[u8]> = parts.iter().map(|part| bytes_of(part)).collect();
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        self.send(&parts, bytes)
            .map(|memory| Memory::Cuda(memory, PhantomData))
            .map_err(|error| self.fault(stage, format!("copying {bytes} bytes to the device"), error))
    }

    fn send(&self, parts: &[&[u8]], bytes: usize) -> Result<CudaSlice<u8>, DriverError> {
        self.context.bind_to_thread()?;
        // SAFETY: the copies below write every byte before anything reads it.
        let mut memory = unsafe { self.copies.alloc::<u8>(bytes) }?;
        let mut at = memory.device_ptr_mut(&self.copies).0;
        let mut staging = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        for pieces in memory::chunks(parts, CHUNK_BYTES) {
            let which = staging.next;
            staging.next = (which + 1) % staging.chunks.len();
            let (pinned, copied) = &mut staging.chunks[which];
            copied.synchronize()?;
            let filled = memory::gather(&pieces, pinned.as_mut_slice()?);
            let pinned = &pinned.as_slice()?[..filled];
            // SAFETY: `memory` has at least as many bytes after `at`, since it has those of all parts, and the chunk is not
            // written again before its event.
            unsafe { result::memcpy_htod_async(at, pinned, self.copies.cu_stream()) }?;
            copied.record(&self.copies)?;
            at += filled as u64;
        }
        drop(staging);
        self.compute.join(&self.copies)?;
        let len = memory.len();
        // SAFETY: `leak` gives up the memory, which has `len` bytes, so it is freed once. The compute stream has joined the
        // copies, so whatever it does with the memory comes after them.
        Ok(unsafe { self.compute.upgrade_device_ptr(memory.leak(), len) })
    }

    pub fn zeros<T: Element>(&self, stage: &'static str, len: usize) -> Result<Memory<T>, EngineError> {
        // A length beyond all memory must not wrap to a small one; the driver refuses it.
        let bytes = len.saturating_mul(size_of::<T>());
        self.compute
            .alloc_zeros::<u8>(bytes)
            .map(|memory| Memory::Cuda(memory, PhantomData))
            .map_err(|error| self.fault(stage, format!("allocating {bytes} bytes on the device"), error))
    }

    pub fn download<T: Element>(
        &self,
        stage: &'static str,
        memory: &CudaSlice<u8>,
        values: &mut [T],
    ) -> Result<(), EngineError> {
        let bytes = bytes_of_mut(values);
        let result = if bytes.len() < CHUNKED_BYTES {
            self.compute.memcpy_dtoh(memory, &mut *bytes).and_then(|()| self.compute.synchronize())
        } else {
            self.receive(memory, bytes)
        };
        self.check_launches(stage, result, || format!("copying {} bytes from the device", bytes.len()))
    }

    /// Copies a buffer to the host in chunks: while one is on its way, all cores empty those that have arrived.
    fn receive(&self, memory: &CudaSlice<u8>, bytes: &mut [u8]) -> Result<(), DriverError> {
        self.context.bind_to_thread()?;
        let source = memory.device_ptr(&self.compute).0;
        let mut staging = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        let chunks = &mut staging.chunks;
        // Uploads may still read them.
        chunks.iter().try_for_each(|(_, copied)| copied.synchronize())?;
        let lengths: Vec<usize> = bytes.chunks(CHUNK_BYTES).map(<[u8]>::len).collect();
        let start = |chunks: &mut [(PinnedHostSlice<u8>, CudaEvent)], k: usize| -> Result<(), DriverError> {
            let (pinned, copied) = &mut chunks[k % CHUNKS];
            let pinned = &mut pinned.as_mut_slice()?[..lengths[k]];
            let from = source + (k * CHUNK_BYTES) as u64;
            // SAFETY: `memory` has as many bytes from there on, and nobody touches the chunk before its event.
            unsafe { result::memcpy_dtoh_async(pinned, from, self.compute.cu_stream()) }?;
            copied.record(&self.compute)
        };
        (0..lengths.len().min(CHUNKS)).try_for_each(|k| start(chunks, k))?;
        for (k, out) in bytes.chunks_mut(CHUNK_BYTES).enumerate() {
            let (pinned, copied) = &mut chunks[k % CHUNKS];
            copied.synchronize()?;
            memory::copy(&pinned.as_slice()?[..out.len()], out);
            if k + CHUNKS < lengths.len() {
                start(chunks, k + CHUNKS)?;
            }
        }
        Ok(())
    }

    pub fn wait(&self, stage: &'static str) -> Result<(), EngineError> {
        self.check_launches(stage, self.compute.synchronize(), || "waiting for the device".to_owned())
    }

    /// Checks that all launches up to `result` have succeeded.
    fn check_launches(
        &self,
        stage: &'static str,
        result: Result<(), DriverError>,
        action: impl FnOnce() -> String,
    ) -> Result<(), EngineError> {
        result.and_then(|()| self.context.check_err()).map_err(|error| self.fault(stage, action(), error))
    }

    pub fn copy(
        &self,
        stage: &'static str,
        from: &CudaSlice<u8>,
        to: &mut CudaSlice<u8>,
        timed: bool,
    ) -> Result<(), EngineError> {
        let bytes = from.len();
        let copied = self.clock.measure(timed, &self.compute, COPY, || self.compute.memcpy_dtod(from, to));
        copied.map_err(|error| self.fault(stage, format!("copying {bytes} bytes within the device"), error))
    }

    /// The seconds of each timed launch since the last call. Waits until they have finished.
    pub fn launch_times(&self, stage: &'static str) -> Result<Vec<(&'static str, f64)>, EngineError> {
        self.clock.take().map_err(|error| self.fault(stage, "timing launches", error))
    }

    pub fn read_pointer<'a>(&'a self, memory: &'a CudaSlice<u8>) -> (u64, SyncOnDrop<'a>) {
        memory.device_ptr(&self.compute)
    }

    pub fn write_pointer<'a>(&'a self, memory: &'a mut CudaSlice<u8>) -> (u64, SyncOnDrop<'a>) {
        memory.device_ptr_mut(&self.compute)
    }

    /// Launches a kernel on the compute stream.
    ///
    /// # Safety
    /// There are as many `arguments` as the kernel has parameters. Each points at a value of the parameter's type, or at a
    /// device pointer to a buffer that this GPU [owns](Self::owns). With this shape and these arguments, the kernel must
    /// stay within its buffers.
    pub unsafe fn launch(
        &self,
        stage: &'static str,
        kernel: &Kernel,
        shape: Shape,
        arguments: &mut [*mut c_void],
        timed: bool,
    ) -> Result<(), EngineError> {
        let function = self.function(stage, kernel)?;
        let [x, y, z] = shape.blocks;
        let description = format!(
            "{} with {x} × {y} × {z} blocks of {} threads and {} bytes of shared memory",
            kernel.name, shape.threads, shape.shared_bytes
        );
        let launched = self.context.bind_to_thread().and_then(|()| {
            if shape.shared_bytes > DEFAULT_SHARED_BYTES {
                let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                function.set_attribute(attribute, shape.shared_bytes as i32)?;
            }
            self.clock.measure(timed, &self.compute, kernel.name, || {
                // SAFETY: the caller guarantees that the arguments are those of the kernel and that it stays within its
                // buffers. The driver copies the arguments before it returns. Function and stream are of this context,
                // and both are alive.
                unsafe {
                    result::launch_kernel(
                        function.cu_function(),
                        (x, y, z),
                        (shape.threads, 1, 1),
                        shape.shared_bytes,
                        self.compute.cu_stream() as sys::CUstream,
                        arguments,
                    )
                }
            })
        });
        launched.map_err(|error| self.fault(stage, format!("launching {description}"), error))?;
        *self.last_launch.lock().unwrap_or_else(PoisonError::into_inner) = description;
        Ok(())
    }

    fn function(&self, stage: &'static str, kernel: &Kernel) -> Result<CudaFunction, EngineError> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = functions.get(kernel.name) {
            return Ok(function.clone());
        }
        let loading = || format!("loading kernel {}", kernel.name);
        let module = self.module(stage, kernel.file)?;
        let function = module.load_function(kernel.name).map_err(|error| self.fault(stage, loading(), error))?;
        functions.insert(kernel.name, function.clone());
        Ok(function)
    }

    fn module(&self, stage: &'static str, file: &'static str) -> Result<Arc<CudaModule>, EngineError> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.get(file) {
            return Ok(module.clone());
        }
        let missing = || EngineError::Kernel { stage, kernel: file, detail: "there is no such file".into() };
        let source = kernel_source(file).ok_or_else(missing)?;
        let cubin =
            cache::cubin(&self.cache, file, &source, &self.architecture).map_err(|reason| EngineError::Fault {
                device: Device::cuda(self.index),
                stage,
                action: format!("compiling {file}.cu for {}", self.architecture),
                reason,
                remedy: "install a newer NVRTC if it does not know the GPU, or use --device cpu",
                kind: FaultKind::Unsupported,
            })?;
        let module = self
            .context
            .load_module(Ptx::from_binary(cubin))
            .map_err(|error| self.fault(stage, format!("loading {file}.cu"), error))?;
        modules.insert(file, module.clone());
        Ok(module)
    }
}

impl Drop for Gpu {
    /// Waits for all work. It may still use the page-locked chunks and the loaded kernels, which are freed next, and the
    /// driver does not promise to wait when they are.
    fn drop(&mut self) {
        for stream in [&self.copies, &self.compute] {
            // An error means that a fault has stopped all work; it has been reported by an earlier call.
            let _ = stream.synchronize();
        }
    }
}

/// The pool that buffers are allocated from, if the GPU has one.
fn pool(context: &CudaContext) -> Result<Option<sys::CUmemoryPool>, DriverError> {
    if context.attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED)? == 0 {
        return Ok(None);
    }
    // SAFETY: the device is that of the context, so it is valid.
    unsafe { result::device::get_default_mem_pool(context.cu_device()) }.map(Some)
}

/// Lets the pool retain up to [`POOL_RETAINED_BYTES`] of freed memory.
fn retain_freed_memory(context: &CudaContext) -> Result<(), DriverError> {
    let Some(pool) = pool(context)? else { return Ok(()) };
    let (mut bytes, attribute) = (POOL_RETAINED_BYTES, sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD);
    // SAFETY: the pool is the device's own, and the value of this attribute is a 64-bit number.
    unsafe { result::mem_pool::set_attribute(pool, attribute, (&raw mut bytes).cast()) }
}

/// Bytes of freed memory that the pool retains: new buffers may have them.
fn retained_bytes(context: &CudaContext) -> Result<u64, DriverError> {
    let Some(pool) = pool(context)? else { return Ok(0) };
    let read = |attribute| {
        let mut bytes = 0_u64;
        // SAFETY: the pool is the device's own, and the value of both attributes is a 64-bit number.
        unsafe { result::mem_pool::get_attribute(pool, attribute, (&raw mut bytes).cast()) }.map(|()| bytes)
    };
    let reserved = read(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)?;
    let used = read(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)?;
    Ok(reserved.saturating_sub(used))
}

/// Returns the pool's freed memory to the device.
fn trim_pool(context: &CudaContext) -> Result<(), DriverError> {
    let Some(pool) = pool(context)? else { return Ok(()) };
    // SAFETY: the pool is the device's own.
    unsafe { result::mem_pool::trim_to(pool, 0) }
}
