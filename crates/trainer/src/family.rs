//! Model families: kinds of models that predict the same heads.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use huracan_boost::Forest;
use huracan_decide::Head;
use huracan_neural::Network;

use super::ModelKind;

/// A family of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Boosted trees.
    Gbdt,
    /// Random forests.
    Forest,
    /// Networks.
    Neural,
    /// Boosted trees of a coin alone, which learn what a pooled model leaves over (scope `partial`). Never part of a mix.
    Own,
}

/// Per head, the families whose mean is the prediction; empty if there is only one family.
pub type Mix = BTreeMap<Head, Vec<Family>>;

impl Family {
    /// The name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gbdt => "gbdt",
            Self::Forest => "forest",
            Self::Neural => "neural",
            Self::Own => "own",
        }
    }

    /// The families that a run of this kind trains. The trees of the first one are the heads that LightGBM loads. The
    /// kind `neural` includes boosted trees too, for readers that support only trees, and for comparison.
    pub fn of(kind: ModelKind) -> &'static [Self] {
        match kind {
            ModelKind::Gbdt => &[Self::Gbdt],
            ModelKind::Forest => &[Self::Forest],
            ModelKind::Neural => &[Self::Gbdt, Self::Neural],
            ModelKind::Ensemble => &[Self::Gbdt, Self::Forest, Self::Neural],
        }
    }
}

/// Networks of the same shape; their prediction is the mean of all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Networks {
    /// Head of each output.
    pub heads: Vec<Head>,
    /// One per seed.
    pub seeds: Vec<Network>,
}

/// The models of one further family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FamilyModels {
    /// One forest per head.
    Trees(BTreeMap<Head, Forest>),
    /// Networks for all heads together.
    Networks(Networks),
}

impl FamilyModels {
    /// The forests per head, if this is a family of trees.
    pub fn trees(&self) -> Option<&BTreeMap<Head, Forest>> {
        match self {
            Self::Trees(heads) => Some(heads),
            Self::Networks(_) => None,
        }
    }

    /// The networks, if this is a family of networks.
    pub fn networks(&self) -> Option<&Networks> {
        match self {
            Self::Trees(_) => None,
            Self::Networks(networks) => Some(networks),
        }
    }

    /// SHA-256 digest (hex) of each model, by head or seed.
    pub fn digests(&self) -> BTreeMap<String, String> {
        match self {
            Self::Trees(heads) => {
                heads.iter().map(|(head, forest)| (head.name().to_owned(), forest.digest())).collect()
            }
            Self::Networks(networks) => {
                networks.seeds.iter().enumerate().map(|(seed, network)| (seed.to_string(), network.digest())).collect()
            }
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
