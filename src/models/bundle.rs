//! The files of one symbol's model: what the trading bot loads, and what is known of it.

mod metadata;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

pub use metadata::{Inputs, Metadata, Performance, TrainingParameters, model_id};

use super::lightgbm::{LightgbmError, from_lightgbm, lightgbm_feature_names, to_lightgbm};
use super::networks::{NetworksError, read_networks, write_networks};
use crate::boost::Forest;
use crate::decide::Head;
use crate::files::{is_plain_name, write_atomic};
use crate::trainer::{Family, Member, Mix, Networks};

/// First entry of every pickle; the number grows when an older reader could misread a newer file.
const FORMAT: &str = "huracan-model-1";
/// Of a model that several families speak for: who knows trees alone would take its heads for the whole.
const FORMAT_OF_SEVERAL: &str = "huracan-model-2";

/// File of a symbol's networks, in a folder of the symbol's name.
const NETWORKS: &str = "network.safetensors";

/// One symbol's model: its heads and all that is needed to use, judge and repeat it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// `LightGBM`: the library that loads the heads.
    pub model_type: String,
    /// The trees of each head.
    pub heads: BTreeMap<Head, Forest>,
    /// The head that stands in `{SYMBOL}_model.txt`.
    pub main_head: Head,
    /// In the order of the rows that every head predicts.
    pub feature_names: Vec<String>,
    /// None where features go to the model as they are.
    pub scaler: Option<Scaler>,
    /// Hyperparameters of each head, an object with the keys of [`BoostParams`](crate::boost::BoostParams); or one such
    /// object for all heads.
    pub parameters: Value,
    /// Families that speak beside the heads' trees; networks lie in `{SYMBOL}/network.safetensors`.
    pub beside: BTreeMap<Family, Member>,
    /// Whose mean each head is; empty where the trees speak alone.
    pub mix: Mix,
    pub metadata: Metadata,
}

/// Normalisation of features before the model: (value − center)/scale, one entry a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaler {
    pub center: Vec<f64>,
    pub scale: Vec<f64>,
}

/// Where a bundle's files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// `models/{SYMBOL}_model.pkl`
    pub pickle: PathBuf,
    /// `models/{SYMBOL}_model.txt`
    pub text: PathBuf,
    /// `models/{SYMBOL}/metadata.json`
    pub metadata: PathBuf,
    /// `models/{SYMBOL}/network.safetensors`, of models with networks.
    pub networks: PathBuf,
}

/// A bundle that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("'{symbol}' cannot name a model's files; a symbol is like BTC-USDT, without separators or '..'")]
    Symbol { symbol: String },
    #[error("{symbol}: {reason}")]
    Inconsistent { symbol: String, reason: String },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}: not a model of Huracan: {reason}", path.display())]
    Format { path: PathBuf, reason: String },
    #[error("{}: {head}: {source}", path.display())]
    Head { path: PathBuf, head: String, source: LightgbmError },
    #[error("{}: its models have digest {found}, {recorded} is recorded; the file was changed: train again", path.display())]
    Digest { path: PathBuf, recorded: String, found: String },
    #[error("{}: {source}", path.display())]
    Networks { path: PathBuf, source: NetworksError },
    #[error("{}: a model ends in .pkl or .txt", path.display())]
    Extension { path: PathBuf },
    #[error("{}: no head '{head}'; it has: {heads}", path.display())]
    NoHead { path: PathBuf, head: String, heads: String },
}

/// SHA-256 (hex) over digests, sorted and joined without a separator: of a model's heads, or of a run's models.
pub fn combined_digest<S: AsRef<str>>(digests: impl IntoIterator<Item = S>) -> String {
    let mut sorted: Vec<String> = digests.into_iter().map(|digest| digest.as_ref().to_owned()).collect();
    sorted.sort_unstable();
    crate::text::hex(&Sha256::digest(sorted.concat()))
}

/// Share of each feature in the gain of all heads, each head counting the same: the greatest first, features without
/// a split left out.
pub fn importance_shares(heads: &BTreeMap<Head, Forest>) -> Map<String, Value> {
    let mut shares: BTreeMap<&str, f64> = BTreeMap::new();
    let gains: Vec<(&Forest, Vec<f64>)> = heads.values().map(|head| (head, head.gain_importance())).collect();
    let grown = gains.iter().filter(|(_, gain)| gain.iter().sum::<f64>() > 0.0);
    let count = grown.clone().count() as f64;
    for (head, gain) in grown {
        let total: f64 = gain.iter().sum();
        for (name, g) in head.features.iter().zip(gain).filter(|(_, g)| **g > 0.0) {
            *shares.entry(name).or_default() += g / total / count;
        }
    }
    let mut shares: Vec<(&str, f64)> = shares.into_iter().collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    shares.into_iter().map(|(name, share)| (name.to_owned(), json!(share))).collect()
}

