//! Results of training: a symbol's models, their raw scores, and their calibrated predictions for the test windows.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use huracan_boost::{BoostParams, Forest, SearchOutcome};
use huracan_decide::{Calibration, Head, Prediction, Scores};
use huracan_folds::Fold;

use super::reasons::EdgeTrees;
use super::{Family, FamilyModels, FoldScores, Mix};

/// The trained models of one symbol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainedSymbol {
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// Folds with a test window, in time order.
    pub folds: Vec<FoldOutcome>,
    /// Window of the final model: the bars it was trained and validated on.
    pub latest: Fold,
    /// Number of training rows of the final model.
    pub train_rows: usize,
    /// Trees of the final model, by head; those of a pool are in memory once.
    #[serde(with = "shared")]
    pub heads: Arc<BTreeMap<Head, Forest>>,
    /// Parameters of the final model, by head.
    pub params: BTreeMap<Head, BoostParams>,
    /// Digests of `heads`; a checkpoint whose digests differ is rejected.
    pub digests: BTreeMap<Head, String>,
    /// Models of the further families of the final model.
    #[serde(rename = "beside")]
    pub other_families: BTreeMap<Family, FamilyModels>,
    /// Families of the final model, by head.
    pub mix: Mix,
    /// What the final model's calibration is fitted on besides the folds.
    pub latest_scores: ModelScores,
    /// The calibration of the final model; none until the trainer has seen all coins' folds.
    pub calibration: Option<Calibration>,
    /// Training time per family, seconds: this symbol's share of its batch.
    pub seconds: BTreeMap<Family, f64>,
}

/// Values in an `Arc`, read and written as if they were not in one.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(value: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
        (**value).serialize(serializer)
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<T>, D::Error> {
        T::deserialize(deserializer).map(Arc::new)
    }
}

impl TrainedSymbol {
    /// Frees the raw scores that only the calibration needs. What the mix says of the test windows stays, for the reasons of trades.
    pub(crate) fn free_scores(&mut self) {
        for outcome in &mut self.folds {
            outcome.scores.own = None;
            outcome.scores.all.validation = Vec::new();
            outcome.families.values_mut().for_each(|alone| alone.scores = FoldScores::default());
        }
        self.latest_scores.own = None;
        self.latest_scores.all = FoldScores::default();
    }

    /// The place in `folds` of the one whose test window holds a bar.
    pub fn fold_at(&self, bar: usize) -> Option<usize> {
        self.folds.iter().position(|outcome| outcome.fold.test.contains(&bar))
    }

    /// The fold whose test window holds a bar.
    pub fn outcome_at(&self, bar: usize) -> Option<&FoldOutcome> {
        self.fold_at(bar).map(|place| &self.folds[place])
    }
}

/// One fold: its models' losses and predictions for the test window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoldOutcome {
    /// The windows, in bars.
    pub fold: Fold,
    /// Number of training rows.
    pub train_rows: usize,
    /// Number of rounds kept, by head.
    pub rounds: BTreeMap<Head, usize>,
    /// Best validation loss, by head.
    pub validation_loss: BTreeMap<Head, f64>,
    /// Loss on the test window, by head.
    pub test_loss: BTreeMap<Head, f64>,
    /// SHA-256 digest (hex) of the trees, by head.
    pub digests: BTreeMap<Head, String>,
    /// SHA-256 digest (hex) of the coin's own trees beside a pool, by head; empty without them.
    pub own_digests: BTreeMap<Head, String>,
    /// Parameters of the trees, by head.
    pub params: BTreeMap<Head, BoostParams>,
    /// Result of the hyperparameter search, by head; empty without a search.
    pub tuned: BTreeMap<Head, Tuned>,
    /// What the models say, before calibration.
    pub scores: ModelScores,
    /// The calibration, from rows older than the test window; none until the trainer has seen all coins' folds.
    pub calibration: Option<Calibration>,
    /// Calibrated predictions, one per bar of the test window; empty until then.
    pub predictions: Vec<Prediction>,
    /// Trees of the edge head, for the reasons of trades.
    #[serde(skip)]
    pub edge_trees: EdgeTrees,
    /// Each family alone; empty if there is only one.
    pub families: BTreeMap<Family, FamilyOutcome>,
    /// Families whose mean is the prediction, by head.
    pub mix: Mix,
}

/// Raw scores of a fold's models, and what they are measured against.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelScores {
    /// The mix of all families.
    pub all: FoldScores,
    /// What the coin's own trees add to a pooled model (scope `partial`): log odds, and multiples of the ATR.
    pub own: Option<FoldScores>,
    /// What the models say before their first tree, as raw scores: the weighted mean of the training labels, or their percentile.
    pub base: Scores,
    /// Mean of the training labels.
    pub means: Scores,
}

/// One family of a fold, alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FamilyOutcome {
    /// Number of rounds or epochs kept, by head or seed.
    pub rounds: BTreeMap<String, usize>,
    /// Loss on the validation rows, by head.
    pub validation_loss: BTreeMap<Head, f64>,
    /// Loss on the test window, by head.
    pub test_loss: BTreeMap<Head, f64>,
    /// SHA-256 digest (hex) of each model, by head or seed.
    pub digests: BTreeMap<String, String>,
    /// Raw scores.
    pub scores: FoldScores,
    /// Calibrated predictions, one per bar of the test window; empty until the trainer has seen all coins' folds.
    pub predictions: Vec<Prediction>,
    /// Mean training and validation loss of the networks per epoch; empty for trees.
    pub epochs: Vec<(f64, Option<f64>)>,
}

/// Hyperparameters chosen by search, compared with those of the settings on the fold's test window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    /// The choice, with its losses on the validation rows.
    pub chosen: SearchOutcome,
    /// Test loss with the chosen parameters.
    pub test_loss: f64,
    /// Test loss with the parameters of the settings.
    #[serde(rename = "own_test_loss")]
    pub baseline_test_loss: f64,
}
