//! Files that are hashed while they are written and get their name only once they are complete.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{ExportError, ExportFile};

/// Prefix of unfinished files. Those found when an export starts were left by one that was killed.
const TEMPORARY_PREFIX: &str = ".export-";

/// Bytes that are hashed and written at a time.
const BUFFER_BYTES: usize = 1 << 18;
/// Bytes after which a large file is synced to disk in the background.
const SYNC_BYTES: usize = 64 << 20;

/// The export folder.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Creates the folder if it is missing, and removes unfinished files of a killed export.
    pub fn open(path: &Path) -> Result<Self, ExportError> {
        let failed = |source| ExportError::Write { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failed)?;
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX) {
                std::fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Starts a file that will get this name.
    pub fn create(&self, name: &str) -> Result<PendingFile, ExportError> {
        let path = self.path.join(name);
        let temporary = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .tempfile_in(&self.path)
            .map_err(|source| ExportError::Write { path: path.clone(), source })?;
        Ok(PendingFile {
            path,
            name: name.to_owned(),
            inner: BufWriter::with_capacity(BUFFER_BYTES, HashingFile::new(temporary)),
        })
    }
}

/// A file that is being written.
pub(super) struct PendingFile {
    path: PathBuf,
    name: String,
    inner: BufWriter<HashingFile>,
}

impl PendingFile {
    /// Wraps an error of the file system with the file's path.
    pub fn failed(&self) -> impl FnOnce(io::Error) -> ExportError + use<> {
        let path = self.path.clone();
        move |source| ExportError::Write { path, source }
    }

    /// Syncs the file and gives it its name.
    pub fn finish(self, kind: &'static str, rows: Option<u64>) -> Result<ExportFile, ExportError> {
        let failed = |path: &Path, source| ExportError::Write { path: path.to_owned(), source };
        let mut hashing = self.inner.into_inner().map_err(|error| failed(&self.path, error.into_error()))?;
        hashing.wait_for_sync().map_err(|source| failed(&self.path, source))?;
        let HashingFile { file, hash, bytes, .. } = hashing;
        // Renaming before the content is on disk could leave an empty file after a power cut.
        file.as_file().sync_data().map_err(|source| failed(&self.path, source))?;
        // The replaced file is freed in the background: for several GB that takes seconds.
        let replaced = File::open(&self.path).ok();
        file.persist(&self.path).map_err(|error| failed(&self.path, error.error))?;
        replaced.map(|file| std::thread::spawn(move || drop(file)));
        Ok(ExportFile { file: self.name, kind, rows, bytes, sha256: crate::text::hex(&hash.finalize()) })
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

struct HashingFile {
    file: NamedTempFile,
    hash: Sha256,
    bytes: u64,
    /// The sync in progress, if any.
    syncing: Option<JoinHandle<io::Result<()>>>,
    /// Bytes written since that sync started.
    unsynced_bytes: usize,
}

impl HashingFile {
    fn new(file: NamedTempFile) -> Self {
        Self { file, hash: Sha256::new(), bytes: 0, syncing: None, unsynced_bytes: 0 }
    }

    /// Syncs in the background once enough was written; one sync at the end would have to wait for the whole file.
    fn sync_in_background(&mut self, written: usize) -> io::Result<()> {
        self.unsynced_bytes += written;
        if self.unsynced_bytes < SYNC_BYTES || self.syncing.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return Ok(());
        }
        self.wait_for_sync()?;
        let file = self.file.as_file().try_clone()?;
        self.syncing = Some(std::thread::spawn(move || file.sync_data()));
        self.unsynced_bytes = 0;
        Ok(())
    }

    /// Waits for the sync in progress. The system reports a write error only once, so it must not be dropped.
    fn wait_for_sync(&mut self) -> io::Result<()> {
        match self.syncing.take() {
            Some(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            None => Ok(()),
        }
    }
}

impl Write for HashingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        self.sync_in_background(written)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_only_when_complete_and_unfinished_ones_are_removed() {
        let temporary_folder = tempfile::tempdir().expect("a folder");
        std::fs::write(temporary_folder.path().join(".export-left"), "half").expect("writes");
        std::fs::write(temporary_folder.path().join("older.csv"), "kept").expect("writes");
        let folder = Folder::open(temporary_folder.path()).expect("opens");
        let mut file = folder.create("a.csv").expect("starts");
        file.write_all(b"abc").expect("writes");
        assert!(!temporary_folder.path().join("a.csv").exists());
        let exported = file.finish("test", Some(1)).expect("ends");
        assert_eq!(std::fs::read(temporary_folder.path().join("a.csv")).expect("reads"), b"abc");
        // The published SHA-256 of "abc".
        assert_eq!(exported.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(exported.bytes, 3);
        let mut names: Vec<_> =
            std::fs::read_dir(temporary_folder.path()).expect("lists").map(|e| e.expect("entry").file_name()).collect();
        names.sort();
        assert_eq!(names, ["a.csv", "older.csv"]);
    }
}
