//! The CUDA headers that CubeCL needs at run time to compile its kernels with NVRTC. A driver does not include them.

use std::path::{Path, PathBuf};

/// The headers of every kernel and of the tensor cores, from CUDA's runtime; and one from its compiler that both include.
const HEADERS: [&str; 3] = ["cuda_runtime.h", "mma.h", "crt/mma.h"];

/// The folder of CUDA's headers, as CubeCL finds it.
///
/// # Errors
/// A sentence for the user, if there is no such folder or a header is missing.
pub fn headers() -> Result<PathBuf, String> {
    let Some(toolkit) = cubecl_cuda::install::cuda_path() else {
        return Err(format!("CUDA's headers are not installed; {REMEDY}"));
    };
    complete(&toolkit.join("include"))
}

const REMEDY: &str = "install the toolkit's headers (cuda-cudart-dev and cuda-crt of NVRTC's version), and name its folder \
                      in CUDA_PATH if it is not /usr/local/cuda";

fn complete(folder: &Path) -> Result<PathBuf, String> {
    match HEADERS.iter().find(|header| !folder.join(header).is_file()) {
        None => Ok(folder.to_owned()),
        Some(header) => Err(format!("{} lacks CUDA's {header}; {REMEDY}", folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_lacks_a_header_is_an_error() {
        let folder = std::env::temp_dir().join(format!("huracan-headers-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("crt")).unwrap();
        for header in HEADERS {
            let message = complete(&folder).unwrap_err();
            assert!(message.contains(&format!("lacks CUDA's {header}; install")), "{message}");
            std::fs::write(folder.join(header), "").unwrap();
        }
        assert_eq!(complete(&folder), Ok(folder.clone()));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
