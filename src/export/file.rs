//! Files that appear whole or not at all, hashed as they are written.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{ExportError, ExportFile};

/// Files under way; whatever carries this name when an export starts was left by one that was killed.
const UNDER_WAY: &str = ".export-";

/// Bytes that are hashed and written at once.
const PIECE: usize = 1 << 18;
/// Bytes after which a large file is sent on its way to the disk.
const TO_DISK: usize = 64 << 20;

/// The folder of the exports.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder where it is missing and clears what a killed export left.
    pub fn open(path: &Path) -> Result<Self, ExportError> {
        let failed = |source| ExportError::Write { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failed)?;
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().to_string_lossy().starts_with(UNDER_WAY) {
                std::fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Starts a file that will get this name.
    pub fn create(&self, name: &str) -> Result<Whole, ExportError> {
        let path = self.path.join(name);
        let temporary = tempfile::Builder::new()
            .prefix(UNDER_WAY)
            .tempfile_in(&self.path)
            .map_err(|source| ExportError::Write { path: path.clone(), source })?;
        Ok(Whole { path, name: name.to_owned(), inner: BufWriter::with_capacity(PIECE, Hashing::new(temporary)) })
    }
}

/// A file under way.
pub(super) struct Whole {
    path: PathBuf,
    name: String,
    inner: BufWriter<Hashing>,
}

impl Whole {
    /// An error of the file system, with the file's name.
    pub fn failed(&self) -> impl FnOnce(io::Error) -> ExportError + use<> {
        let path = self.path.clone();
        move |source| ExportError::Write { path, source }
    }

    /// Puts the file under its name.
    pub fn finish(self, kind: &'static str, rows: Option<u64>) -> Result<ExportFile, ExportError> {
        let failed = |path: &Path, source| ExportError::Write { path: path.to_owned(), source };
        let mut hashing = self.inner.into_inner().map_err(|error| failed(&self.path, error.into_error()))?;
        hashing.arrived().map_err(|source| failed(&self.path, source))?;
        let Hashing { file, hash, bytes, .. } = hashing;
        // Renaming before the content has reached the disk could leave an empty file after a power cut.
        file.as_file().sync_data().map_err(|source| failed(&self.path, source))?;
        // What it takes the place of is freed while the next file is made: several GB take seconds.
        let replaced = File::open(&self.path).ok();
        file.persist(&self.path).map_err(|error| failed(&self.path, error.error))?;
        replaced.map(|file| std::thread::spawn(move || drop(file)));
        Ok(ExportFile { file: self.name, kind, rows, bytes, sha256: crate::text::hex(&hash.finalize()) })
    }
}

impl Write for Whole {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

struct Hashing {
    file: NamedTempFile,
    hash: Sha256,
    bytes: u64,
    /// What of a large file is on its way to the disk while more of it is made.
    leaving: Option<JoinHandle<io::Result<()>>>,
    /// Bytes written since that began.
    waiting: usize,
}

impl Hashing {
    fn new(file: NamedTempFile) -> Self {
        Self { file, hash: Sha256::new(), bytes: 0, leaving: None, waiting: 0 }
    }

    /// Sends what has gathered on its way to the disk: left to the end, all of it would be waited for.
    fn send_off(&mut self, written: usize) -> io::Result<()> {
        self.waiting += written;
        if self.waiting < TO_DISK || self.leaving.as_ref().is_some_and(|leaving| !leaving.is_finished()) {
            return Ok(());
        }
        self.arrived()?;
        let file = self.file.as_file().try_clone()?;
        self.leaving = Some(std::thread::spawn(move || file.sync_data()));
        self.waiting = 0;
        Ok(())
    }

    /// Waits for what is on its way; a disk that failed says so once, and to whoever asked first.
    fn arrived(&mut self) -> io::Result<()> {
        match self.leaving.take() {
            Some(leaving) => leaving.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            None => Ok(()),
        }
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        self.send_off(written)?;
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
    fn a_file_is_seen_only_when_it_is_whole_and_a_killed_one_is_cleared() {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::write(home.path().join(".export-left"), "half").expect("writes");
        std::fs::write(home.path().join("older.csv"), "kept").expect("writes");
        let folder = Folder::open(home.path()).expect("opens");
        let mut file = folder.create("a.csv").expect("starts");
        file.write_all(b"abc").expect("writes");
        assert!(!home.path().join("a.csv").exists());
        let made = file.finish("test", Some(1)).expect("ends");
        assert_eq!(std::fs::read(home.path().join("a.csv")).expect("reads"), b"abc");
        // The published SHA-256 of "abc".
        assert_eq!(made.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(made.bytes, 3);
        let mut left: Vec<_> =
            std::fs::read_dir(home.path()).expect("lists").map(|e| e.expect("entry").file_name()).collect();
        left.sort();
        assert_eq!(left, ["a.csv", "older.csv"]);
    }
}
