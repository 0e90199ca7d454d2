//! Errors of training.

use huracan_boost::BoostError;
use huracan_engine::EngineError;
use huracan_folds::TooShort;
use huracan_neural::NeuralError;

use super::SaveError;

/// Why one symbol has no model. Other symbols are not affected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// The history is too short for one fold.
    #[error(transparent)]
    TooShort(#[from] TooShort),
    /// A forest could not be trained.
    #[error(transparent)]
    Trees(#[from] BoostError),
    /// A network could not be trained.
    #[error(transparent)]
    Networks(#[from] NeuralError),
}

/// Why the whole walk-forward failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainerError {
    /// The device failed, and falling back to the CPU is not allowed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A parameter with which no model can be trained.
    #[error(transparent)]
    Parameter(BoostError),
    /// The observer cancelled training.
    #[error("training was cancelled")]
    Cancelled,
    /// The observer could not save a trained symbol.
    #[error("{symbol}: the checkpoint cannot be saved: {source}")]
    Save {
        /// `BASE-QUOTE`.
        symbol: String,
        /// The observer's error.
        source: SaveError,
    },
}
