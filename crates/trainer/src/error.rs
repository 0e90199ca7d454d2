//! What can go wrong while models are trained.

use huracan_boost::BoostError;
use huracan_engine::EngineError;
use huracan_folds::TooShort;
use huracan_neural::NeuralError;

use super::SaveError;

/// Why one symbol has no model. The others go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// Its history does not hold one fold.
    #[error(transparent)]
    TooShort(#[from] TooShort),
    /// A forest could not be trained.
    #[error(transparent)]
    Trees(#[from] BoostError),
    /// A network could not be trained.
    #[error(transparent)]
    Networks(#[from] NeuralError),
}

/// Why the whole walk-forward ended.
#[derive(Debug, thiserror::Error)]
pub enum TrainerError {
    /// The device failed, and the CPU must not take its place.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Settings that no job can be trained with.
    #[error(transparent)]
    Parameter(BoostError),
    /// The observer asked to stop.
    #[error("training was cancelled")]
    Cancelled,
    /// The observer could not save a trained symbol.
    #[error("{symbol}: its checkpoint cannot be saved: {source}")]
    Save {
        /// `BASE-QUOTE`.
        symbol: String,
        /// What the observer said.
        source: SaveError,
    },
}
