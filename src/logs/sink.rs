//! A log file that survives a full disk.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::files::WriteError;

pub(super) struct Sink {
    file: Mutex<Open>,
}

struct Open {
    file: File,
    /// Lines that could not be written since the last one that was.
    lost: u64,
    /// Whether a failed write may have left half a line.
    torn: bool,
}

impl Sink {
    pub fn append(path: &Path) -> Result<Self, WriteError> {
        let failed = |source| WriteError { path: PathBuf::from(path), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        Ok(Self::to(File::options().create(true).append(true).open(path).map_err(failed)?))
    }

    pub fn to(file: File) -> Self {
        Self { file: Mutex::new(Open { file, lost: 0, torn: false }) }
    }

    /// Writes one line without a buffer. A line that cannot be written is counted; it is not an error.
    pub fn line(&self, line: &str) {
        let mut open = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::with_capacity(line.len() + 1);
        if open.torn {
            text.push('\n');
        }
        if open.lost > 0 {
            text.push_str(&format!(
                "{{\"level\":\"WARN\",\"message\":\"lines lost: the disk was full or failed\",\"lines\":{}}}\n",
                open.lost
            ));
        }
        text.push_str(line);
        text.push('\n');
        match open.file.write_all(text.as_bytes()) {
            Ok(()) => (open.lost, open.torn) = (0, false),
            Err(_) => {
                open.lost += 1;
                open.torn = true;
            }
        }
    }

    #[cfg(test)]
    pub fn lost(&self) -> u64 {
        self.file.lock().unwrap().lost
    }
}
