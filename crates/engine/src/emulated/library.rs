//! The interface to the compiled kernels: twin of `kernels/emulated/block.h`.
//!
//! `HURACAN_EMULATED_KERNELS` names a shared library to use instead of the built-in kernels: the same kernels, compiled
//! with sanitizers.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt;

use crate::launch::ArgumentType;
use crate::{ElementKind, Shape};

/// A block's index, or a number of threads or blocks, along x, y and z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Dim {
    pub x: u32,
    pub y: u32,
    pub z: u32,
}

impl Dim {
    /// The numbers are those of a block within a launch, so they fit 32 bits.
    pub fn new(x: u64, y: u64, z: u64) -> Self {
        Self { x: x as u32, y: y as u32, z: z as u32 }
    }
}

/// The type of a kernel's parameter.
#[repr(C)]
struct Parameter {
    bytes: u32,
    pointer: u8,
    writable: u8,
    kind: u8,
}

/// A kernel in the library's list.
#[repr(C)]
pub struct Entry {
    name: *const c_char,
    /// Most threads per block.
    threads: u32,
    /// Number of parameters.
    count: u32,
    parameters: *const Parameter,
    call: *const c_void,
    function: *const c_void,
    next: *const Entry,
}

// SAFETY: entries and what they point at are made before `main` and never change afterwards.
unsafe impl Sync for Entry {}

/// One block to run.
#[repr(C)]
pub struct Request {
    pub kernel: *const Entry,
    pub arguments: *mut *mut c_void,
    pub block: Dim,
    pub threads: Dim,
    pub blocks: Dim,
    pub shared_bytes: u32,
    pub barriers: u32,
    pub seed: u64,
    /// The launch's number: its blocks have the same.
    pub launch: u64,
}

/// What went wrong in a block.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Report {
    fault: c_int,
    thread: u32,
    other: u32,
    line: c_int,
    other_line: c_int,
    other_done: c_int,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, other, line, other_line, .. } = self;
        let elsewhere = if self.other_done != 0 {
            format!("thread {other} has returned")
        } else {
            format!("thread {other} is at line {other_line}")
        };
        match self.fault {
            1 => write!(f, "thread {thread} waits at the barrier of line {line}, and {elsewhere}"),
            2 => write!(f, "thread {thread} waits for its warp at line {line}, and {elsewhere}"),
            3 => write!(f, "thread {thread} reads, at line {line}, from a lane that is not in its mask"),
            4 => write!(f, "thread {thread} needs more stack than there is"),
            5 => write!(f, "thread {thread} waits at line {line}, but the launch says that the kernel has no barriers"),
            6 => write!(f, "the kernel declares more shared arrays than the emulated device can keep apart"),
            fault => write!(f, "fault {fault}"),
        }
    }
}

/// Pointers to a kernel's arguments, shared by all blocks.
#[derive(Clone, Copy)]
pub struct ArgumentPointers(*mut *mut c_void);

// SAFETY: blocks only read the pointers and the arguments. What kernels do with the buffers is covered by the contract of
// `Emulated::launch`.
unsafe impl Send for ArgumentPointers {}
// SAFETY: as above.
unsafe impl Sync for ArgumentPointers {}

impl ArgumentPointers {
    pub fn new(arguments: &mut [*mut c_void]) -> Self {
        Self(arguments.as_mut_ptr())
    }

    pub fn pointer(self) -> *mut *mut c_void {
        self.0
    }
}

type Kernels = unsafe extern "C" fn() -> *const Entry;
type NewArena = unsafe extern "C" fn() -> *mut c_void;
type FreeArena = unsafe extern "C" fn(*mut c_void);
type RunBlock = unsafe extern "C" fn(*mut c_void, *const Request, *mut Report) -> c_int;

unsafe extern "C" {
    fn huracan_kernels() -> *const Entry;
    fn huracan_arena_new() -> *mut c_void;
    fn huracan_arena_free(arena: *mut c_void);
    fn huracan_run_block(arena: *mut c_void, request: *const Request, report: *mut Report) -> c_int;
}

/// The functions of the built-in library or a loaded one. A loaded library is never unloaded.
#[derive(Clone, Copy)]
pub struct Library {
    kernels: Kernels,
    new_arena: NewArena,
    free_arena: FreeArena,
    run_block: RunBlock,
}

impl Library {
    pub fn open() -> Result<Self, String> {
        match std::env::var_os("HURACAN_EMULATED_KERNELS") {
            Some(path) => Self::load(&path),
            None => Ok(Self {
                kernels: huracan_kernels,
                new_arena: huracan_arena_new,
                free_arena: huracan_arena_free,
                run_block: huracan_run_block,
            }),
        }
    }

