//! Whose rows one model learns from.

use huracan_bars::Panel;
use huracan_folds::Fold;

/// A coin, or all coins together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// `BASE-QUOTE`, or [`Self::POOL`].
    pub name: String,
    /// The coins, as rows of the panel.
    pub symbols: Vec<usize>,
}

impl Unit {
    /// Name of the unit of all coins.
    pub const POOL: &'static str = "pool";

    /// One coin.
    pub fn coin(panel: &Panel, symbol: usize) -> Self {
        Self { name: panel.symbols[symbol].clone(), symbols: vec![symbol] }
    }

    /// All these coins together.
    pub fn pool(symbols: &[usize]) -> Self {
        Self { name: Self::POOL.to_owned(), symbols: symbols.to_vec() }
    }
}

/// A unit and the folds whose models it trains.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitFolds {
    /// Whose rows.
    pub unit: Unit,
    /// Folds in time order; the latest window comes last, if it is trained.
    pub folds: Vec<Fold>,
}
