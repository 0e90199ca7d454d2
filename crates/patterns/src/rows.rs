//! Rows as bit masks. A word holds 64 bars of one coin, and a block of words is one observation of the test.
//!
//! Labels of neighbouring bars depend on the same prices, so bars are not independent observations. Blocks are at least
//! two and a half times as long as the horizon of a label, and all tests use sums over whole blocks.

use std::ops::Range;

use huracan_shadow::Side;
use rayon::prelude::*;

/// Both sides, in the order used by every array of two.
pub(super) const SIDES: [Side; 2] = [Side::Long, Side::Short];

/// Outcome of the unit trade entered at each bar, `[symbols × bars × 2]`: long, then short.
#[derive(Debug, Clone, Copy)]
pub struct Outcomes<'a> {
    /// Return net of all costs, basis points; NaN without a label.
    pub return_bps: &'a [f64],
    /// Bar of the exit.
    pub exit_bar: &'a [u32],
    /// Number of bars per symbol.
    pub bars: usize,
}

impl Outcomes<'_> {
    pub(crate) fn return_bps(&self, symbol: usize, bar: usize, side: usize) -> f64 {
        self.return_bps[(symbol * self.bars + bar) * 2 + side]
    }

    /// Whether both sides are labelled and their trades end before bar `end`.
    fn known_before(&self, symbol: usize, bar: usize, end: usize) -> bool {
        let at = (symbol * self.bars + bar) * 2;
        (at..at + 2).all(|at| !self.return_bps[at].is_nan() && (self.exit_bar[at] as usize) < end)
    }
}

/// The labelled rows of some coins over some windows; every mask is `[blocks × coins × words per block]`.
#[derive(Debug)]
pub(super) struct Rows {
    /// Rows of the coins in the panel.
    pub symbols: Vec<usize>,
    /// Words per coin and block.
    pub width: usize,
    /// First bar of each block.
    pub starts: Vec<usize>,
    /// Rows with a label.
    pub labelled: Vec<u64>,
    /// Rows whose trade made money, by side.
    pub won: [Vec<u64>; 2],
    /// Net return of each row, long and short, in standard deviations of its coin's rows on that side: a coin counts for as much
    /// as another, however much it moves. `[blocks × coins × words per block × 64]`; 0 without a label.
    pub gains: Vec<[f32; 2]>,
    /// Per coin and side, the sum of the net returns of the labelled rows, basis points, and their number.
    own: Vec<[(f64, f64); 2]>,
}

impl Rows {
    /// The rows of `windows` whose labels end before bar `end`; a label looks at most `horizon_bars` ahead.
    pub fn new(
        outcomes: &Outcomes<'_>,
        symbols: &[usize],
        windows: &[Range<usize>],
        end: usize,
        horizon_bars: usize,
    ) -> Self {
        let width = (5 * horizon_bars).div_ceil(2 * 64).max(1);
        let block = width * 64;
        let starts: Vec<usize> = windows.iter().flat_map(|window| window.clone().step_by(block)).collect();
        let ends =
            windows.iter().flat_map(|window| window.clone().step_by(block).map(|from| (from + block).min(window.end)));
        let ends: Vec<usize> = ends.collect();
        let coins = symbols.len();
        let words = starts.len() * coins * width;
        let mut rows = Self {
            symbols: symbols.to_vec(),
            width,
            starts,
            labelled: vec![0; words],
            won: [vec![0; words], vec![0; words]],
            gains: vec![[0.0; 2]; words * 64],
            own: Vec::new(),
        };
        // What a coin has in a block lies side by side.
        let [long, short] = &mut rows.won;
        let masks =
            rows.labelled.par_chunks_mut(width).zip(long.par_chunks_mut(width)).zip(short.par_chunks_mut(width));
        masks.enumerate().for_each(|(cell, ((labelled, long), short))| {
            let (block, symbol) = (cell / coins, symbols[cell % coins]);
            let from = rows.starts[block];
            for bar in (from..ends[block]).filter(|&bar| outcomes.known_before(symbol, bar, end)) {
                let (word, bit) = ((bar - from) / 64, 1 << ((bar - from) % 64));
                labelled[word] |= bit;
                for (won, side) in [&mut *long, &mut *short].into_iter().zip(0..) {
                    if outcomes.return_bps(symbol, bar, side) > 0.0 {
                        won[word] |= bit;
                    }
                }
            }
        });
        rows.fill_gains(outcomes);
        rows
    }

