//! Why nothing can be decided.

use std::path::PathBuf;

use super::TermsError;
use crate::bars::Timeframe;
use crate::models::BundleError;

/// Why nothing can be decided.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// A model that cannot be loaded.
    #[error(transparent)]
    Model(#[from] BundleError),
    /// A folder without an approved model.
    #[error(
        "{} has no approved model, and {rejected} rejected ones; a run approves models, and rejected ones are not traded",
        folder.display()
    )]
    NoModels {
        /// The folder.
        folder: PathBuf,
        /// Models that were not approved.
        rejected: usize,
    },
    /// A model of another version of the program.
    #[error("{}: it was trained by version {version}, and this is {own}; train it again", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Version that trained it.
        version: String,
        /// This version.
        own: &'static str,
    },
    /// A model of other bars.
    #[error("{symbol}: its model has learned from {learned} bars, and these are {given} bars")]
    Timeframe {
        /// `BASE-QUOTE`.
        symbol: String,
        /// Bars of its training.
        learned: Timeframe,
        /// Bars of the candles.
        given: Timeframe,
    },
    /// Models and settings that contradict each other.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// No bar to decide on.
    #[error("there are no two bars that closed by {at}; the first one opens at {first}")]
    TooFew {
        /// The moment.
        at: String,
        /// Open of the first bar.
        first: String,
    },
    /// Every coin's newest bar is old.
    #[error(
        "stale candles: the newest bar opens at {newest}, but at {at} the bar of {wanted} has closed; bring the candles up to date, or \
         name the moment that they are of"
    )]
    Stale {
        /// Open of the newest bar.
        newest: String,
        /// The moment.
        at: String,
        /// Open of the bar that should be there.
        wanted: String,
    },
    /// A newest bar that is still forming.
    #[error("the newest bar opens at {newest} and has not closed at {at}")]
    Unclosed {
        /// Open of the newest bar.
        newest: String,
        /// The moment.
        at: String,
    },
    /// Bars that do not follow those that are known.
    #[error(
        "{symbol}: the bar that opens at {given} does not follow the newest one, which opens at {newest}; begin again with the whole history"
    )]
    Gap {
        /// `BASE-QUOTE`.
        symbol: String,
        /// Open of the bar given.
        given: String,
        /// Open of the newest bar.
        newest: String,
    },
    /// Models of an invented market, and candles that are not, or the other way round.
    #[error(
        "the models come from {} and the candles from {}; a model trades what it has learned from",
        if *models { "a simulated market" } else { "real candles" },
        if *candles { "a simulated market" } else { "real ones" }
    )]
    Simulated {
        /// Whether the models are of a simulated market.
        models: bool,
        /// Whether the candles are.
        candles: bool,
    },
    /// A symbol that the history does not have.
    #[error("{symbol}: the history has no such symbol; begin again with the whole history")]
    Unknown {
        /// The symbol.
        symbol: String,
    },
}
