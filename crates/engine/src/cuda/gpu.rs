//! One GPU: its context, its streams, its loaded kernels.
//!
//! Uploads go through page-locked memory on a stream of their own and overlap with kernels; after each one the kernels' stream
//! waits for it, and the memory is that stream's from then on. So no other events are needed: cudarc's own would cost a launch
//! two calls of the driver for each of its buffers. Not yet run on a GPU, but on a simulated one (`kernels/emulated/driver`).

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
use crate::{COPY, Device, EngineError, Kernel, Limits, Loss, Shape, whole_text};

/// Bytes of one piece of an upload, of which two are under way at a time.
const PIECE_BYTES: usize = 8 << 20;
/// Bytes that the driver may keep at hand of what was given back, so that small buffers need no new memory for every launch.
const KEPT_BYTES: u64 = 1 << 30;
/// Shared memory that every GPU gives a block unasked is 48 KiB, with what the kernel declares itself.
const UNASKED_SHARED_BYTES: u32 = 32 * 1024;

pub struct Gpu {
    index: usize,
    context: Arc<CudaContext>,
    compute: Arc<CudaStream>,
    copies: Arc<CudaStream>,
    /// `sm_90` and the like.
    architecture: String,
    cache: PathBuf,
    modules: Mutex<HashMap<&'static str, Arc<CudaModule>>>,
    functions: Mutex<HashMap<&'static str, CudaFunction>>,
    staging: Mutex<Staging>,
    clock: Clock,
    /// What was launched last: a fault shows up in a later call.
    last_launch: Mutex<String>,
}

/// Page-locked pieces, used in turn.
struct Staging {
    pieces: [(PinnedHostSlice<u8>, CudaEvent); 2],
    next: usize,
}

impl Gpu {
    pub fn open(index: usize, cache: &Path) -> Result<Self, EngineError> {
        let device = Device::Cuda(index);
        let fault = |reason: String, loss, remedy| EngineError::Fault {
            device,
            stage: "start",
            action: "opening the device".into(),
            reason,
            remedy,
            loss,
        };
        super::usable(index).map_err(|why| fault(why, Loss::Device, "use --device cpu or auto"))?;
        let told = |error: DriverError| {
            let (loss, remedy) = faults::explain(error.0);
            fault(error.to_string(), loss, remedy)
        };
        let context = CudaContext::new(index).map_err(told)?;
        // SAFETY: nothing is allocated yet. `send` hands every upload over to the one stream that all else is done on.
        unsafe { context.disable_event_tracking() };
        keep_memory(&context).map_err(told)?;
        let (major, minor) = context.compute_capability().map_err(told)?;
        let piece = || -> Result<_, DriverError> {
            // SAFETY: a piece is written before it is read.
            Ok((unsafe { context.alloc_pinned(PIECE_BYTES) }?, context.new_event(None)?))
        };
        Ok(Self {
            index,
            compute: context.new_stream().map_err(told)?,
            copies: context.new_stream().map_err(told)?,
            architecture: format!("sm_{major}{minor}"),
            cache: cache.to_owned(),
            modules: Mutex::default(),
            functions: Mutex::default(),
            staging: Mutex::new(Staging { pieces: [piece().map_err(told)?, piece().map_err(told)?], next: 0 }),
            clock: Clock::default(),
            last_launch: Mutex::default(),
            context,
        })
    }

    fn fault(&self, stage: &'static str, action: impl Into<String>, error: DriverError) -> EngineError {
        let (loss, remedy) = faults::explain(error.0);
        EngineError::Fault {
            device: Device::Cuda(self.index),
            stage,
            action: action.into(),
            reason: error.to_string(),
            remedy,
            loss,
        }
    }

