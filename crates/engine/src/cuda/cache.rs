//! Compiled kernels on disk. A file's name contains a digest of everything that determines its content.

use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::nvrtc;

/// The cubin of a file for an architecture, read from `folder`, or compiled and stored there. For a virtual architecture, such as
/// `compute_90`, it is PTX, which ends with a zero byte.
///
/// A folder that cannot be written is not an error: the kernels are then compiled again each time.
///
/// # Errors
/// A sentence with the compiler's messages.
pub fn cubin(folder: &Path, file: &str, text: &str, architecture: &str) -> Result<Vec<u8>, String> {
    let path = path(folder, file, &key(text, &nvrtc::options(architecture), nvrtc::version()?));
    if let Some(cubin) = read(&path) {
        return Ok(cubin);
    }
    let compiled = nvrtc::compile(file, text, architecture)?;
    let code = if compiled.cubin.is_empty() { [compiled.ptx.as_bytes(), &[0]].concat() } else { compiled.cubin };
    if let Err(error) = write(&path, &code) {
        tracing::warn!(path = %path.display(), %error, "cannot store the compiled kernel");
    }
    Ok(code)
}

fn path(folder: &Path, file: &str, key: &str) -> PathBuf {
    folder.join(format!("{file}-{key}.cubin"))
}

/// SHA-256 over the source, the options (which contain the architecture) and the compiler's version.
fn key(text: &str, options: &[String], (major, minor): (i32, i32)) -> String {
    let mut hash = Sha256::new();
    for part in options.iter().map(String::as_str).chain([format!("{major}.{minor}").as_str(), text]) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    huracan_base::hex(&hash.finalize())
}

/// Reads a cubin. The file holds its SHA-256, then its bytes. None if the file is missing or damaged.
fn read(path: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::read(path).ok()?;
    let (digest, cubin) = bytes.split_at_checked(32)?;
    (Sha256::digest(cubin).as_slice() == digest).then(|| cubin.to_vec())
}

/// Stores a cubin. It is first written under another name: other processes may compile the same kernel at the same time.
fn write(path: &Path, cubin: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&Sha256::digest(cubin))?;
    file.write_all(cubin)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_depends_on_source_options_architecture_and_version() {
        let options = |architecture| nvrtc::options(architecture);
        let base = key("a", &options("sm_90"), (12, 9));
        assert_eq!(base, key("a", &options("sm_90"), (12, 9)));
        assert_eq!(base.len(), 64);
        let mut longer = options("sm_90");
        longer.push("--maxrregcount=32".into());
        for other in [
            key("b", &options("sm_90"), (12, 9)),
            key("a", &options("sm_89"), (12, 9)),
            key("a", &options("sm_90"), (12, 8)),
            key("a", &longer, (12, 9)),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn a_damaged_cubin_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(&folder.path().join("new"), "labels", "key");
        assert_eq!(read(&path), None);
        write(&path, b"code").unwrap();
        assert_eq!(read(&path).as_deref(), Some(&b"code"[..]));
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path), None);
        std::fs::write(&path, b"short").unwrap();
        assert_eq!(read(&path), None);
    }
}
