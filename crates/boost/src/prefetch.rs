//! Asking for memory before it is needed. The rows of a node that is not the root lie further apart the deeper it is, and not in a way
//! that the processor foresees.

/// Rows that are asked for before their turn comes.
pub const AHEAD: usize = 24;

/// Asks the processor for the cache line of a value.
#[inline(always)]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 has SSE, to which the instruction belongs, and it only reads, from where a value is.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
