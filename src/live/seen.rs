//! What a market that is followed keeps of the features of its history.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::bars::Panel;
use crate::features::{self, COUNT, VIEW_COUNT, columns};
use crate::risk;

/// What is taken of the features of a history's newest bars, by symbols in parallel: the bits of numbers.
pub(super) struct Seen {
    /// Bars of which the volatility is taken.
    volatile: usize,
    volatility: Vec<AtomicU32>,
    /// Bars of which whole rows are taken.
    pub rows: usize,
    catalogue: Vec<AtomicU32>,
}

impl Seen {
    pub fn new(symbols: usize, volatile: usize, rows: usize) -> Self {
        let nothing = |count: usize| (0..count).map(|_| AtomicU32::new(f32::NAN.to_bits())).collect();
        let (volatility, catalogue) = (nothing(symbols * volatile), nothing(symbols * rows * COUNT));
        Self { volatile, volatility, rows, catalogue }
    }

    /// Takes what is needed of a symbol's row, `ago` bars before the last one.
    pub fn note(&self, symbol: usize, ago: usize, row: &[f32]) {
        let store = |slot: &AtomicU32, value: f32| slot.store(value.to_bits(), Ordering::Relaxed);
        if ago < self.volatile {
            store(&self.volatility[(symbol + 1) * self.volatile - 1 - ago], row[columns::VOLATILITY_20]);
        }
        if ago < self.rows {
            let at = ((symbol + 1) * self.rows - 1 - ago) * COUNT;
            self.catalogue[at..at + COUNT].iter().zip(row).for_each(|(slot, value)| store(slot, *value));
        }
    }

    /// The mean volatility of the newest bars, and their rows of the view in windows of `window` rows whose last ones are filled.
    pub fn finish(self, panel: &Panel, window: usize) -> (VecDeque<f64>, Vec<f32>) {
        let load = |slot: &AtomicU32| f32::from_bits(slot.load(Ordering::Relaxed));
        let symbols = panel.symbols.len();
        let at = |symbol: usize, bar: usize| f64::from(load(&self.volatility[symbol * self.volatile + bar]));
        let volatility = risk::mean_volatility(symbols, self.volatile, at);
        let catalogue: Vec<f32> = self.catalogue.iter().map(load).collect();
        let features = features::Features { symbols, bars: self.rows, values: catalogue.into() };
        let mut rows = vec![f32::NAN; symbols * window * VIEW_COUNT];
        for bar in 0..self.rows {
            let view = features::view_of_bar(panel, panel.bars - self.rows + bar, &features, bar);
            let place = window - self.rows + bar;
            for (symbol, row) in view.chunks_exact(VIEW_COUNT).enumerate() {
                rows[(symbol * window + place) * VIEW_COUNT..][..VIEW_COUNT].copy_from_slice(row);
            }
        }
        (volatility.into(), rows)
    }
}
