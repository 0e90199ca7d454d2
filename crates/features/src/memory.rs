//! Memory for large tables.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::RwLock;

/// Numbers of a large table: in memory, or in what a [`Supplier`] gives in its place.
pub struct Floats(Place);

enum Place {
    Memory(Vec<f32>),
    Elsewhere(Box<dyn Backing>),
}

/// Memory that somebody else provides, such as a mapped file.
pub trait Backing: DerefMut<Target = [f32]> + Send + Sync {}

impl<T: DerefMut<Target = [f32]> + Send + Sync> Backing for T {}

/// Gives room for so many zeros; none if they should be in memory.
pub type Supplier = Box<dyn Fn(usize) -> Option<Box<dyn Backing>> + Send + Sync>;

static SUPPLIER: RwLock<Option<Supplier>> = RwLock::new(None);

/// Sets where the tables are that are made from now on, of all threads; without a supplier in memory.
pub fn supply(supplier: Option<Supplier>) {
    *SUPPLIER.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = supplier;
}

/// `len` zeros, in large pages where the system has them. Results are written once; with small pages, the page faults
/// would take longer than the computation.
pub fn zeros(len: usize) -> Floats {
    let supplier = SUPPLIER.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(elsewhere) = supplier.as_ref().and_then(|supplier| supplier(len)) {
        assert_eq!(elsewhere.len(), len, "as many numbers as were asked for");
        return Floats(Place::Elsewhere(elsewhere));
    }
    let values = vec![0.0; len];
    #[cfg(target_os = "linux")]
    prefer_large_pages(&values);
    Floats(Place::Memory(values))
}

#[cfg(target_os = "linux")]
fn prefer_large_pages(values: &[f32]) {
    const PAGE: usize = 4096;
    let bytes = std::mem::size_of_val(values);
    let start = (values.as_ptr() as usize).next_multiple_of(PAGE);
    let end = (values.as_ptr() as usize + bytes) / PAGE * PAGE;
    if start < end {
        // Only a hint: if the system refuses it, the memory is as usable as before.
        // SAFETY: the pages lie within `values`, and the advice changes no content.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
    }
}

impl Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &self.0 {
            Place::Memory(values) => values,
            Place::Elsewhere(values) => values,
        }
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        match &mut self.0 {
            Place::Memory(values) => values,
            Place::Elsewhere(values) => values,
        }
    }
}

impl Default for Floats {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl From<Vec<f32>> for Floats {
    fn from(values: Vec<f32>) -> Self {
        Self(Place::Memory(values))
    }
}

impl<'a> IntoIterator for &'a Floats {
    type Item = &'a f32;
    type IntoIter = std::slice::Iter<'a, f32>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Copies are in memory.
impl Clone for Floats {
    fn clone(&self) -> Self {
        Self::from(self.to_vec())
    }
}

impl PartialEq for Floats {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl fmt::Debug for Floats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self[..].fmt(f)
    }
}
