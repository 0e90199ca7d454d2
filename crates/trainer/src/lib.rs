//! Walk-forward training: every symbol's models are trained on windows that move through time, and judged by trades on
//! bars that they have not seen.
//!
//! [`WalkForward`] holds the shared inputs and runs the steps: [`WalkForward::search`] searches hyperparameters,
//! [`WalkForward::train`] trains all symbols, folds and heads in batches, and [`WalkForward::out_of_fold`] trades the
//! out-of-fold predictions and judges each model. [`walk_forward`] runs all steps. The crate does no I/O: checkpoints,
//! progress and cancellation go through an [`Observer`].

mod approved;
mod batch;
mod calibrate;
mod calibration;
mod candidates;
mod compare;
mod consensus_value;
mod contributions;
mod days;
mod error;
mod family;
#[cfg(test)]
mod fixtures;
mod inputs;
mod jobs;
mod judge;
mod mix;
mod networks;
mod observer;
mod out_of_fold;
mod params;
mod portfolio;
mod reasons;
mod scores;
mod search;
mod slopes;
mod targets;
mod trained;
mod trees;
mod unit;
mod verdict;
mod walk_forward;

pub use approved::{Approvals, ApprovedAccount};
pub use batch::models_per_fold;
pub use calibration::{calibration, edge_fit, predicted_edges};
pub use compare::FamilyComparison;
pub use consensus_value::{ConsensusValue, ModeResult};
pub use contributions::CalibratedTrees;
pub use error::{ModelError, TrainerError};
pub use family::{Family, FamilyModels, Mix, Networks};
pub use jobs::{boost_job, boost_params, own_params, subtract, table_rows, tree_params};
pub use judge::further_metrics;
pub use mix::blend;
pub use networks::{mean_scores, network_job, network_seed};
pub use observer::{NetworkName, Observer, SaveError};
pub use out_of_fold::{Model, OutOfFold};
pub use params::{
    ApprovalParams, EdgeLoss, ModelKind, ModelParams, ModelScope, NetworkParams, SearchParams, TrainerParams,
    TreeGrowth, VerdictParams,
};
pub use reasons::{EdgeTrees, Reason, Reasons};
pub use scores::{FoldScores, Part};
pub use search::{SearchBatch, Tuning, TuningEntry};
pub use targets::{LabelledRows, Targets};
pub use trained::{FamilyOutcome, FoldOutcome, ModelScores, TrainedSymbol, Tuned};
pub use unit::{Unit, UnitFolds};
pub use verdict::{Approved, FORWARD_DAYS, ForwardEvidence, MissedThreshold, Performance, Rejected, Verdict};
pub use walk_forward::{SymbolFolds, TrainedSymbols, WalkForward, WalkForwardResult, walk_forward};