    fn fill_gains(&mut self, outcomes: &Outcomes<'_>) {
        let deviation = |[sum, squares, count]: [f64; 3]| {
            let deviation = (squares / count - (sum / count) * (sum / count)).max(0.0).sqrt();
            if deviation > 0.0 { deviation } else { 1.0 }
        };
        let sums_of = |(coin, &symbol): (usize, &usize)| {
            let mut sums = [[0.0_f64; 3]; 2];
            self.for_each_row_of(coin, |bar, _, _| {
                for (side, sum) in sums.iter_mut().enumerate() {
                    let value = outcomes.return_bps(symbol, bar, side);
                    *sum = [sum[0] + value, sum[1] + value * value, sum[2] + 1.0];
                }
            });
            sums
        };
        let sums: Vec<[[f64; 3]; 2]> = self.symbols.par_iter().enumerate().map(sums_of).collect();
        self.own = sums.iter().map(|own| own.map(|[sum, _, count]| (sum, count))).collect();
        let scale: Vec<[f64; 2]> = sums.into_iter().map(|own| own.map(deviation)).collect();
        let mut gains = std::mem::take(&mut self.gains);
        let cells = gains.par_chunks_mut(self.width * 64).zip(self.labelled.par_chunks(self.width)).enumerate();
        cells.for_each(|(cell, (gains, labelled))| {
            let (block, coin) = (cell / self.symbols.len(), cell % self.symbols.len());
            for (at, gain) in gains.iter_mut().enumerate().filter(|(at, _)| labelled[at / 64] >> (at % 64) & 1 == 1) {
                let bar = self.starts[block] + at;
                let own = |side: usize| outcomes.return_bps(self.symbols[coin], bar, side) / scale[coin][side];
                *gain = [own(0) as f32, own(1) as f32];
            }
        });
        self.gains = gains;
    }

    pub fn words(&self) -> usize {
        self.labelled.len()
    }

    /// Calls `visit` with the bar, the word among those of the coin, and the bit of every labelled row of a coin (its index in
    /// `symbols`), in order.
    pub fn for_each_row_of(&self, coin: usize, mut visit: impl FnMut(usize, usize, u64)) {
        for (block, &start) in self.starts.iter().enumerate() {
            let first = (block * self.symbols.len() + coin) * self.width;
            for (within, &bits) in self.labelled[first..first + self.width].iter().enumerate() {
                let mut remaining = bits;
                while remaining != 0 {
                    let bit = remaining.trailing_zeros();
                    remaining &= remaining - 1;
                    visit(start + within * 64 + bit as usize, block * self.width + within, 1 << bit);
                }
            }
        }
    }

    /// Calls `visit` with the coin's index in `symbols`, the bar, the word and the bit of every row of a mask, in
    /// order.
    pub fn for_each_row(&self, mask: &[u64], mut visit: impl FnMut(usize, usize, usize, u64)) {
        for (word, &bits) in mask.iter().enumerate() {
            let (cell, within) = (word / self.width, word % self.width);
            let (block, series) = (cell / self.symbols.len(), cell % self.symbols.len());
            let mut remaining = bits;
            while remaining != 0 {
                let bit = remaining.trailing_zeros();
                remaining &= remaining - 1;
                visit(series, self.starts[block] + within * 64 + bit as usize, word, 1 << bit);
            }
        }
    }

    /// Mean net return of a mask's rows on one side, basis points; NaN without rows.
    pub fn mean_bps(&self, outcomes: &Outcomes<'_>, mask: &[u64], side: usize) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        self.for_each_row(mask, |series, bar, _, _| {
            sum += outcomes.return_bps(self.symbols[series], bar, side);
            count += 1.0;
        });
        sum / count
    }

    /// Mean net return of all labelled rows, basis points, with each coin weighted by its rows in the mask.
    pub fn base_mean_bps(&self, mask: &[u64], side: usize) -> f64 {
        let means: Vec<f64> = self.own.iter().map(|own| own[side].0 / own[side].1).collect();
        let (mut sum, mut count) = (0.0, 0.0);
        self.for_each_row(mask, |series, _, _, _| {
            sum += means[series];
            count += 1.0;
        });
        sum / count
    }
}
