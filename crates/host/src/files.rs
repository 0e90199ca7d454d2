//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Bytes of a name: file systems take 255, and a name gets endings.
const LONGEST_NAME: usize = 200;

/// Names of devices on Windows, with any ending.
const DEVICES: [&str; 22] = [
    "CON", "PRN", "AUX", "NUL", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9", "LPT1", "LPT2",
    "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
];

/// Whether a name from outside (a symbol, a value of a table, an entry of a remote) names a file of the folder that it
/// is joined to on every system: one part, not hidden, no separator, no device, nothing that a system would change.
pub fn is_plain_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && !name.starts_with('.')
        && !name.contains("..")
        && !name.ends_with(['.', ' '])
        && !name.contains(|c: char| c.is_control() || "/\\:*?\"<>|".contains(c))
        && !DEVICES.iter().any(|device| device.eq_ignore_ascii_case(stem))
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}; {}", path.display(), remedy(source))]
pub struct WriteError {
    pub path: PathBuf,
    pub source: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "make the folder writable, or choose another --workdir",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some disk space",
        io::ErrorKind::ReadOnlyFilesystem => "choose a --workdir on a writable disk",
        _ => "look at the folder and its disk",
    }
}

/// Writes `bytes` to `path` so that a reader, or a crash at any instruction, meets the old file or the new one whole.
///
/// Missing folders are made. The temporary file lies in the same folder and its name begins with a dot.
///
/// # Errors
/// [`WriteError`] with the path; the old file is then as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let mut unfinished = Unfinished::begin(path)?;
    unfinished.write(bytes)?;
    unfinished.finish()
}

/// Like [`write_atomic`], but leaves a file that is already there alone and returns false.
///
/// # Errors
/// [`WriteError`] with the path.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<bool, WriteError> {
    let mut unfinished = Unfinished::begin(path)?;
    unfinished.write(bytes)?;
    unfinished.finish_new()
}

/// A file under way in pieces, under a name of its own that begins with a dot; dropped, nothing of it stays.
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
    temporary: NamedTempFile,
}

impl Unfinished {
    /// Begins the file that will be called `path`; missing folders are made.
    ///
    /// # Errors
    /// [`WriteError`] with the path, as from all calls of it.
    pub fn begin(path: &Path) -> Result<Self, WriteError> {
        let temporary = temporary_in(folder_of(path));
        let temporary = temporary.map_err(|source| WriteError { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), temporary })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.temporary.write_all(bytes).map_err(|source| WriteError { path: self.path.clone(), source })
    }

    /// Gives the file its name, in place of an old one.
    pub fn finish(self) -> Result<(), WriteError> {
        let Self { path, temporary } = self;
        let failed = |source| WriteError { path: path.clone(), source };
        temporary.as_file().sync_all().map_err(failed)?;
        temporary.persist(&path).map_err(|error| failed(error.error))?;
        sync_folder(&path);
        Ok(())
    }

    /// Gives the file its name, unless one has it already; whether it did.
    fn finish_new(self) -> Result<bool, WriteError> {
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
    // Temporary files are private by default; the finished one follows the umask like any other file.
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

/// Makes the rename itself durable; filesystems that cannot do so lose nothing but that promise.
fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(folder_of(path)) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_no_temporary_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/report.json");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_there_is_left_alone() {
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
        let told = write_atomic(&folder.path().join("file/below.json"), b"x").unwrap_err().to_string();
        assert!(told.contains("below.json") && told.contains("look at the folder"), "{told}");
    }

    #[cfg(unix)]
    #[test]
    fn other_users_may_read_what_the_umask_lets_them() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write_atomic(&ours, b"x").unwrap();
        fs::write(&plain, b"x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
