//! Finds NVRTC where `scripts/setup-nvrtc` puts it.

use std::path::{Path, PathBuf};

/// NVRTC's library of the folder that `scripts/setup-nvrtc` makes.
pub fn library() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache"));
    cache.join("huracan/nvrtc/nvidia/cuda_nvrtc/lib/libnvrtc.so.12")
}

/// Loads NVRTC, and makes the engine use it.
///
/// # Errors
/// A sentence that says what to do where it is not installed.
pub fn load() -> Result<(), String> {
    let path = library();
    if !path.is_file() {
        return Err(format!("no NVRTC in {}; run scripts/setup-nvrtc", path.display()));
    }
    huracan_engine::use_nvrtc(&path);
    // SAFETY: NVRTC's start-up does nothing but set itself up. It is never unloaded.
    let library = unsafe { libloading::Library::new(&path) };
    std::mem::forget(library.map_err(|error| format!("{}: {error}", path.display()))?);
    Ok(())
}
