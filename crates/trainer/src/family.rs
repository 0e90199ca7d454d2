//! Kinds of models that may speak for the same heads.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use huracan_boost::Forest;
use huracan_decide::Head;
use huracan_neural::Network;

use super::ModelKind;

/// A kind of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Boosted trees.
    Gbdt,
    /// Random forests.
    Forest,
    /// Networks.
    Neural,
}

/// For each head the families whose mean it is; empty where there is only one family.
pub type Mix = BTreeMap<Head, Vec<Family>>;

impl Family {
    pub fn name(self) -> &'static str {
        match self {
            Self::Gbdt => "gbdt",
            Self::Forest => "forest",
            Self::Neural => "neural",
        }
    }

    /// The families that a run of this kind trains. The first one's trees are the heads that LightGBM loads: networks
    /// have boosted trees beside them, for readers that know trees alone, and to be held against.
    pub fn of(kind: ModelKind) -> &'static [Self] {
        match kind {
            ModelKind::Gbdt => &[Self::Gbdt],
            ModelKind::Forest => &[Self::Forest],
            ModelKind::Neural => &[Self::Gbdt, Self::Neural],
            ModelKind::Ensemble => &[Self::Gbdt, Self::Forest, Self::Neural],
        }
    }
}

/// Networks of one shape; what they predict is the mean of all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Networks {
    /// Which head each of their outputs is.
    pub heads: Vec<Head>,
    /// One per seed.
    pub seeds: Vec<Network>,
}

/// What a family beside the heads' has trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Member {
    /// By head.
    Trees(BTreeMap<Head, Forest>),
    Networks(Networks),
}

impl Member {
    /// The heads of a family of trees.
    pub fn trees(&self) -> Option<&BTreeMap<Head, Forest>> {
        match self {
            Self::Trees(heads) => Some(heads),
            Self::Networks(_) => None,
        }
    }

    pub fn networks(&self) -> Option<&Networks> {
        match self {
            Self::Trees(_) => None,
            Self::Networks(networks) => Some(networks),
        }
    }

    /// Digest of each of its models, by head or seed.
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
