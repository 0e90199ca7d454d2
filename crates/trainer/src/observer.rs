//! The observer of training: progress, cancellation and checkpoints.

use huracan_neural::TrainingState;

use super::TrainedSymbol;

/// Why a checkpoint could not be saved.
pub type SaveError = Box<dyn std::error::Error + Send + Sync>;

/// Identifies a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkName<'a> {
    /// `BASE-QUOTE`.
    pub symbol: &'a str,
    /// Index of the fold.
    pub fold: usize,
    /// Number of the seed, counted from 0.
    pub seed: u32,
}

/// Observes training, and stores checkpoints. Called from several threads.
pub trait Observer: Sync {
    /// Whether training is cancelled. Called before every tree and epoch, so it must be fast.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Whether training may continue. Called before each batch of symbols, for checks that are too slow to run before
    /// every tree.
    fn may_continue(&self) -> bool {
        !self.is_cancelled()
    }

    /// Called when `count` more models are done.
    fn models_done(&self, _count: u64) {}

    /// Progress note of one line.
    fn note(&self, _text: &str) {}

    /// Called when training of the pool of so many symbols starts, before that of any symbol.
    fn pool_started(&self, _symbols: usize) {}

    /// Called when training of a symbol starts: `number` of `total`, counted from 1.
    fn symbol_started(&self, _symbol: &str, _number: usize, _total: usize) {}

    /// Loads the checkpoint of a symbol that was trained earlier from the same inputs, if there is one.
    fn load_symbol(&self, _symbol: &str) -> Option<TrainedSymbol> {
        None
    }

    /// Saves the checkpoint of a trained symbol.
    ///
    /// # Errors
    /// If it cannot be saved; training then fails.
    fn save_symbol(&self, _trained: &TrainedSymbol) -> Result<(), SaveError> {
        Ok(())
    }

    /// Whether states of networks are saved at all; creating one copies the weights.
    fn saves_networks(&self) -> bool {
        false
    }

    /// Loads the saved state of a network in training, if there is one.
    fn load_network(&self, _name: &NetworkName<'_>) -> Option<TrainingState> {
        None
    }

    /// Saves the state of a network in training.
    ///
    /// # Errors
    /// If it cannot be saved; training continues.
    fn save_network(&self, _name: &NetworkName<'_>, _state: &TrainingState) -> Result<(), SaveError> {
        Ok(())
    }
}

/// Observes nothing and never cancels.
impl Observer for () {}
