//! The files of one symbol's model: what the trading bot loads, and the metadata.

mod calibration;
mod importance;
mod metadata;
mod paths;
mod place;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

pub use calibration::calibration_digest;
use calibration::read_calibration;
pub use importance::{Importance, importance, importance_shares};
pub use metadata::{Inputs, Metadata, Performance, TrainingParameters, model_id};
pub use paths::{BundlePaths, REJECTED};
use paths::{METADATA_FILE, MODEL_SUFFIX, NETWORKS_FILE, remove_if_there};
pub use place::{model_files, retire, settle, symbols_with_files};

use super::lightgbm::{LightgbmError, from_lightgbm, lightgbm_feature_names, to_lightgbm};
use super::networks::{NetworksError, read_networks, write_networks};
use crate::boost::Forest;
use crate::decide::{Calibration, Head, HeadCalibration};
use crate::files::{is_plain_name, write_atomic};
use crate::trainer::{Family, FamilyModels, Mix, Networks};

/// Format of a pickle. The number grows when an older reader could misread a newer file: one that does not know the calibration
/// would believe raw scores.
const FORMAT: &str = "huracan-model-4";
/// Formats of earlier versions, without a calibration: of one family, and of several.
const OLDER_FORMATS: [&str; 2] = ["huracan-model-1", "huracan-model-2"];

/// One symbol's model: its heads, and everything needed to use, judge and reproduce it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// `LightGBM`, `Neural` or `Ensemble`: what is needed to load it.
    pub model_type: String,
    /// The boosted trees (or the forest) of each head.
    pub heads: BTreeMap<Head, Forest>,
    /// The head that `{SYMBOL}_model.txt` holds.
    pub main_head: Head,
    /// The columns of a row, in order, for every head.
    pub feature_names: Vec<String>,
    /// Normalisation before prediction; None if features are used as they are.
    pub scaler: Option<Scaler>,
    /// Hyperparameters: head → object with the keys of [`BoostParams`](crate::boost::BoostParams), or one such object
    /// for all heads.
    pub parameters: Value,
    /// The families other than those in `heads`. Networks are stored in `{SYMBOL}/network.safetensors`.
    pub other_families: BTreeMap<Family, FamilyModels>,
    /// Head → the families whose mean it is; empty if `heads` predicts alone.
    pub mix: Mix,
    /// From raw scores to predictions; none in models of earlier versions.
    pub calibration: Option<Calibration>,
    /// The content of `metadata.json`.
    pub metadata: Metadata,
}

/// Normalisation of features: (value − center)/scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaler {
    /// Subtracted; one entry per feature.
    pub center: Vec<f64>,
    /// Divides; one entry per feature.
    pub scale: Vec<f64>,
}

/// A bundle that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The symbol cannot be used as a file name.
    #[error("'{symbol}' cannot be used as a file name; a symbol looks like BTC-USDT, without path separators or '..'")]
    Symbol {
        /// The symbol, escaped.
        symbol: String,
    },
    /// Parts of the bundle contradict each other.
    #[error("{symbol}: {reason}")]
    Inconsistent {
        /// `BASE-QUOTE`.
        symbol: String,
        /// The contradiction.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Error of the file system.
        source: std::io::Error,
    },
    /// The file is not a model of this program.
    #[error("{}: not a Huracan model: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The model cannot be used by this version.
    #[error("{}: {reason}; train it again", path.display())]
    Outdated {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// The trees of a head cannot be read.
    #[error("{}: {head}: {source}", path.display())]
    Head {
        /// The file.
        path: PathBuf,
        /// The head.
        head: String,
        /// What is wrong with its text.
        source: LightgbmError,
    },
    /// The content does not match the recorded digest.
    #[error(
        "{}: its models have digest {found}, but {recorded} is recorded; the file was modified: train the model again",
        path.display()
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// The recorded digest.
        recorded: String,
        /// The digest of the content.
        found: String,
    },
    /// The networks cannot be read.
    #[error("{}: {source}", path.display())]
    Networks {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: NetworksError,
    },
    /// The file name has another extension.
    #[error("{}: the name of a model file ends in .pkl or .txt", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// The bundle has no such head.
    #[error("{}: no head '{head}'; it has: {heads}", path.display())]
    NoHead {
        /// The file.
        path: PathBuf,
        /// The requested head.
        head: String,
        /// The heads that it has.
        heads: String,
    },
}

