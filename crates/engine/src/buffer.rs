//! Typed buffers in a device's memory.
//!
//! Values are copied between host and device only by [`upload`](super::Stage::upload) and
//! [`download`](super::Stage::download).

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::marker::PhantomData;

use cudarc::driver::CudaSlice;

/// A type that kernels read and write.
///
/// # Safety
/// The type is plain data without padding, every bit pattern is a valid value, and its layout is that of the kernel's
/// own type.
pub unsafe trait Element: Copy + Send + Sync + 'static {
    /// What the emulated device compares with the type of the kernel's parameter.
    const KIND: ElementKind;
}

/// The kind of an element's type. The numbers are those of `kind_of` in `kernels/emulated/shim.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ElementKind {
    /// A structure of several numbers.
    Structure = 0,
    /// A signed integer.
    Signed = 1,
    /// An unsigned integer.
    Unsigned = 2,
    /// A floating-point number.
    Float = 3,
}

macro_rules! elements {
    ($($kind:ident: $($type:ty)*;)*) => {
        // SAFETY: integers and floats have no padding, and every bit pattern is a valid value.
        $($(unsafe impl Element for $type { const KIND: ElementKind = ElementKind::$kind; })*)*
    };
}

elements! {
    Signed: i8 i16 i32 i64;
    Unsigned: u8 u16 u32 u64;
    Float: f32 f64;
}

/// `len` values in the memory of the device whose [`Engine`](super::Engine) made the buffer.
///
/// Only [`Stage`](super::Stage) makes buffers, so `len` is always the true number of values.
pub struct DeviceBuffer<T: Element> {
    pub(super) memory: Memory<T>,
    pub(super) len: usize,
}

pub(super) enum Memory<T> {
    /// No values; the kernel gets a null pointer.
    Nothing,
    /// Memory of the emulated device.
    #[cfg(feature = "emulated")]
    Host(Vec<T>),
    /// Memory of a GPU: `len × size_of::<T>()` bytes.
    Cuda(CudaSlice<u8>, PhantomData<T>),
}

impl<T: Element> DeviceBuffer<T> {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The values as bytes.
pub(super) fn bytes_of<T: Element>(values: &[T]) -> &[u8] {
    // SAFETY: the pointer and length are those of the slice, and an `Element` has no padding, so all bytes are
    // initialised.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// The values as bytes that may be overwritten.
pub(super) fn bytes_of_mut<T: Element>(values: &mut [T]) -> &mut [u8] {
    // SAFETY: the pointer and length are those of the slice. An `Element` has no padding, so all bytes are initialised,
    // and any bytes written are a valid value.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}

/// `len` values with all bits 0.
pub(super) fn zeros<T: Element>(len: usize) -> Vec<T> {
    let layout =
        Layout::array::<T>(len).unwrap_or_else(|_| panic!("{len} values are more than an address space holds"));
    if layout.size() == 0 {
        return Vec::new();
    }
    // Pages come from the system as zeros when they are first written, by whichever threads do that.
    // SAFETY: the layout has a size, and is that of a vector of `len` values of this type. Every bit pattern is a valid value
    // of an `Element`.
    unsafe {
        let start = alloc_zeroed(layout);
        if start.is_null() {
            handle_alloc_error(layout);
        }
        Vec::from_raw_parts(start.cast(), len, len)
    }
}
