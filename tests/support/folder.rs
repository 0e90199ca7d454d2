//! What lies in a folder.

use std::path::{Path, PathBuf};

/// Every file below `folder`, in no order; none where there is no such folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .flatten()
        .flat_map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { vec![entry.path()] })
        .collect()
}

/// The pickle of a coin's model in a workdir, approved or rejected.
pub fn model(workdir: &Path, symbol: &str) -> PathBuf {
    let paths = [true, false].map(|approved| huracan::models::Bundle::paths(workdir, symbol, approved).unwrap().pickle);
    let there: Vec<&PathBuf> = paths.iter().filter(|path| path.is_file()).collect();
    assert_eq!(there.len(), 1, "{symbol} has one model: {there:?}");
    there[0].clone()
}
