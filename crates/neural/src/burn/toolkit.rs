//! What CubeCL compiles its kernels against at run time, beside NVRTC: headers that no driver brings.

use std::path::{Path, PathBuf};

/// Of CUDA's runtime, those of every kernel and those of the tensor cores; of its compiler, what both stand on.
const HEADERS: [&str; 3] = ["cuda_runtime.h", "mma.h", "crt/mma.h"];

/// The folder of CUDA's headers, where CubeCL looks for it.
///
/// # Errors
/// A sentence for the user where there is none, or not all that is needed.
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
    fn a_folder_that_lacks_a_header_is_told() {
        let folder = std::env::temp_dir().join(format!("huracan-headers-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("crt")).unwrap();
        for header in HEADERS {
            let said = complete(&folder).unwrap_err();
            assert!(said.contains(&format!("lacks CUDA's {header}; install")), "{said}");
            std::fs::write(folder.join(header), "").unwrap();
        }
        assert_eq!(complete(&folder), Ok(folder.clone()));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
