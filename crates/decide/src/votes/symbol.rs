//! One symbol's candles, as its engines see them.

use std::ops::Range;

use super::grade::graded;
use super::indicators;
use super::params::VoterParams;
use huracan_bars::Panel;

/// A symbol's own bars, and what many engines share.
pub struct Symbol<'a> {
    /// Row of the panel.
    pub row: usize,
    /// Where its own bars lie on the panel's grid.
    pub bars: Range<usize>,
    pub high: &'a [f64],
    pub low: &'a [f64],
    pub close: &'a [f64],
    pub volume: &'a [f64],
    /// NaN at the first bar.
    pub true_range: Vec<f64>,
    /// Unit of price distances: ATR of `atr_bars`.
    pub atr: Vec<f64>,
}

impl<'a> Symbol<'a> {
    pub fn new(panel: &'a Panel, row: usize, engines: &VoterParams) -> Self {
        let bars = panel.ranges[row].clone();
        let own = |column: &'a [f64]| &panel.row(column, row)[bars.clone()];
        let (high, low, close, volume) = (own(&panel.high), own(&panel.low), own(&panel.close), own(&panel.volume));
        let true_range = indicators::true_range(high, low, close);
        let atr = indicators::wilder(&true_range, engines.atr_bars);
        Self { row, bars, high, low, close, volume, true_range, atr }
    }

    /// `vote` of every own bar.
    pub fn each(&self, vote: impl FnMut(usize) -> f64) -> Vec<f64> {
        (0..self.close.len()).map(vote).collect()
    }

    /// A price distance at a bar, 0 where it is no more than rounding: the averages of equal prices need not be equal.
    #[inline(always)]
    pub fn real(&self, bar: usize, distance: f64) -> f64 {
        if distance.abs() <= 1e-13 * self.close[bar] { 0.0 } else { distance }
    }

    /// A price distance at a bar, graded by `full` ATR.
    #[inline(always)]
    pub fn in_atr(&self, bar: usize, distance: f64, full: f64) -> f64 {
        graded(self.real(bar, distance), full * self.atr[bar])
    }
}
