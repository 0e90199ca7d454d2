//! What training leaves: a symbol's models, and what they said of their test windows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use huracan_boost::{BoostParams, Chosen, Forest};
use huracan_decide::{Head, Prediction};
use huracan_folds::Fold;

use super::{Family, Member, Mix};

/// One symbol, trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    pub symbol: String,
    pub folds: Vec<FoldOutcome>,
    /// Bars that the last model learned from and chose by.
    pub latest: Fold,
    pub train_rows: usize,
    /// The model that is handed on, by head.
    pub heads: BTreeMap<Head, Forest>,
    /// What each head was trained with.
    pub params: BTreeMap<Head, BoostParams>,
    /// Digests of `heads`: a checkpoint that does not have them is not taken.
    pub digests: BTreeMap<Head, String>,
    /// The other families' part of the model that is handed on.
    pub beside: BTreeMap<Family, Member>,
    /// Which of the families each of its heads is.
    pub mix: Mix,
    /// Seconds that each family took, this symbol's share of its batch.
    pub seconds: BTreeMap<Family, f64>,
}

/// One fold, trained and applied to its test window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoldOutcome {
    pub fold: Fold,
    pub train_rows: usize,
    /// Rounds kept, by head.
    pub rounds: BTreeMap<Head, usize>,
    /// Best validation loss, by head.
    pub validation_loss: BTreeMap<Head, f64>,
    /// Loss on the test window, by head.
    pub test_loss: BTreeMap<Head, f64>,
    pub digests: BTreeMap<Head, String>,
    /// What each head was trained with.
    pub params: BTreeMap<Head, BoostParams>,
    /// What the search of hyperparameters chose and gained, by head.
    pub tuned: BTreeMap<Head, Tuned>,
    /// One entry a bar of the test window.
    pub predictions: Vec<Prediction>,
    /// Each family by itself; empty where there is only one.
    pub families: BTreeMap<Family, FamilyOutcome>,
    /// Which of them each head's prediction is the mean of.
    pub mix: Mix,
}

/// One family of a fold by itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FamilyOutcome {
    /// Rounds or epochs kept, by head or seed.
    pub rounds: BTreeMap<String, usize>,
    /// Loss on the validation rows, and on the test window, by head.
    pub validation_loss: BTreeMap<Head, f64>,
    pub test_loss: BTreeMap<Head, f64>,
    /// By head or seed.
    pub digests: BTreeMap<String, String>,
    /// One entry a bar of the test window.
    pub predictions: Vec<Prediction>,
    /// Mean training and validation loss of its networks by epoch; empty for trees.
    pub epochs: Vec<(f64, Option<f64>)>,
}

/// Hyperparameters chosen by search, held against those of the settings on the fold's test window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    pub chosen: Chosen,
    pub test_loss: f64,
    /// With the settings' own parameters.
    pub own_test_loss: f64,
}
