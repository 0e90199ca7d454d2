//! The exports that are copies of files in the working folder.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::file::Folder;
use super::{ExportError, ExportFile};
use crate::models::bundle::REJECTED;

/// Copies learning snapshots, backtest results and the metadata of approved and rejected models; missing ones are skipped.
pub(super) fn all(workdir: &Path, folder: &Folder) -> Result<Vec<ExportFile>, ExportError> {
    let mut found: Vec<(&'static str, String, PathBuf)> = Vec::new();
    for (name, path) in files(&workdir.join("logs/learning"))? {
        if name.starts_with("learning_") && name.ends_with(".json") {
            found.push(("learning", name, path));
        }
    }
    for source in ["reports", "logs"] {
        for (name, path) in files(&workdir.join(source))? {
            if name.starts_with("backtest_") && (name.ends_with(".csv") || name.ends_with(".json")) {
                found.push(("backtest", name, path));
            }
        }
    }
    // Of a symbol with both, the approved model counts.
    let models = workdir.join("models");
    for folder in [models.clone(), models.join(REJECTED)] {
        for (symbol, path) in entries(&folder)? {
            let metadata = path.join("metadata.json");
            if metadata.is_file() {
                found.push(("artifact", format!("artifact_{symbol}_metadata.json"), metadata));
            }
        }
    }
    let mut names = HashSet::new();
    let mut copies = Vec::new();
    for (kind, name, path) in found {
        if names.insert(name.clone()) {
            copies.push(copy(kind, &name, &path, folder)?);
        } else {
            tracing::warn!(file = %path.display(), "not exported: a file of the same name was already copied from another folder");
        }
    }
    Ok(copies)
}

fn copy(kind: &'static str, name: &str, path: &Path, folder: &Folder) -> Result<ExportFile, ExportError> {
    let mut source = File::open(path).map_err(|source| ExportError::Read { path: path.to_owned(), source })?;
    let mut file = folder.create(name)?;
    let failed = file.failed();
    io::copy(&mut source, &mut file).map_err(failed)?;
    file.finish(kind, None)
}

fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>, ExportError> {
    Ok(entries(folder)?.into_iter().filter(|(_, path)| path.is_file()).collect())
}

/// Names and paths in a folder, sorted; empty if the folder does not exist.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, ExportError> {
    let failed = |source| ExportError::Read { path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        all.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    all.sort();
    Ok(all)
}