    pub fn limits(&self, stage: &'static str) -> Result<Limits, EngineError> {
        let told = |error| self.fault(stage, "asking for free memory", error);
        let attribute = |which| self.context.attribute(which).map_err(told);
        // What was given back counts as free once the streams have come that far and the pool has let it go.
        self.context.synchronize().and_then(|()| let_memory_go(&self.context)).map_err(told)?;
        let (free, _) = self.context.mem_get_info().map_err(told)?;
        Ok(Limits {
            free_bytes: free as u64,
            shared_bytes: attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)? as u32,
            multiprocessors: attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)? as u32,
        })
    }

    pub fn upload<T: Element>(&self, stage: &'static str, values: &[T]) -> Result<Memory<T>, EngineError> {
        let bytes = bytes_of(values);
        self.send(bytes)
            .map(|memory| Memory::Cuda(memory, PhantomData))
            .map_err(|error| self.fault(stage, format!("copying {} bytes to the device", bytes.len()), error))
    }

    fn send(&self, bytes: &[u8]) -> Result<CudaSlice<u8>, DriverError> {
        // SAFETY: every byte is written by the copies below.
        let mut memory = unsafe { self.copies.alloc::<u8>(bytes.len()) }?;
        let target = memory.device_ptr_mut(&self.copies).0;
        let mut staging = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        for (k, piece) in bytes.chunks(PIECE_BYTES).enumerate() {
            let which = staging.next;
            staging.next = (which + 1) % staging.pieces.len();
            let (pinned, sent) = &mut staging.pieces[which];
            sent.synchronize()?;
            let pinned = &mut pinned.as_mut_slice()?[..piece.len()];
            pinned.copy_from_slice(piece);
            let at = target + (k * PIECE_BYTES) as u64;
            // SAFETY: the target has as many bytes left, and the piece is not touched before its event.
            unsafe { result::memcpy_htod_async(at, pinned, self.copies.cu_stream()) }?;
            sent.record(&self.copies)?;
        }
        drop(staging);
        self.compute.join(&self.copies)?;
        let len = memory.len();
        // SAFETY: the memory has that length, and what is done to it from now on comes after the copies.
        Ok(unsafe { self.compute.upgrade_device_ptr(memory.leak(), len) })
    }

    pub fn zeros<T: Element>(&self, stage: &'static str, len: usize) -> Result<Memory<T>, EngineError> {
        let bytes = len * size_of::<T>();
        self.compute
            .alloc_zeros::<u8>(bytes)
            .map(|memory| Memory::Cuda(memory, PhantomData))
            .map_err(|error| self.fault(stage, format!("taking {bytes} bytes on the device"), error))
    }

    pub fn download<T: Element>(
        &self,
        stage: &'static str,
        memory: &CudaSlice<u8>,
        values: &mut [T],
    ) -> Result<(), EngineError> {
        let bytes = bytes_of_mut(values);
        let done = self.compute.memcpy_dtoh(memory, &mut *bytes).and_then(|()| self.compute.synchronize());
        self.whole(stage, done, || format!("copying {} bytes back", bytes.len()))
    }

    pub fn wait(&self, stage: &'static str) -> Result<(), EngineError> {
        self.whole(stage, self.compute.synchronize(), || "waiting for the device".to_owned())
    }

    /// Whether all that was launched went well.
    fn whole(
        &self,
        stage: &'static str,
        done: Result<(), DriverError>,
        action: impl FnOnce() -> String,
    ) -> Result<(), EngineError> {
        done.and_then(|()| self.context.check_err()).map_err(|error| {
            let last = self.last_launch.lock().unwrap_or_else(PoisonError::into_inner);
            self.fault(stage, format!("{} (the last launch was {last})", action()), error)
        })
    }

    pub fn copy(
        &self,
        stage: &'static str,
        from: &CudaSlice<u8>,
        to: &mut CudaSlice<u8>,
        timed: bool,
    ) -> Result<(), EngineError> {
        let bytes = from.len();
        let copied = self.clock.around(timed, &self.compute, COPY, || self.compute.memcpy_dtod(from, to));
        copied.map_err(|error| self.fault(stage, format!("copying {bytes} bytes within the device"), error))
    }

    /// Seconds of every timed launch since the last call; waits for them.
    pub fn launch_times(&self, stage: &'static str) -> Result<Vec<(&'static str, f64)>, EngineError> {
        self.clock.take().map_err(|error| self.fault(stage, "timing launches", error))
    }

    pub fn read_pointer<'a>(&'a self, memory: &'a CudaSlice<u8>) -> (u64, SyncOnDrop<'a>) {
        memory.device_ptr(&self.compute)
    }

    pub fn write_pointer<'a>(&'a self, memory: &'a mut CudaSlice<u8>) -> (u64, SyncOnDrop<'a>) {
        memory.device_ptr_mut(&self.compute)
    }

    pub fn launch(
        &self,
        stage: &'static str,
        kernel: &Kernel,
        shape: Shape,
        arguments: &mut [*mut c_void],
        timed: bool,
    ) -> Result<(), EngineError> {
        let function = self.function(stage, kernel)?;
        let [x, y, z] = shape.blocks;
        let what = format!(
            "{} with {x} × {y} × {z} blocks of {} threads and {} bytes of shared memory",
            kernel.name, shape.threads, shape.shared_bytes
        );
        let launched = self.context.bind_to_thread().and_then(|()| {
            if shape.shared_bytes > UNASKED_SHARED_BYTES {
                let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                function.set_attribute(most, shape.shared_bytes as i32)?;
            }
            self.clock.around(timed, &self.compute, kernel.name, || {
                // SAFETY: the emulated engine holds the same arguments against the kernel's parameters in every test.
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
        launched.map_err(|error| self.fault(stage, format!("launching {what}"), error))?;
        *self.last_launch.lock().unwrap_or_else(PoisonError::into_inner) = what;
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
        let text = whole_text(file).ok_or_else(missing)?;
        let cubin =
            cache::cubin(&self.cache, file, &text, &self.architecture).map_err(|reason| EngineError::Fault {
                device: Device::Cuda(self.index),
                stage,
                action: format!("compiling {file}.cu for {}", self.architecture),
                reason,
                remedy: "install a newer NVRTC if it does not know the GPU, or use --device cpu",
                loss: Loss::Work,
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
    /// Page-locked pieces and loaded kernels go with it, which what is under way still uses: the driver does not promise to
    /// wait for that.
    fn drop(&mut self) {
        for stream in [&self.copies, &self.compute] {
            // After a fault nothing runs any more, and whoever asked has been told of it.
            let _ = stream.synchronize();
        }
    }
}

/// The pool that memory is taken from, where the GPU has one.
fn pool(context: &CudaContext) -> Result<Option<sys::CUmemoryPool>, DriverError> {
    if context.attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED)? == 0 {
        return Ok(None);
    }
    // SAFETY: the context was made for this device.
    unsafe { result::device::get_default_mem_pool(context.cu_device()) }.map(Some)
}

fn keep_memory(context: &CudaContext) -> Result<(), DriverError> {
    let Some(pool) = pool(context)? else { return Ok(()) };
    let (mut bytes, which) = (KEPT_BYTES, sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD);
    // SAFETY: the pool is the device's own, and this attribute is a number of 64 bits.
    unsafe { result::mem_pool::set_attribute(pool, which, (&raw mut bytes).cast()) }
}

fn let_memory_go(context: &CudaContext) -> Result<(), DriverError> {
    let Some(pool) = pool(context)? else { return Ok(()) };
    // SAFETY: the pool is the device's own.
    unsafe { result::mem_pool::trim_to(pool, 0) }
}