/// SHA-256 (hex) over digests, sorted and concatenated: of a model's heads, or of a run's models.
pub fn combined_digest<S: AsRef<str>>(digests: impl IntoIterator<Item = S>) -> String {
    let mut sorted: Vec<String> = digests.into_iter().map(|digest| digest.as_ref().to_owned()).collect();
    sorted.sort_unstable();
    crate::text::hex(&Sha256::digest(sorted.concat()))
}

impl Bundle {
    /// SHA-256 (hex) over the sorted digests of the heads, of the other families, and of calibration and mix.
    pub fn digest(&self) -> String {
        let others = self.other_families.values().flat_map(|models| models.digests().into_values());
        let calibration = self.calibration.map(|calibration| calibration_digest(&calibration, &self.mix));
        combined_digest(self.heads.values().map(Forest::digest).chain(others).chain(calibration))
    }

    /// Paths of the files of `symbol` below `workdir`, of an approved or a rejected model.
    ///
    /// # Errors
    /// A symbol that cannot be used as a file name.
    pub fn paths(workdir: &Path, symbol: &str, approved: bool) -> Result<BundlePaths, BundleError> {
        if !is_plain_name(symbol) {
            return Err(BundleError::Symbol { symbol: symbol.escape_debug().to_string() });
        }
        let models = workdir.join("models");
        let models = if approved { models } else { models.join(REJECTED) };
        Ok(BundlePaths {
            pickle: models.join(format!("{symbol}{MODEL_SUFFIX}")),
            text: models.join(format!("{symbol}_model.txt")),
            metadata: models.join(symbol).join(METADATA_FILE),
            networks: models.join(symbol).join(NETWORKS_FILE),
        })
    }

    /// Writes its files, each atomically, the metadata last, to the folder of its verdict, and deletes those of an earlier model
    /// with the other verdict. Equal bundles give equal bytes.
    ///
    /// # Errors
    /// Parts that contradict each other, a symbol that cannot be used as a file name, or an error of the file system.
    pub fn save(&self, workdir: &Path) -> Result<BundlePaths, BundleError> {
        let paths = Self::paths(workdir, &self.symbol, self.metadata.approved)?;
        self.check().map_err(|reason| BundleError::Inconsistent { symbol: self.symbol.clone(), reason })?;
        let inconsistent = |reason: String| BundleError::Inconsistent { symbol: self.symbol.clone(), reason };
        let texts = self.texts(&self.heads);
        let metadata = serde_json::to_value(&self.metadata).map_err(|error| inconsistent(error.to_string()))?;
        let mut content = json!({
            "format": self.format(),
            "symbol": self.symbol,
            "model_type": self.model_type,
            "heads": texts,
            "main_head": self.main_head,
            "feature_names": self.feature_names,
            "scaler": self.scaler,
            "parameters": self.parameters,
            "metadata": metadata,
        });
        if let Some(calibration) = &self.calibration {
            let by_head = |head: Head| (head.name().to_owned(), json!(calibration.head(head)));
            content["calibration"] = Value::Object(Head::ALL.into_iter().map(by_head).collect());
        }
        let mut networks = None;
        if !self.other_families.is_empty() {
            let mut families = Map::new();
            for (family, models) in &self.other_families {
                let entry = match models {
                    FamilyModels::Trees(heads) => json!({ "heads": self.texts(heads) }),
                    FamilyModels::Networks(seeds) => {
                        let bytes = write_networks(seeds).map_err(|error| inconsistent(error.to_string()))?;
                        let sha256 = crate::text::hex(&Sha256::digest(&bytes));
                        networks = Some(bytes);
                        json!({ "file": format!("{}/{NETWORKS_FILE}", self.symbol), "sha256": sha256 })
                    }
                };
                families.insert(family.name().to_owned(), entry);
            }
            content["families"] = Value::Object(families);
        }
        if !self.mix.is_empty() {
            content["mix"] = json!(self.mix);
        }
        let pickle = serde_pickle::to_vec(&content, serde_pickle::SerOptions::new())
            .map_err(|error| inconsistent(error.to_string()))?;
        let write = |path: &PathBuf, bytes: &[u8]| {
            write_atomic(path, bytes).map_err(|error| BundleError::Io { path: error.path, source: error.source })
        };
        let other = Self::paths(workdir, &self.symbol, !self.metadata.approved)?;
        // A model that is no longer approved is gone before its successor is there.
        if !self.metadata.approved {
            other.remove()?;
        }
        match networks {
            Some(bytes) => write(&paths.networks, &bytes)?,
            // Remove the networks of an earlier model.
            None => remove_if_there(&paths.networks)?,
        }
        write(&paths.pickle, &pickle)?;
        write(&paths.text, texts[&self.main_head].as_bytes())?;
        write(&paths.metadata, format!("{metadata:#}\n").as_bytes())?;
        other.remove()?;
        Ok(paths)
    }

