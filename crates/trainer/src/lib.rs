//! The walk-forward: every symbol's models trained on windows that move through time, judged by trades on bars that they
//! have not seen.
//!
//! [`WalkForward`] holds what all models look at and takes the steps one by one: [`WalkForward::search`] for
//! hyperparameters, [`WalkForward::train`] for all symbols, folds and heads in batches, [`WalkForward::out_of_fold`] for
//! trades and verdicts. [`walk_forward`] takes them all. This crate computes: checkpoints, progress and cancellation go
//! through an [`Observer`].

mod batch;
mod calibration;
mod compare;
mod error;
mod family;
mod jobs;
mod judge;
mod mix;
mod networks;
mod observer;
mod out_of_fold;
mod params;
mod search;
mod trained;
mod trees;
mod verdict;
mod walk_forward;

pub use batch::models_per_fold;
pub use calibration::calibration;
pub use compare::Compared;
pub use error::{ModelError, TrainerError};
pub use family::{Family, Member, Mix, Networks};
pub use jobs::{boost_params, job, labelled_rows, rows, tree_params};
pub use judge::figures;
pub use mix::blend;
pub use networks::{mean_prediction, network_job, network_seed};
pub use observer::{NetworkName, Observer, SaveError};
pub use out_of_fold::{Model, OutOfFold};
pub use params::{
    ApprovalParams, EdgeLoss, ModelKind, ModelParams, NetworkParams, SearchParams, TrainerParams, TreeGrowth,
};
pub use search::{Tuning, TuningEntry};
pub use trained::{FamilyOutcome, FoldOutcome, Trained, Tuned};
pub use verdict::{Approved, MissedThreshold, Outcome, Rejected, Verdict};
pub use walk_forward::{Study, SymbolFolds, TrainedSymbols, WalkForward, walk_forward};
