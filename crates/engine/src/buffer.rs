//! Values that lie on a device. A copy between host and device is a call named [`upload`](super::Stage::upload) or
//! [`download`](super::Stage::download).

use std::marker::PhantomData;

use cudarc::driver::CudaSlice;

/// What a kernel reads and writes.
///
/// # Safety
/// Plain data without padding, every bit pattern of which is a value, laid out as the kernel's own type.
pub unsafe trait Element: Copy + Send + Sync + 'static {
    const KIND: ElementKind;
}

/// Sorts of elements that kernels tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ElementKind {
    Structure = 0,
    Signed = 1,
    Unsigned = 2,
    Float = 3,
}

macro_rules! elements {
    ($($kind:ident: $($type:ty)*;)*) => {
        // SAFETY: numbers have no padding, and any bits are a number.
        $($(unsafe impl Element for $type { const KIND: ElementKind = ElementKind::$kind; })*)*
    };
}

elements! {
    Signed: i8 i16 i32 i64;
    Unsigned: u8 u16 u32 u64;
    Float: f32 f64;
}

/// `len` values on the device of the [`Engine`](super::Engine) that made it.
pub struct DeviceBuffer<T: Element> {
    pub(super) memory: Memory<T>,
    pub(super) len: usize,
}

pub(super) enum Memory<T> {
    /// No values; a kernel gets a null pointer.
    Nothing,
    /// The emulated device's memory.
    #[cfg(feature = "emulated")]
    Host(Vec<T>),
    Cuda(CudaSlice<u8>, PhantomData<T>),
}

impl<T: Element> DeviceBuffer<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The bytes of values.
pub(super) fn bytes_of<T: Element>(values: &[T]) -> &[u8] {
    // SAFETY: an `Element` has no padding, so that all of its bytes are initialised.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// The bytes of values, to be overwritten.
pub(super) fn bytes_of_mut<T: Element>(values: &mut [T]) -> &mut [u8] {
    // SAFETY: an `Element` has no padding, and any bytes are a value.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}

/// `len` values of zero bits.
pub(super) fn zeros<T: Element>(len: usize) -> Vec<T> {
    // SAFETY: any bits are a value of an `Element`.
    vec![unsafe { std::mem::zeroed() }; len]
}
