//! Where the files of a model lie.

use std::path::{Path, PathBuf};

use super::BundleError;

/// Folder below `models` of those that were not approved, so that nobody loads one by mistake.
pub const REJECTED: &str = "rejected";

/// Ending of the file name of a pickle, after the symbol.
pub(super) const MODEL_SUFFIX: &str = "_model.pkl";

/// File name of a symbol's metadata, in a folder named after the symbol.
pub(super) const METADATA_FILE: &str = "metadata.json";

/// File name of a symbol's networks, in a folder named after the symbol.
pub(super) const NETWORKS_FILE: &str = "network.safetensors";

/// Paths of a bundle's files, below `models`, or below `models/rejected` if it is not approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundlePaths {
    /// `{SYMBOL}_model.pkl`.
    pub pickle: PathBuf,
    /// `{SYMBOL}_model.txt`.
    pub text: PathBuf,
    /// `{SYMBOL}/metadata.json`.
    pub metadata: PathBuf,
    /// `{SYMBOL}/network.safetensors`; exists only for models with networks.
    pub networks: PathBuf,
}

impl BundlePaths {
    /// Deletes the files, and the symbol's folder if nothing else is in it.
    pub(super) fn remove(&self) -> Result<(), BundleError> {
        for path in [&self.pickle, &self.text, &self.networks, &self.metadata] {
            remove_if_there(path)?;
        }
        if let Some(folder) = self.metadata.parent() {
            // Fails if it does not exist, or if someone else's file is in it.
            let _ = std::fs::remove_dir(folder);
        }
        Ok(())
    }
}

pub(super) fn remove_if_there(path: &Path) -> Result<(), BundleError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(BundleError::Io { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
