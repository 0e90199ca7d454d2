//! Lists the local files to sync.

use std::fs;
use std::io;
use std::path::Path;

use super::SyncError;
use super::paths::{Kind, kind_of};

/// Deepest nesting of folders. Anything deeper is a loop of links.
const MAX_DEPTH: usize = 8;

/// Local paths (relative to the workdir, with `/`) of all files of `kinds`, sorted.
///
/// # Errors
/// [`SyncError::Local`] for a folder that cannot be read. A missing folder has no files.
pub fn local_files(workdir: &Path, kinds: &[Kind]) -> Result<Vec<String>, SyncError> {
    let mut files = Vec::new();
    for kind in kinds {
        visit(workdir, kind.local_folder(), MAX_DEPTH, &mut |local| {
            if kind_of(&local) == Some(*kind) {
                files.push(local);
            }
        })?;
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn visit(workdir: &Path, folder: &str, depth: usize, found: &mut impl FnMut(String)) -> Result<(), SyncError> {
    let path = workdir.join(folder);
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(SyncError::local(path, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| SyncError::local(&path, error))?;
        // This program writes no names that are not Unicode.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let local = format!("{folder}/{name}");
        match fs::metadata(entry.path()) {
            Ok(meta) if meta.is_dir() && depth > 0 && !name.starts_with('.') => {
                visit(workdir, &local, depth - 1, found)?;
            }
            Ok(meta) if meta.is_file() => found(local),
            // Deleted since the listing, a dangling link, or a device: nothing to sync.
            _ => {}
        }
    }
    Ok(())
}
