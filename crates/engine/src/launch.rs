//! One launch: a kernel, its shape, and its arguments in the order of the kernel's parameters.

use std::ffi::c_void;

use cudarc::driver::SyncOnDrop;

use super::buffer::{DeviceBuffer, Element, ElementKind, Memory};
use super::{EngineError, Inner, Kernel, Shape, Stage};

/// Most bytes of a value that is passed by itself, not in a buffer.
const MAX_VALUE_BYTES: usize = 256;

/// The type of an argument. The emulated device compares it with the declaration of the kernel's parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ArgumentType {
    /// Size of the value, or of one element of the buffer.
    pub bytes: u32,
    pub pointer: bool,
    pub writable: bool,
    pub kind: ElementKind,
}

/// A launch that is being built.
#[must_use = "nothing runs before `run`"]
pub struct Launch<'a> {
    stage: Stage<'a>,
    kernel: &'a Kernel,
    shape: Shape,
    types: Vec<ArgumentType>,
    /// Per argument, the bytes of the value or the pointer to the buffer.
    values: Vec<[u64; MAX_VALUE_BYTES / 8]>,
    /// cudarc's guards: they keep the order of the streams for as long as the buffers are in use.
    guards: Vec<SyncOnDrop<'a>>,
    /// Whether a buffer belongs to another engine.
    foreign: bool,
}

impl<'a> Launch<'a> {
    pub(super) fn new(stage: Stage<'a>, kernel: &'a Kernel, shape: Shape) -> Self {
        Self { stage, kernel, shape, types: Vec::new(), values: Vec::new(), guards: Vec::new(), foreign: false }
    }

    /// Adds a buffer that the kernel reads: `const T*`.
    pub fn read<T: Element>(self, buffer: &'a DeviceBuffer<T>) -> Self {
        self.read_from(buffer, 0)
    }

    /// Adds a buffer that the kernel reads from its value `first` on.
    ///
    /// # Panics
    /// If there is no such value.
    pub fn read_from<T: Element>(mut self, buffer: &'a DeviceBuffer<T>, first: usize) -> Self {
        assert!(first <= buffer.len, "a buffer of {} values has no value {first}", buffer.len);
        let pointer = match (&buffer.memory, &self.stage.engine.inner) {
            #[cfg(feature = "emulated")]
            (Memory::Host(values), Inner::Emulated(_)) => values.as_ptr() as u64,
            (Memory::Cuda(memory, _), Inner::Cuda(gpu)) if gpu.owns(memory) => {
                let (pointer, guard) = gpu.read_pointer(memory);
                self.guards.push(guard);
                pointer
            }
            (Memory::Nothing, _) => 0,
            _ => {
                self.foreign = true;
                0
            }
        };
        self.push_pointer::<T>(pointer + (first * size_of::<T>()) as u64, false);
        self
    }

    /// Adds a buffer that the kernel writes, or reads and writes: `T*`.
    pub fn write<T: Element>(self, buffer: &'a mut DeviceBuffer<T>) -> Self {
        self.write_from(buffer, 0)
    }

    /// Adds a buffer that the kernel writes from its value `first` on.
    ///
    /// # Panics
    /// If there is no such value.
    pub fn write_from<T: Element>(mut self, buffer: &'a mut DeviceBuffer<T>, first: usize) -> Self {
        assert!(first <= buffer.len, "a buffer of {} values has no value {first}", buffer.len);
        let pointer = match (&mut buffer.memory, &self.stage.engine.inner) {
            #[cfg(feature = "emulated")]
            (Memory::Host(values), Inner::Emulated(_)) => values.as_mut_ptr() as u64,
            (Memory::Cuda(memory, _), Inner::Cuda(gpu)) if gpu.owns(memory) => {
                let (pointer, guard) = gpu.write_pointer(memory);
                self.guards.push(guard);
                pointer
            }
            (Memory::Nothing, _) => 0,
            _ => {
                self.foreign = true;
                0
            }
        };
        self.push_pointer::<T>(pointer + (first * size_of::<T>()) as u64, true);
        self
    }

    /// Adds a number or structure of at most 256 bytes, passed by value.
    pub fn value<T: Element>(mut self, value: T) -> Self {
        const { assert!(size_of::<T>() <= MAX_VALUE_BYTES && align_of::<T>() <= 8, "pass a buffer instead") };
        let mut slot = [0_u64; MAX_VALUE_BYTES / 8];
        // SAFETY: the slot is large enough and sufficiently aligned, as asserted above, and valid for writes.
        unsafe { slot.as_mut_ptr().cast::<T>().write(value) };
        self.values.push(slot);
        self.types.push(ArgumentType { bytes: size_of::<T>() as u32, pointer: false, writable: false, kind: T::KIND });
        self
    }

    fn push_pointer<T: Element>(&mut self, pointer: u64, writable: bool) {
        let mut slot = [0_u64; MAX_VALUE_BYTES / 8];
        slot[0] = pointer;
        self.values.push(slot);
        self.types.push(ArgumentType { bytes: size_of::<T>() as u32, pointer: true, writable, kind: T::KIND });
    }

    /// Launches the kernel. Does nothing if the shape has no blocks.
    ///
    /// On the emulated device, the kernel has finished when this returns. On CUDA it may still be running; later calls of
    /// the same engine wait for it.
    ///
    /// # Errors
    /// [`EngineError::ForeignBuffer`] if another engine made one of the buffers; [`EngineError::Fault`] if the device
    /// refuses or fails; on the emulated device also [`EngineError::Kernel`] if the arguments do not match the kernel's
    /// parameters, or its threads wait for each other in a way that a GPU does not allow.
    ///
    /// # Safety
    /// - The arguments match the kernel's parameters in number, order and type. Only the emulated device checks this.
    /// - With this shape and these arguments, the kernel accesses no element beyond the end of a buffer. Kernels do not get
    ///   the lengths of their buffers: each must be at least as long as the comment above the kernel requires, and every
    ///   index that the kernel reads from a buffer must be within the buffer that it indexes.
    pub unsafe fn run(mut self) -> Result<(), EngineError> {
        if self.foreign {
            return Err(EngineError::ForeignBuffer { stage: self.stage.name, action: self.kernel.name });
        }
        if self.shape.block_count() == 0 {
            return Ok(());
        }
        let mut arguments: Vec<*mut c_void> = self.values.iter_mut().map(|slot| slot.as_mut_ptr().cast()).collect();
        let times = &self.stage.engine.times;
        match &self.stage.engine.inner {
            #[cfg(feature = "emulated")]
            Inner::Emulated(emulated) => times.measure(self.kernel.name, || {
                // SAFETY: the caller guarantees that the kernel stays within its buffers. Each argument points at a slot
                // of `values` that holds the bytes of a value or the pointer to a buffer, and `types` describes it.
                unsafe { emulated.launch(self.stage.name, self.kernel, self.shape, &self.types, &mut arguments) }
            }),
            // SAFETY: the caller guarantees that the arguments are those of the kernel and that it stays within its
            // buffers. Each argument points at a slot of `values` that outlives the call; the driver copies it.
            Inner::Cuda(gpu) => unsafe {
                gpu.launch(self.stage.name, self.kernel, self.shape, &mut arguments, times.enabled())
            },
        }
    }
}
