//! Checkpoints of training, addressed by their inputs.
//!
//! The name of the folder is a digest of everything that decides a model: the candles, the settings and the program itself.
//! A resumed run, or a second run on the same candles, uses the checkpoints there. Any other run finds an empty folder.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::files::{WriteError, write_atomic};
use crate::neural::TrainingState;
use crate::trainer::{NetworkName, TrainedSymbol};

/// Symbols are in upper case.
const TUNING: &str = "tuning.pkl";

pub struct Checkpoints {
    root: PathBuf,
    folder: PathBuf,
}

impl Checkpoints {
    /// The checkpoints for these candles, these settings and this program.
    pub fn of(workdir: &Path, panel_digest: &str, settings_digest: &str) -> Self {
        let root = workdir.join("data/checkpoints");
        let program = crate::program::code().ok().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update(Sha256::digest(program));
        hash.update(panel_digest);
        hash.update(settings_digest);
        let folder = root.join(&crate::text::hex(&hash.finalize())[..32]);
        Self { root, folder }
    }

    fn path(&self, symbol: &str) -> PathBuf {
        self.folder.join(format!("{symbol}.pkl"))
    }

    /// The trained symbol; none if there is no checkpoint, or it is damaged.
    pub fn load(&self, symbol: &str) -> Option<TrainedSymbol> {
        let bytes = std::fs::read(self.path(symbol)).ok()?;
        let trained: TrainedSymbol = serde_pickle::from_slice(&bytes, serde_pickle::DeOptions::new()).ok()?;
        let is_intact = trained.symbol == symbol
            && trained.heads.iter().all(|(name, forest)| trained.digests.get(name) == Some(&forest.digest()));
        if !is_intact {
            return None;
        }
        // A new modification time makes this run upload the file with its own checkpoints.
        let file = std::fs::File::options().append(true).open(self.path(symbol));
        if let Err(error) = file.and_then(|file| file.set_modified(SystemTime::now())) {
            tracing::debug!("{symbol}: {error}");
        }
        Some(trained)
    }

    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, trained: &TrainedSymbol) -> Result<(), anyhow::Error> {
        let bytes = serde_pickle::to_vec(trained, serde_pickle::SerOptions::new())?;
        write_atomic(&self.path(&trained.symbol), &bytes)?;
        // It contains the symbol's networks, so their own checkpoints are no longer needed.
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&format!("network_{}_", trained.symbol)) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    fn network_path(&self, name: &NetworkName<'_>) -> PathBuf {
        self.folder.join(format!("network_{}_{}_{}.pkl", name.symbol, name.fold, name.seed))
    }

    /// The state of a partly trained network; none if there is no checkpoint, or it is damaged.
    pub fn load_network(&self, name: &NetworkName<'_>) -> Option<TrainingState> {
        let bytes = std::fs::read(self.network_path(name)).ok()?;
        serde_pickle::from_slice(&bytes, serde_pickle::DeOptions::new()).ok()
    }

    /// # Errors
    /// A file that cannot be written.
    pub fn save_network(&self, name: &NetworkName<'_>, state: &TrainingState) -> Result<(), anyhow::Error> {
        let bytes = serde_pickle::to_vec(state, serde_pickle::SerOptions::new())?;
        write_atomic(&self.network_path(name), &bytes).map_err(|error: WriteError| error.into())
    }

    /// Deletes the states of partly trained networks, once every symbol's own checkpoint holds its networks.
    pub fn delete_networks(&self) {
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("network_") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// The result of the hyperparameter search; none if there is no checkpoint, or it is damaged.
    pub fn load_tuning<T: DeserializeOwned>(&self) -> Option<T> {
        let bytes = std::fs::read(self.folder.join(TUNING)).ok()?;
        serde_pickle::from_slice(&bytes, serde_pickle::DeOptions::new()).ok()
    }

    /// # Errors
    /// A file that cannot be written.
    pub fn save_tuning(&self, tuning: &impl Serialize) -> Result<(), anyhow::Error> {
        let bytes = serde_pickle::to_vec(tuning, serde_pickle::SerOptions::new())?;
        write_atomic(&self.folder.join(TUNING), &bytes).map_err(|error: WriteError| error.into())
    }

    /// Deletes the checkpoints of other candles and settings, which are no longer needed.
    pub fn delete_others(&self) {
        let Ok(entries) = std::fs::read_dir(&self.root) else { return };
        for entry in entries.flatten().filter(|entry| entry.path() != self.folder) {
            if let Err(error) = std::fs::remove_dir_all(entry.path()) {
                tracing::debug!("{}: {error}", entry.path().display());
            }
        }
    }
}
