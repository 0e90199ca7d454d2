//! Memory for large results.

/// `len` zeros, in large pages where the system has them. Results are written once; with small pages, the page faults
/// would take longer than the computation.
pub fn zeros(len: usize) -> Vec<f32> {
    let values = vec![0.0; len];
    #[cfg(target_os = "linux")]
    prefer_large_pages(&values);
    values
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