    fn format(&self) -> &'static str {
        match &self.calibration {
            Some(_) => FORMAT,
            None => OLDER_FORMATS[usize::from(!self.mix.is_empty())],
        }
    }

    /// The heads as LightGBM model texts.
    fn texts(&self, heads: &BTreeMap<Head, Forest>) -> BTreeMap<Head, String> {
        heads.iter().map(|(&head, forest)| (head, to_lightgbm(forest, self.parameters_of(head)))).collect()
    }

    fn parameters_of(&self, head: Head) -> &Value {
        self.parameters.get(head.name()).unwrap_or(&self.parameters)
    }

    fn check(&self) -> Result<(), String> {
        if !self.heads.contains_key(&self.main_head) {
            return Err(format!("the main head '{}' is not among the heads", self.main_head));
        }
        if let Some((name, _)) = self.heads.iter().find(|(_, head)| head.features != self.feature_names) {
            return Err(format!("head '{name}' was trained on features other than those of the bundle"));
        }
        for networks in self.other_families.values().filter_map(FamilyModels::networks) {
            let mut heads: Vec<&Head> = networks.heads.iter().collect();
            heads.sort();
            if !heads.into_iter().eq(self.heads.keys()) {
                return Err("the networks have other heads than the trees".to_owned());
            }
            if networks.seeds.iter().any(|network| network.features != self.feature_names) {
                return Err("a network was trained on features other than those of the bundle".to_owned());
            }
        }
        if !self.mix.is_empty() && !self.mix.keys().eq(self.heads.keys()) {
            return Err("the mix does not have one entry per head".to_owned());
        }
        for (head, families) in &self.mix {
            let known = |family: &Family| *family == Family::Gbdt || self.other_families.contains_key(family);
            if families.is_empty() || !families.iter().all(known) || !self.heads.contains_key(head) {
                return Err(format!(
                    "the mix of the head '{head}' is empty, names a family that the model does not have, or belongs to no head"
                ));
            }
        }
        if self.metadata.symbol != self.symbol {
            return Err(format!("the metadata belong to {}", self.metadata.symbol));
        }
        if self.metadata.digest != self.digest() {
            return Err(format!("the metadata have digest {}, the models {}", self.metadata.digest, self.digest()));
        }
        let features = self.feature_names.len();
        match &self.scaler {
            Some(s) if s.center.len() != features || s.scale.len() != features => {
                Err(format!("the scaler does not have one entry per feature, of which there are {features}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Reads a `.pkl` and checks its models against the digest in its metadata. No code in the file is executed.
    ///
    /// # Errors
    /// An error of the file system, a file that is not a model of this program, or models that were modified.
    pub fn load(path: &Path) -> Result<Self, BundleError> {
        let bytes = read(path)?;
        let bad = |reason: String| BundleError::Format { path: path.to_owned(), reason };
        let content: Value = serde_pickle::from_slice(&bytes, serde_pickle::DeOptions::new())
            .map_err(|error| bad(format!("not a pickle of plain values ({error})")))?;
        let raw: RawBundle = serde_json::from_value(content).map_err(|error| bad(error.to_string()))?;
        let calibration = read_calibration(&raw).map_err(bad)?;
        let heads = read_heads(path, raw.heads, &raw.feature_names)?;
        let mut other_families = BTreeMap::new();
        for (family, models) in raw.families {
            let models = match models {
                RawFamily::Trees { heads } => FamilyModels::Trees(read_heads(path, heads, &raw.feature_names)?),
                RawFamily::Networks { sha256 } => FamilyModels::Networks(load_networks(path, &raw.symbol, &sha256)?),
            };
            other_families.insert(family, models);
        }
        let bundle = Self {
            symbol: raw.symbol,
            model_type: raw.model_type,
            heads,
            main_head: raw.main_head,
            feature_names: raw.feature_names,
            scaler: raw.scaler,
            parameters: raw.parameters,
            other_families,
            mix: raw.mix,
            calibration,
            metadata: raw.metadata,
        };
        let (recorded, found) = (bundle.metadata.digest.clone(), bundle.digest());
        if recorded != found {
            return Err(BundleError::Digest { path: path.to_owned(), recorded, found });
        }
        bundle.check().map_err(bad)?;
        Ok(bundle)
    }
}

/// Reads the heads of a pickle.
fn read_heads(
    path: &Path,
    texts: BTreeMap<Head, String>,
    features: &[String],
) -> Result<BTreeMap<Head, Forest>, BundleError> {
    let plain_names = lightgbm_feature_names(features);
    let mut heads = BTreeMap::new();
    for (name, text) in texts {
        let mut forest = from_lightgbm(&text).map_err(|source| BundleError::Head {
            path: path.to_owned(),
            head: name.to_string(),
            source,
        })?;
        if forest.features != features && forest.features != plain_names {
            let reason = format!("head '{name}' has features other than 'feature_names'");
            return Err(BundleError::Format { path: path.to_owned(), reason });
        }
        // A text that LightGBM has saved again has only names that its format allows.
        forest.features = features.to_vec();
        heads.insert(name, forest);
    }
    Ok(heads)
}

/// Reads the networks that belong to a pickle.
fn load_networks(pickle: &Path, symbol: &str, sha256: &str) -> Result<Networks, BundleError> {
    if !is_plain_name(symbol) {
        return Err(BundleError::Symbol { symbol: symbol.escape_debug().to_string() });
    }
    let path = pickle.with_file_name(symbol).join(NETWORKS_FILE);
    let bytes = read(&path)?;
    let found = crate::text::hex(&Sha256::digest(&bytes));
    if found != sha256 {
        return Err(BundleError::Digest { path, recorded: sha256.to_owned(), found });
    }
    read_networks(&bytes).map_err(|source| BundleError::Networks { path, source })
}

/// Reads one forest: a LightGBM text (`.txt`), or a head of a bundle (`.pkl`; the main head if none is named).
///
/// # Errors
/// As for [`Bundle::load`] and [`from_lightgbm`]; a head that does not exist.
pub fn load_forest(path: &Path, head: Option<&str>) -> Result<Forest, BundleError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("pkl") => {
            let mut bundle = Bundle::load(path)?;
            let heads = bundle.heads.keys().map(|head| head.name()).collect::<Vec<_>>().join(", ");
            let none = |head: &str| BundleError::NoHead { path: path.to_owned(), head: head.to_owned(), heads };
            match head.map_or(Ok(bundle.main_head), str::parse::<Head>) {
                Ok(name) => bundle.heads.remove(&name).ok_or_else(|| none(name.name())),
                Err(unknown) => Err(none(&unknown.name)),
            }
        }
        Some("txt") => {
            let bytes = read(path)?;
            let text = String::from_utf8(bytes)
                .map_err(|_| BundleError::Format { path: path.to_owned(), reason: "not UTF-8 text".to_owned() })?;
            from_lightgbm(&text).map_err(|source| BundleError::Head {
                path: path.to_owned(),
                head: "model".to_owned(),
                source,
            })
        }
        _ => Err(BundleError::Extension { path: path.to_owned() }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, BundleError> {
    std::fs::read(path).map_err(|source| BundleError::Io { path: path.to_owned(), source })
}

/// The content of a pickle.
#[derive(Deserialize)]
struct RawBundle {
    format: String,
    symbol: String,
    model_type: String,
    heads: BTreeMap<Head, String>,
    main_head: Head,
    feature_names: Vec<String>,
    scaler: Option<Scaler>,
    parameters: Value,
    #[serde(default)]
    families: BTreeMap<Family, RawFamily>,
    #[serde(default)]
    mix: Mix,
    #[serde(default)]
    calibration: BTreeMap<Head, HeadCalibration>,
    metadata: Metadata,
}

/// A family other than those in `heads`.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawFamily {
    Trees { heads: BTreeMap<Head, String> },
    Networks { sha256: String },
}

#[cfg(test)]
mod tests;
