//! The inputs of one symbol's voters.

use std::cell::RefCell;
use std::ops::Range;

use super::grade::graded;
use super::indicators;
use super::params::VoterParams;
use super::past::Past;
use huracan_bars::Panel;

/// Share of a price up to which a price distance is rounding error. Twin of `DISTANCE_ROUNDING` in `kernels/votes.cuh`.
pub const DISTANCE_ROUNDING: f64 = 1e-13;

/// A symbol's own bars, and series that many voters use.
pub struct Symbol<'a> {
    /// Row of the panel.
    pub row: usize,
    /// Its own bars on the panel's grid.
    pub bars: Range<usize>,
    pub high: &'a [f64],
    pub low: &'a [f64],
    pub close: &'a [f64],
    pub volume: &'a [f64],
    /// NaN at the first bar.
    pub true_range: Vec<f64>,
    /// ATR of `atr_bars` in price units: the unit of price distances.
    pub atr: Vec<f64>,
    /// What its recurrences carry from bar to bar.
    pub past: RefCell<Past>,
}

impl<'a> Symbol<'a> {
    /// The inputs of the symbol in this row.
    pub fn new(panel: &'a Panel, row: usize, params: &VoterParams) -> Self {
        Self::resumed(panel, row, params, Past::default())
    }

    /// As [`Self::new`], of the newest bars of a symbol whose recurrences go on.
    pub fn resumed(panel: &'a Panel, row: usize, params: &VoterParams, mut past: Past) -> Self {
        let bars = panel.ranges[row].clone();
        let own = |column: &'a [f64]| &panel.row(column, row)[bars.clone()];
        let (high, low, close, volume) = (own(&panel.high), own(&panel.low), own(&panel.close), own(&panel.volume));
        let true_range = indicators::true_range(high, low, close);
        let atr = indicators::wilder(&true_range, params.atr_bars, &mut past);
        Self { row, bars, high, low, close, volume, true_range, atr, past: RefCell::new(past) }
    }

    /// The vote on every own bar.
    pub fn each(&self, vote: impl FnMut(usize) -> f64) -> Vec<f64> {
        (0..self.close.len()).map(vote).collect()
    }

    /// A price distance at a bar, or 0 where it is rounding error: different averages of equal prices need not be
    /// equal.
    #[inline(always)]
    pub fn significant(&self, bar: usize, distance: f64) -> f64 {
        if distance.abs() <= DISTANCE_ROUNDING * self.close[bar] { 0.0 } else { distance }
    }

    /// A price distance at a bar, graded by `full` ATR.
    #[inline(always)]
    pub fn in_atr(&self, bar: usize, distance: f64, full: f64) -> f64 {
        graded(self.significant(bar, distance), full * self.atr[bar])
    }
}
