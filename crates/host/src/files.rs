//! Files that appear complete or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Most bytes of a name. File systems allow 255, and endings are added to names.
const MAX_NAME_BYTES: usize = 200;

/// Names of devices on Windows, which are reserved with any extension.
const WINDOWS_DEVICES: [&str; 22] = [
    "CON", "PRN", "AUX", "NUL", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9", "LPT1", "LPT2",
    "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
];

/// Whether a name from outside (a symbol, a value in a table, an entry on a remote) is safe as a file name.
///
/// On every operating system, a safe name stays in the folder that it is joined to: it has one component, is not hidden,
/// contains no separator, is not the name of a device, and has no characters that the system would change.
pub fn is_plain_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.starts_with('.')
        && !name.contains("..")
        && !name.ends_with(['.', ' '])
        && !name.contains(|c: char| c.is_control() || "/\\:*?\"<>|".contains(c))
        && !WINDOWS_DEVICES.iter().any(|device| device.eq_ignore_ascii_case(stem))
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}; {}", path.display(), remedy(source))]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "make the folder writable, or choose another --workdir",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some disk space",
        io::ErrorKind::ReadOnlyFilesystem => "choose a --workdir on a writable disk",
        _ => "check the folder and its disk",
    }
}

/// Writes `bytes` to `path` atomically: readers see the complete old file or the complete new one, even after a crash.
///
/// Missing folders are created. The temporary file is in the same folder, and its name begins with a dot.
///
/// # Errors
/// [`WriteError`] with the path; the old file is then unchanged.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let mut file = AtomicFile::create(path)?;
    file.write(bytes)?;
    file.commit()
}

/// Like [`write_atomic`], but does not replace a file that already exists: it then returns false.
///
/// # Errors
/// [`WriteError`] with the path.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<bool, WriteError> {
    let mut file = AtomicFile::create(path)?;
    file.write(bytes)?;
    file.commit_new()
}

/// A file that is written in several steps and appears complete when it is committed.
///
/// Until then it has a temporary name that begins with a dot. If it is dropped instead, the temporary file is deleted.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    temporary: NamedTempFile,
}

impl AtomicFile {
    /// Starts to write the file `path`. Missing folders are created.
    ///
    /// # Errors
    /// [`WriteError`] with the path.
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let temporary = temporary_in(folder_of(path));
        let temporary = temporary.map_err(|source| WriteError { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), temporary })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`WriteError`] with the path.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.temporary.write_all(bytes).map_err(|source| WriteError { path: self.path.clone(), source })
    }

    /// Gives the file its name, and replaces an old file of that name.
    ///
    /// # Errors
    /// [`WriteError`] with the path; the old file is then unchanged.
    pub fn commit(self) -> Result<(), WriteError> {
        let Self { path, temporary } = self;
        let failed = |source| WriteError { path: path.clone(), source };
        temporary.as_file().sync_all().map_err(failed)?;
        temporary.persist(&path).map_err(|error| failed(error.error))?;
        sync_folder(&path);
        Ok(())
    }

    /// Gives the file its name unless a file has it already; returns whether it did.
    fn commit_new(self) -> Result<bool, WriteError> {
        let Self { path, temporary } = self;
        let failed = |source| WriteError { path: path.clone(), source };
        temporary.as_file().sync_all().map_err(failed)?;
        match temporary.persist_noclobber(&path) {
            Ok(_) => {
                sync_folder(&path);
                Ok(true)
            }
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failed(error.error)),
        }
    }
}

fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".huracan-").suffix(".tmp");
    // Temporary files are private by default, but the finished file must follow the umask like any other.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the rename durable, on file systems that can.
fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(folder_of(path)) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_completely_and_no_temporary_file_remains() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/report.json");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn an_existing_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot.json");
        assert!(write_new(&path, b"one").unwrap());
        assert!(!write_new(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_error_names_the_path_and_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), b"").unwrap();
        let error = write_atomic(&folder.path().join("file/below.json"), b"x").unwrap_err().to_string();
        assert!(error.contains("below.json") && error.contains("check the folder"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn the_permissions_follow_the_umask() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (atomic, plain) = (folder.path().join("atomic"), folder.path().join("plain"));
        write_atomic(&atomic, b"x").unwrap();
        fs::write(&plain, b"x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&atomic), mode(&plain));
    }
}
