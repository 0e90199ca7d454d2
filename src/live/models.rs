//! The approved models of a folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::LiveError;
use crate::models::SymbolModel;
use crate::models::bundle::{REJECTED, model_files};

/// Version of the program, as models name it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The models that decide.
#[derive(Debug)]
pub struct LiveModels {
    /// Their folder: the `models` of a workdir.
    pub folder: PathBuf,
    /// The folders around it: of its own place, and of the one that a link leads to.
    pub workdirs: Vec<PathBuf>,
    /// Approved models, by symbol ascending.
    pub approved: Vec<SymbolModel>,
    /// Whether they come from a simulated market.
    pub simulated: bool,
    /// Symbols that have only a model that was not approved.
    pub rejected: BTreeSet<String>,
}

impl LiveModels {
    /// Loads every approved model of a folder.
    ///
    /// # Errors
    /// A folder without models, a file that cannot be read, or a model of another version or on other features.
    pub fn load(folder: &Path) -> Result<Self, LiveError> {
        let paths = model_files(folder)?;
        let load = |path: &PathBuf| -> Result<SymbolModel, LiveError> {
            let model = SymbolModel::load(path, 0)?;
            let version = &model.bundle.metadata.version;
            if release(version) != release(VERSION) {
                return Err(LiveError::Version { path: path.clone(), version: version.clone(), own: VERSION });
            }
            Ok(model)
        };
        let loaded = paths.par_iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let (mut approved, withdrawn): (Vec<_>, Vec<_>) =
            loaded.into_iter().partition(|model| model.bundle.metadata.approved);
        approved.sort_by(|a, b| a.bundle.symbol.cmp(&b.bundle.symbol));
        let mut rejected: BTreeSet<String> = withdrawn.into_iter().map(|model| model.bundle.symbol).collect();
        let others = folder.join(REJECTED);
        if others.is_dir() {
            let name = |path: &PathBuf| {
                let name = path.file_name()?.to_str()?;
                Some(name.strip_suffix("_model.pkl")?.to_owned())
            };
            rejected.extend(model_files(&others)?.iter().filter_map(name));
        }
        if approved.is_empty() {
            return Err(LiveError::NoModels { folder: folder.to_owned(), rejected: rejected.len() });
        }
        for model in &approved {
            rejected.remove(&model.bundle.symbol);
        }
        let simulated = approved.iter().any(|model| model.bundle.metadata.simulated);
        let places = [std::path::absolute(folder), std::fs::canonicalize(folder)];
        let workdirs = places.iter().flatten().filter_map(|place| Some(place.parent()?.to_owned())).collect();
        Ok(Self { folder: folder.to_owned(), workdirs, approved, simulated, rejected })
    }
}

/// Major and minor version: what may change between them changes what a model means.
fn release(version: &str) -> Vec<&str> {
    version.split('.').take(2).collect()
}
