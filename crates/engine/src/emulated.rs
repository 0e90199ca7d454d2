//! The emulated device: the kernels compiled as C++, run block by block on all CPU threads.

mod library;

use std::cell::RefCell;
use std::ffi::c_void;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::launch::ArgumentType;
use super::{Device, EngineError, FaultKind, Kernel, Limits, Shape};
use library::{Arena, Dim, Library, Report, Request};

/// Shared memory per block: that of the GPUs with the least among those that kernels are compiled for (sm_86, sm_89,
/// sm_120).
const SHARED_BYTES: u32 = 99 * 1024;

pub struct Emulated {
    library: Library,
    /// Sets the order in which threads run.
    seed: u64,
    /// The memory that is reported as free.
    free_bytes: u64,
}

/// Launches so far, of all devices.
static LAUNCHES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static ARENA: RefCell<Option<Arena>> = const { RefCell::new(None) };
}

impl Emulated {
    pub fn open() -> Result<Self, EngineError> {
        Self::of(
            Library::open(),
            "unset HURACAN_EMULATED_KERNELS to use the built-in kernels, or build the library that it names",
        )
    }

    /// The device with the kernels of a library at `path`.
    pub fn open_with(path: &Path) -> Result<Self, EngineError> {
        Self::of(Library::load(path.as_os_str()), "build the library anew")
    }

    fn of(library: Result<Library, String>, remedy: &'static str) -> Result<Self, EngineError> {
        let library = library.map_err(|reason| EngineError::Fault {
            device: Device::Emulated,
            stage: "start",
            action: "loading the kernels".into(),
            reason,
            remedy,
            kind: FaultKind::DeviceLost,
        })?;
        Ok(Self { library, seed: 7, free_bytes: 1 << 33 })
    }

    /// The same device with another order of threads and another amount of free memory.
    pub fn with(mut self, seed: u64, free_bytes: u64) -> Self {
        (self.seed, self.free_bytes) = (seed, free_bytes);
        self
    }

    pub fn limits(&self) -> Limits {
        Limits {
            free_bytes: self.free_bytes,
            shared_bytes: SHARED_BYTES,
            multiprocessors: rayon::current_num_threads() as u32,
            clock_hz: 1.0,
            stops_long_launches: false,
        }
    }

    /// Runs all blocks of a launch, on all threads of the pool.
    ///
    /// # Safety
    /// There are as many `arguments` as `types`. Each points at a value of its type, or at a pointer to elements of its
    /// type, and all stay valid until this returns. With this shape and these arguments, the kernel must stay within its
    /// buffers.
    pub unsafe fn launch(
        &self,
        stage: &'static str,
        kernel: &Kernel,
        shape: Shape,
        types: &[ArgumentType],
        arguments: &mut [*mut c_void],
    ) -> Result<(), EngineError> {
        let error = |detail: String| EngineError::Kernel { stage, kernel: kernel.name, detail };
        let entry = self.library.find(kernel.name).ok_or_else(|| error("there is no such kernel".into()))?;
        entry.check(shape, types, SHARED_BYTES).map_err(error)?;
        let [x, y, _] = shape.blocks.map(u64::from);
        let arguments = library::ArgumentPointers::new(arguments);
        let launch = LAUNCHES.fetch_add(1, Ordering::Relaxed);
        (0..shape.block_count()).into_par_iter().try_for_each(|index| {
            let request = Request {
                kernel: entry.pointer(),
                arguments: arguments.pointer(),
                block: Dim::new(index % x, index / x % y, index / (x * y)),
                threads: Dim { x: shape.threads, y: 1, z: 1 },
                blocks: Dim { x: shape.blocks[0], y: shape.blocks[1], z: shape.blocks[2] },
                shared_bytes: shape.shared_bytes,
                barriers: u32::from(kernel.barriers),
                seed: huracan_base::arith::draw(self.seed, 0, index),
                launch,
            };
            let mut report = Report::default();
            let fault = ARENA.with_borrow_mut(|arena| {
                let arena = match arena {
                    Some(arena) if arena.belongs_to(&self.library) => arena,
                    _ => arena.insert(Arena::new(&self.library)?),
                };
                // SAFETY: `check` has compared the types of the arguments with the kernel's parameters; the caller
                // guarantees that the arguments have these types and that the kernel stays within its buffers. The
                // arena belongs to this thread and was made by this library.
                Ok(unsafe { self.library.run_block(arena, &request, &mut report) })
            });
            match fault {
                Ok(0) => Ok(()),
                Ok(_) => Err(error(format!("block {index}: {report}"))),
                Err(reason) => Err(error(reason)),
            }
        })
    }
}
