//! The features of every bar: a catalogue of 62 columns, computed for all symbols in one batch, and the scale-free view of
//! them that models see.

mod catalogue;
mod cpu;
mod cross;
pub mod device;
mod formulas;
pub mod indicators;
pub mod memory;
mod recurrences;
mod regime;
mod series;
pub mod shared;
mod stream;
mod symbol;
mod thirds;
mod tile;
#[cfg(target_arch = "x86_64")]
mod tile_x86;
mod view;
mod windows;

use memory::Floats;
use ndarray::ArrayView3;

pub use catalogue::{CATALOGUE, COUNT, Feature, columns, names};
pub use cpu::{atr_14, compute, compute_into};
pub use regime::{ILLIQUID_VOLUME_RATIO, PANIC_RETURN_VOLATILITIES, Regime, TREND_R_SQUARED, VolatilityRegime};
pub use stream::{Newest, Stream, view_of_bar};
pub use view::{Idle, VIEW, VIEW_COUNT, View, idle_columns, view_columns, view_names};

/// Features of all symbols, `[symbols × bars × features]` f32 row-major, NaN until enough bars exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// Number of symbols.
    pub symbols: usize,
    /// Bars of the panel's grid.
    pub bars: usize,
    /// All values, in the catalogue's order within a row.
    pub values: Floats,
}

impl Features {
    /// The features of one symbol at one bar, `[features]` in the catalogue's order.
    ///
    /// # Panics
    /// Where there is no such symbol or bar.
    pub fn row(&self, symbol: usize, bar: usize) -> &[f32] {
        let at = (symbol * self.bars + bar) * COUNT;
        &self.values[at..at + COUNT]
    }

    /// One value; `feature` is one of [`columns`].
    ///
    /// # Panics
    /// Where there is no such symbol, bar or feature.
    pub fn value(&self, symbol: usize, bar: usize, feature: usize) -> f32 {
        self.view()[[symbol, bar, feature]]
    }

    /// All values as `[symbols × bars × features]`.
    ///
    /// # Panics
    /// Where `values` does not have symbols × bars × features values.
    pub fn view(&self) -> ArrayView3<'_, f32> {
        ArrayView3::from_shape((self.symbols, self.bars, COUNT), &self.values[..])
            .expect("symbols × bars × features values")
    }
}