impl Bundle {
    /// SHA-256 (hex) over the sorted digests of the heads, and of what stands beside them.
    pub fn digest(&self) -> String {
        let beside = self.beside.values().flat_map(|member| member.digests().into_values());
        combined_digest(self.heads.values().map(Forest::digest).chain(beside))
    }

    /// Where the files of `symbol` lie below `workdir`.
    ///
    /// # Errors
    /// A symbol that would lead out of the folder.
    pub fn paths(workdir: &Path, symbol: &str) -> Result<Saved, BundleError> {
        if !is_plain_name(symbol) {
            return Err(BundleError::Symbol { symbol: symbol.escape_debug().to_string() });
        }
        let models = workdir.join("models");
        Ok(Saved {
            pickle: models.join(format!("{symbol}_model.pkl")),
            text: models.join(format!("{symbol}_model.txt")),
            metadata: models.join(symbol).join("metadata.json"),
            networks: models.join(symbol).join(NETWORKS),
        })
    }

    /// Writes its files, each whole or not at all, the metadata last; equal bundles give equal bytes.
    ///
    /// # Errors
    /// Parts that contradict each other, a symbol that would lead out of the folder, and those of the file system.
    pub fn save(&self, workdir: &Path) -> Result<Saved, BundleError> {
        let paths = Self::paths(workdir, &self.symbol)?;
        self.check().map_err(|reason| BundleError::Inconsistent { symbol: self.symbol.clone(), reason })?;
        let inconsistent = |reason: String| BundleError::Inconsistent { symbol: self.symbol.clone(), reason };
        let texts = self.texts(&self.heads);
        let metadata = serde_json::to_value(&self.metadata).map_err(|error| inconsistent(error.to_string()))?;
        let mut content = json!({
            "format": if self.mix.is_empty() { FORMAT } else { FORMAT_OF_SEVERAL },
            "symbol": self.symbol,
            "model_type": self.model_type,
            "heads": texts,
            "main_head": self.main_head,
            "feature_names": self.feature_names,
            "scaler": self.scaler,
            "parameters": self.parameters,
            "metadata": metadata,
        });
        let mut networks = None;
        if !self.mix.is_empty() {
            let mut families = Map::new();
            for (family, member) in &self.beside {
                let told = match member {
                    Member::Trees(heads) => json!({ "heads": self.texts(heads) }),
                    Member::Networks(seeds) => {
                        let bytes = write_networks(seeds).map_err(|error| inconsistent(error.to_string()))?;
                        let sha256 = crate::text::hex(&Sha256::digest(&bytes));
                        networks = Some(bytes);
                        json!({ "file": format!("{}/{NETWORKS}", self.symbol), "sha256": sha256 })
                    }
                };
                families.insert(family.name().to_owned(), told);
            }
            content["families"] = Value::Object(families);
            content["mix"] = json!(self.mix);
        }
        let pickle = serde_pickle::to_vec(&content, serde_pickle::SerOptions::new())
            .map_err(|error| inconsistent(error.to_string()))?;
        let write = |path: &PathBuf, bytes: &[u8]| {
            write_atomic(path, bytes).map_err(|error| BundleError::Io { path: error.path, source: error.source })
        };
        match networks {
            Some(bytes) => write(&paths.networks, &bytes)?,
            // Those of a model before this one.
            None => match std::fs::remove_file(&paths.networks) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(BundleError::Io { path: paths.networks, source });
                }
                _ => {}
            },
        }
        write(&paths.pickle, &pickle)?;
        write(&paths.text, texts[&self.main_head].as_bytes())?;
        write(&paths.metadata, format!("{metadata:#}\n").as_bytes())?;
        Ok(paths)
    }

    /// Heads as LightGBM reads them.
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
            return Err(format!("head '{name}' was trained on other features than the bundle names"));
        }
        for networks in self.beside.values().filter_map(Member::networks) {
            let mut heads: Vec<&Head> = networks.heads.iter().collect();
            heads.sort();
            if !heads.into_iter().eq(self.heads.keys()) {
                return Err("the networks have other heads than the trees".to_owned());
            }
            if networks.seeds.iter().any(|network| network.features != self.feature_names) {
                return Err("a network was trained on other features than the bundle names".to_owned());
            }
        }
        if !self.mix.is_empty() && !self.mix.keys().eq(self.heads.keys()) {
            return Err("the mix does not name every head".to_owned());
        }
        for (head, families) in &self.mix {
            let known = |family: &Family| *family == Family::Gbdt || self.beside.contains_key(family);
            if families.is_empty() || !families.iter().all(known) || !self.heads.contains_key(head) {
                return Err(format!("nobody speaks for the head '{head}'"));
            }
        }
        if self.metadata.symbol != self.symbol {
            return Err(format!("the metadata are those of {}", self.metadata.symbol));
        }
        if self.metadata.digest != self.digest() {
            return Err(format!("the metadata have digest {}, the models {}", self.metadata.digest, self.digest()));
        }
        let features = self.feature_names.len();
        match &self.scaler {
            Some(s) if s.center.len() != features || s.scale.len() != features => {
                Err(format!("the scaler does not have one entry for each of {features} features"))
            }
            _ => Ok(()),
        }
    }

    /// Reads a `.pkl` and checks its trees against the digest in its metadata. No code in the file is ever run.
    ///
    /// # Errors
    /// Those of the file system, a file that is no model of ours, and trees that were changed.
    pub fn load(path: &Path) -> Result<Self, BundleError> {
        let bytes = read(path)?;
        let bad = |reason: String| BundleError::Format { path: path.to_owned(), reason };
        let content: Value = serde_pickle::from_slice(&bytes, serde_pickle::DeOptions::new())
            .map_err(|error| bad(format!("not a pickle of plain values ({error})")))?;
        let raw: Raw = serde_json::from_value(content).map_err(|error| bad(error.to_string()))?;
        if raw.format != (if raw.mix.is_empty() { FORMAT } else { FORMAT_OF_SEVERAL }) {
            let reads = format!("this program reads '{FORMAT}', and '{FORMAT_OF_SEVERAL}' with a mix");
            return Err(bad(format!("its format is '{}', {reads}", raw.format)));
        }
        let heads = read_heads(path, raw.heads, &raw.feature_names)?;
        let mut beside = BTreeMap::new();
        for (family, member) in raw.families {
            let member = match member {
                RawMember::Trees { heads } => Member::Trees(read_heads(path, heads, &raw.feature_names)?),
                RawMember::Networks { sha256 } => Member::Networks(load_networks(path, &raw.symbol, &sha256)?),
            };
            beside.insert(family, member);
        }
        let bundle = Self {
            symbol: raw.symbol,
            model_type: raw.model_type,
            heads,
            main_head: raw.main_head,
            feature_names: raw.feature_names,
            scaler: raw.scaler,
            parameters: raw.parameters,
            beside,
            mix: raw.mix,
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

/// Heads of a pickle.
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
            let reason = format!("head '{name}' has other features than 'feature_names'");
            return Err(BundleError::Format { path: path.to_owned(), reason });
        }
        // A text that LightGBM has saved again holds only names that its format allows.
        forest.features = features.to_vec();
        heads.insert(name, forest);
    }
    Ok(heads)
}

