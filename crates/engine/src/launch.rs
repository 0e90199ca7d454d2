//! One launch: a kernel, its shape and its arguments, in the order of the kernel's parameters.

use std::ffi::c_void;

use cudarc::driver::SyncOnDrop;

use super::buffer::{DeviceBuffer, Element, ElementKind, Memory};
use super::{EngineError, Inner, Kernel, Shape, Stage};

/// The most bytes that a value (not a buffer) may have.
const VALUE_BYTES: usize = 256;

/// What the host gives for a parameter: the emulated engine holds it against the kernel's own declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given {
    /// Of the value, or of one element of a buffer.
    pub bytes: u32,
    pub pointer: bool,
    pub writable: bool,
    pub kind: ElementKind,
}

/// A launch that is being put together.
#[must_use = "nothing runs before `run`"]
pub struct Launch<'a> {
    stage: Stage<'a>,
    kernel: &'a Kernel,
    shape: Shape,
    given: Vec<Given>,
    /// Of values their bytes, of buffers the pointer.
    values: Vec<[u64; VALUE_BYTES / 8]>,
    /// Keep CUDA's streams in step: what was written is seen, and nothing is overwritten while it is read.
    guards: Vec<SyncOnDrop<'a>>,
    /// Whether a buffer belongs to another kind of engine.
    foreign: bool,
}

impl<'a> Launch<'a> {
    pub(super) fn new(stage: Stage<'a>, kernel: &'a Kernel, shape: Shape) -> Self {
        Self { stage, kernel, shape, given: Vec::new(), values: Vec::new(), guards: Vec::new(), foreign: false }
    }

    /// A buffer that the kernel reads: `const T*`.
    pub fn read<T: Element>(mut self, buffer: &'a DeviceBuffer<T>) -> Self {
        let pointer = match (&buffer.memory, &self.stage.engine.inner) {
            #[cfg(feature = "emulated")]
            (Memory::Host(values), Inner::Emulated(_)) => values.as_ptr() as u64,
            (Memory::Cuda(memory, _), Inner::Cuda(gpu)) => {
                let (pointer, guard) = gpu.read_pointer(memory);
                self.guards.push(guard);
                pointer
            }
            (Memory::Nothing, _) => 0,
            #[cfg(feature = "emulated")]
            _ => {
                self.foreign = true;
                0
            }
        };
        self.push_pointer::<T>(pointer, false);
        self
    }

    /// A buffer that the kernel writes, or reads and writes: `T*`.
    pub fn write<T: Element>(mut self, buffer: &'a mut DeviceBuffer<T>) -> Self {
        let pointer = match (&mut buffer.memory, &self.stage.engine.inner) {
            #[cfg(feature = "emulated")]
            (Memory::Host(values), Inner::Emulated(_)) => values.as_mut_ptr() as u64,
            (Memory::Cuda(memory, _), Inner::Cuda(gpu)) => {
                let (pointer, guard) = gpu.write_pointer(memory);
                self.guards.push(guard);
                pointer
            }
            (Memory::Nothing, _) => 0,
            #[cfg(feature = "emulated")]
            _ => {
                self.foreign = true;
                0
            }
        };
        self.push_pointer::<T>(pointer, true);
        self
    }

    /// A number or structure handed over as it is, of at most 256 bytes.
    pub fn value<T: Element>(mut self, value: T) -> Self {
        const { assert!(size_of::<T>() <= VALUE_BYTES && align_of::<T>() <= 8, "pass a buffer instead") };
        let mut slot = [0_u64; VALUE_BYTES / 8];
        // SAFETY: the slot is large enough and aligned, and `T` is plain data.
        unsafe { slot.as_mut_ptr().cast::<T>().write(value) };
        self.values.push(slot);
        self.given.push(Given { bytes: size_of::<T>() as u32, pointer: false, writable: false, kind: T::KIND });
        self
    }

    fn push_pointer<T: Element>(&mut self, pointer: u64, writable: bool) {
        let mut slot = [0_u64; VALUE_BYTES / 8];
        slot[0] = pointer;
        self.values.push(slot);
        self.given.push(Given { bytes: size_of::<T>() as u32, pointer: true, writable, kind: T::KIND });
    }

    /// Launches. The emulated engine has finished when this returns; on CUDA, later calls of the same engine wait.
    ///
    /// # Errors
    /// [`EngineError::ForeignBuffer`] where a buffer was made by another engine; [`EngineError::Kernel`] where arguments and parameters differ or
    /// the kernel misbehaves (emulated engine); [`EngineError::Fault`] where the device refuses or fails.
    ///
    /// # Safety
    /// Kernels do not know how long their buffers are. With this shape and these values, the kernel must touch no element
    /// beyond the end of any buffer: each is at least as long as the comment above the kernel says, and every index that
    /// it reads from a buffer lies within the buffer that it indexes.
    pub unsafe fn run(mut self) -> Result<(), EngineError> {
        if self.foreign {
            return Err(EngineError::ForeignBuffer { stage: self.stage.name, action: self.kernel.name });
        }
        if self.shape.block_count() == 0 {
            return Ok(());
        }
        let mut arguments: Vec<*mut c_void> = self.values.iter_mut().map(|slot| slot.as_mut_ptr().cast()).collect();
        match &self.stage.engine.inner {
            #[cfg(feature = "emulated")]
            Inner::Emulated(emulated) => self.stage.engine.times.around(self.kernel.name, || {
                emulated.launch(self.stage.name, self.kernel, self.shape, &self.given, &mut arguments)
            }),
            Inner::Cuda(gpu) => {
                let timed = self.stage.engine.times.are_wanted();
                gpu.launch(self.stage.name, self.kernel, self.shape, &mut arguments, timed)
            }
        }
    }
}
