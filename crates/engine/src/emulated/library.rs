//! The compiled kernels, as `kernels/emulated/block.cpp` hands them out.
//!
//! `HURACAN_EMULATED_KERNELS` names a shared library to take instead of what is built in: the same kernels compiled
//! with sanitizers.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt;

use crate::launch::Given;
use crate::{ElementKind, Shape};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Dim {
    pub x: u32,
    pub y: u32,
    pub z: u32,
}

impl Dim {
    /// Of numbers that are known to be those of a block.
    pub fn new(x: u64, y: u64, z: u64) -> Self {
        Self { x: x as u32, y: y as u32, z: z as u32 }
    }
}

#[repr(C)]
struct Parameter {
    bytes: u32,
    pointer: u8,
    writable: u8,
    kind: u8,
}

#[repr(C)]
pub struct Entry {
    name: *const c_char,
    threads: u32,
    count: u32,
    parameters: *const Parameter,
    call: *const c_void,
    function: *const c_void,
    next: *const Entry,
}

// SAFETY: entries are constants of the library.
unsafe impl Sync for Entry {}

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
            3 => write!(f, "thread {thread} asks, at line {line}, a lane that its mask leaves out"),
            4 => write!(f, "thread {thread} needs more stack than there is"),
            5 => write!(f, "thread {thread} waits at line {line}, but the launch says that the kernel has no barriers"),
            6 => write!(f, "it declares more shared arrays than can be kept apart"),
            fault => write!(f, "fault {fault}"),
        }
    }
}

/// Arguments as the kernel takes them, shared by all blocks.
#[derive(Clone, Copy)]
pub struct Arguments(*mut *mut c_void);

// SAFETY: blocks only read the arguments themselves; what they point at is the kernel's affair.
unsafe impl Send for Arguments {}
// SAFETY: as above.
unsafe impl Sync for Arguments {}

impl Arguments {
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

/// The functions of a library, built in or loaded; a loaded one is never unloaded.
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
            Some(path) => Self::load(&path).map_err(|error| format!("{}: {error}", path.display())),
            None => Ok(Self {
                kernels: huracan_kernels,
                new_arena: huracan_arena_new,
                free_arena: huracan_arena_free,
                run_block: huracan_run_block,
            }),
        }
    }

    fn load(path: &std::ffi::OsStr) -> Result<Self, libloading::Error> {
        // SAFETY: whoever sets the variable vouches for the library; its start-up only lists kernels.
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

    pub fn find(&self, name: &str) -> Option<&'static Entry> {
        // SAFETY: the list is made before `main`, ends with null, and never changes.
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

    /// 0, or what went wrong.
    pub fn run_block(&self, arena: &Arena, request: &Request, report: &mut Report) -> c_int {
        // SAFETY: arguments were held against the kernel's parameters, and the arena is this thread's.
        unsafe { (self.run_block)(arena.pointer, request, report) }
    }
}

impl Entry {
    pub fn pointer(&'static self) -> *const Self {
        self
    }

    /// Whether a launch is one that the kernel was written for.
    pub fn check(&self, shape: Shape, given: &[Given], shared_bytes: u32) -> Result<(), String> {
        if shape.threads == 0 || shape.threads > self.threads {
            return Err(format!("{} threads a block, and the kernel is bounded to {}", shape.threads, self.threads));
        }
        if shape.shared_bytes > shared_bytes {
            return Err(format!("{} bytes of shared memory, and there are {shared_bytes}", shape.shared_bytes));
        }
        // SAFETY: `parameters` has `count` entries.
        let parameters = unsafe { std::slice::from_raw_parts(self.parameters, self.count as usize) };
        if parameters.len() != given.len() {
            return Err(format!("{} arguments for {} parameters", given.len(), parameters.len()));
        }
        for (i, (parameter, given)) in parameters.iter().zip(given).enumerate() {
            let same = parameter.bytes == given.bytes
                && (parameter.pointer != 0) == given.pointer
                && parameter.kind == given.kind as u8
                && (parameter.writable != 0) == given.writable;
            if !same {
                return Err(format!("argument {i} is {given:?}, and the kernel takes {}", Declared(parameter)));
            }
        }
        Ok(())
    }
}

struct Declared<'a>(&'a Parameter);

impl fmt::Display for Declared<'_> {
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

/// What one thread runs blocks in: the stacks of a block's threads and their shared memory.
pub struct Arena {
    pointer: *mut c_void,
    library: Library,
}

impl Arena {
    pub fn new(library: &Library) -> Result<Self, String> {
        // SAFETY: allocates.
        let pointer = unsafe { (library.new_arena)() };
        if pointer.is_null() {
            return Err("there is no memory for the stacks of a block's threads".into());
        }
        Ok(Self { pointer, library: *library })
    }

    pub fn belongs_to(&self, library: &Library) -> bool {
        std::ptr::fn_addr_eq(self.library.run_block, library.run_block)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: made by the same library, and used no more.
        unsafe { (self.library.free_arena)(self.pointer) };
    }
}
