//! Where CubeCL keeps what NVRTC made of its kernels, so that the next run does not wait for NVRTC.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cubecl_common::config::RuntimeConfig;
use cubecl_runtime::config::CubeClRuntimeConfig;
use cubecl_runtime::config::cache::CacheConfig;

/// Has CubeCL keep compiled kernels below `folder`. CubeCL looks them up by the kernel alone, so the folder must be of one
/// architecture, NVRTC and driver. Returns whether it does: CubeCL takes one folder in a process, the first.
pub fn keep_kernels(folder: &Path) -> bool {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let set = FOLDER.get_or_init(|| {
        let mut config = CubeClRuntimeConfig::default().override_from_env();
        config.compilation.cache = Some(CacheConfig::File(folder.to_owned()));
        // It panics if CubeCL was used before; then nothing is kept.
        if std::panic::catch_unwind(|| CubeClRuntimeConfig::set(config)).is_err() {
            tracing::warn!("compiled kernels of networks are not kept: CubeCL was in use already");
        }
        folder.to_owned()
    });
    set == folder
}
