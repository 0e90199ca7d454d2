//! Walk-forward training: every symbol's models are trained on windows that move through time, and judged by trades on
//! bars that they have not seen.
//!
//! [`WalkForward`] holds the shared inputs and runs the steps: [`WalkForward::search`] searches hyperparameters,
//! [`WalkForward::train`] trains all symbols, folds and heads in batches, and [`WalkForward::out_of_fold`] trades the
//! out-of-fold predictions and judges each model. [`walk_forward`] runs all steps. The crate does no I/O: checkpoints,
//! progress and cancellation go through an [`Observer`].

mod batch;
mod calibration;
mod candidates;
mod compare;
mod error;
mod family;
mod inputs;
mod jobs;
mod judge;
mod mix;
mod networks;
mod observer;
mod out_of_fold;
mod params;
mod portfolio;
mod search;
mod trained;
mod trees;
mod verdict;
mod walk_forward;

pub use batch::models_per_fold;
pub use calibration::calibration;
pub use compare::FamilyComparison;
pub use error::{ModelError, TrainerError};
pub use family::{Family, FamilyModels, Mix, Networks};
pub use jobs::{boost_job, boost_params, labelled_rows, table_rows, tree_params};
pub use judge::further_metrics;
pub use mix::blend;
pub use networks::{mean_prediction, network_job, network_seed};
pub use observer::{NetworkName, Observer, SaveError};
pub use out_of_fold::{Model, OutOfFold};
pub use params::{
    ApprovalParams, EdgeLoss, ModelKind, ModelParams, NetworkParams, SearchParams, TrainerParams, TreeGrowth,
};
pub use search::{SearchBatch, Tuning, TuningEntry};
pub use trained::{FamilyOutcome, FoldOutcome, TrainedSymbol, Tuned};
pub use verdict::{Approved, MissedThreshold, Performance, Rejected, Verdict};
pub use walk_forward::{SymbolFolds, TrainedSymbols, WalkForward, WalkForwardResult, walk_forward};