/// The networks that lie beside a pickle.
fn load_networks(pickle: &Path, symbol: &str, sha256: &str) -> Result<Networks, BundleError> {
    if !is_plain_name(symbol) {
        return Err(BundleError::Symbol { symbol: symbol.escape_debug().to_string() });
    }
    let path = pickle.with_file_name(symbol).join(NETWORKS);
    let bytes = read(&path)?;
    let found = crate::text::hex(&Sha256::digest(&bytes));
    if found != sha256 {
        return Err(BundleError::Digest { path, recorded: sha256.to_owned(), found });
    }
    read_networks(&bytes).map_err(|source| BundleError::Networks { path, source })
}

/// Reads one model: a LightGBM text (`.txt`), or a head of a bundle (`.pkl`; the main one where none is named).
///
/// # Errors
/// Those of [`Bundle::load`] and [`from_lightgbm`], and a head that is not there.
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

/// The pickle as it is written.
#[derive(Deserialize)]
struct Raw {
    format: String,
    symbol: String,
    model_type: String,
    heads: BTreeMap<Head, String>,
    main_head: Head,
    feature_names: Vec<String>,
    scaler: Option<Scaler>,
    parameters: Value,
    #[serde(default)]
    families: BTreeMap<Family, RawMember>,
    #[serde(default)]
    mix: Mix,
    metadata: Metadata,
}

/// A family beside the heads'.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawMember {
    Trees { heads: BTreeMap<Head, String> },
    Networks { sha256: String },
}

#[cfg(test)]
mod tests;
