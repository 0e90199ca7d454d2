//! What a search keeps of a model that it tries.

use super::Forest;

/// The validation loss of one configuration in one rung, and what it cost.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// Validation loss after the rounds that were kept; infinite without any.
    pub loss: f64,
    /// Rounds that were trained.
    pub rounds: u64,
}

impl From<Forest> for Trial {
    fn from(forest: Forest) -> Self {
        let loss = forest.kept_loss().unwrap_or(f64::INFINITY);
        Self { loss, rounds: forest.validation_loss.len() as u64 }
    }
}
