//! Who watches training: progress, cancellation, and checkpoints kept elsewhere.

use huracan_neural::State;

use super::Trained;

/// Whatever kept a checkpoint from being saved.
pub type SaveError = Box<dyn std::error::Error + Send + Sync>;

/// Which network it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkName<'a> {
    /// `BASE-QUOTE`.
    pub symbol: &'a str,
    /// Index of the fold.
    pub fold: usize,
    /// Number of the seed, counted from 0.
    pub seed: u32,
}

/// Watches training, and keeps what has been trained. Called from several threads.
pub trait Observer: Sync {
    /// Whether training must stop. Asked before every tree and epoch: it must be fast.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Asked before each batch of symbols: may check what is too slow to ask before every tree.
    fn may_go_on(&self) -> bool {
        !self.is_cancelled()
    }

    /// So many more models are done.
    fn models_done(&self, _count: u64) {}

    /// What is being worked on, one line.
    fn note(&self, _text: &str) {}

    /// Training of a symbol begins; `number` of `total`, counted from 1.
    fn symbol_begins(&self, _symbol: &str, _number: usize, _total: usize) {}

    /// A symbol that was trained before from the same inputs.
    fn load_symbol(&self, _symbol: &str) -> Option<Trained> {
        None
    }

    /// Keeps a trained symbol.
    ///
    /// # Errors
    /// Whatever kept it from being saved; training then ends.
    fn save_symbol(&self, _trained: &Trained) -> Result<(), SaveError> {
        Ok(())
    }

    /// Whether states of networks are kept at all: making one costs a copy of the weights.
    fn keeps_networks(&self) -> bool {
        false
    }

    /// How far the training of a network had come.
    fn load_network(&self, _name: &NetworkName<'_>) -> Option<State> {
        None
    }

    /// Keeps the state of a network under way.
    ///
    /// # Errors
    /// Whatever kept it from being saved; training goes on.
    fn save_network(&self, _name: &NetworkName<'_>, _state: &State) -> Result<(), SaveError> {
        Ok(())
    }
}

/// Watches nothing.
impl Observer for () {}