    /// The functions of the library at `path`.
    pub fn load(path: &std::ffi::OsStr) -> Result<Self, String> {
        Self::functions(path).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn functions(path: &std::ffi::OsStr) -> Result<Self, libloading::Error> {
        // SAFETY: whoever sets the variable guarantees that the library is built from `kernels/emulated`: its
        // initialisation only lists the kernels, and its functions have these types. It is leaked, so they stay valid.
        unsafe {
            let library = Box::leak(Box::new(libloading::Library::new(path)?));
            Ok(Self {
                kernels: *library.get::<Kernels>(b"huracan_kernels")?,
                new_arena: *library.get::<NewArena>(b"huracan_arena_new")?,
                free_arena: *library.get::<FreeArena>(b"huracan_arena_free")?,
                run_block: *library.get::<RunBlock>(b"huracan_run_block")?,
            })
        }
    }

    /// The kernel with this name.
    pub fn find(&self, name: &str) -> Option<&'static Entry> {
        // SAFETY: the list is made when the library is loaded, never changes, and ends with null. Names end with a zero
        // byte, and the library is never unloaded.
        unsafe {
            let mut entry = (self.kernels)();
            while let Some(kernel) = entry.as_ref() {
                if CStr::from_ptr(kernel.name).to_bytes() == name.as_bytes() {
                    return Some(kernel);
                }
                entry = kernel.next;
            }
            None
        }
    }

    /// Runs one block. Returns 0, or the number of the fault, which is then described in `report`.
    ///
    /// # Safety
    /// The request's kernel is from this library, its arguments are those of the kernel, and with them the block stays
    /// within its buffers. The arena was made by this library and is used by no other thread.
    pub unsafe fn run_block(&self, arena: &Arena, request: &Request, report: &mut Report) -> c_int {
        // SAFETY: the caller guarantees it.
        unsafe { (self.run_block)(arena.pointer, request, report) }
    }
}

impl Entry {
    pub fn pointer(&'static self) -> *const Self {
        self
    }

    /// Checks that a launch fits the kernel: threads, shared memory, and the types of the arguments.
    pub fn check(&self, shape: Shape, types: &[ArgumentType], shared_bytes: u32) -> Result<(), String> {
        if shape.threads == 0 || shape.threads > self.threads {
            return Err(format!("{} threads per block, and the kernel is bounded to {}", shape.threads, self.threads));
        }
        if shape.shared_bytes > shared_bytes {
            return Err(format!("{} bytes of shared memory, and there are {shared_bytes}", shape.shared_bytes));
        }
        // SAFETY: the library declares `count` parameters at `parameters`, and they never change.
        let parameters = unsafe { std::slice::from_raw_parts(self.parameters, self.count as usize) };
        if parameters.len() != types.len() {
            return Err(format!("{} arguments for {} parameters", types.len(), parameters.len()));
        }
        for (i, (parameter, argument)) in parameters.iter().zip(types).enumerate() {
            let same = parameter.bytes == argument.bytes
                && (parameter.pointer != 0) == argument.pointer
                && parameter.kind == argument.kind as u8
                && (parameter.writable != 0) == argument.writable;
            if !same {
                return Err(format!("argument {i} is {argument:?}, and the kernel takes {}", ParameterText(parameter)));
            }
        }
        Ok(())
    }
}

/// A parameter as text for messages.
struct ParameterText<'a>(&'a Parameter);

impl fmt::Display for ParameterText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parameter { bytes, pointer, writable, kind } = *self.0;
        let kinds = [ElementKind::Structure, ElementKind::Signed, ElementKind::Unsigned, ElementKind::Float];
        let access = match (pointer != 0, writable != 0) {
            (true, true) => "a pointer that it writes to, to",
            (true, false) => "a pointer that it reads, to",
            _ => "a value,",
        };
        write!(f, "{access} {:?} of {bytes} bytes", kinds[usize::from(kind).min(3)])
    }
}

/// The memory in which one host thread runs blocks: the stacks of a block's threads, and their shared memory.
pub struct Arena {
    pointer: *mut c_void,
    library: Library,
}

impl Arena {
    pub fn new(library: &Library) -> Result<Self, String> {
        // SAFETY: the function only allocates; it returns null if it cannot.
        let pointer = unsafe { (library.new_arena)() };
        if pointer.is_null() {
            return Err("out of memory for the stacks of a block's threads".into());
        }
        Ok(Self { pointer, library: *library })
    }

    /// Whether `library` made this arena.
    pub fn belongs_to(&self, library: &Library) -> bool {
        std::ptr::fn_addr_eq(self.library.run_block, library.run_block)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the same library made it, and it is freed once.
        unsafe { (self.library.free_arena)(self.pointer) };
    }
}
