//! Rows as bits: one word is 64 bars of one coin, and a block of words is what one observation is made of.
//!
//! Labels of neighbouring bars look at the same prices, so that bars are no independent observations. Blocks are at
//! least two and a half times as long as a label reaches, and everything is tested by sums over whole blocks.

use std::ops::Range;

use huracan_shadow::Side;

/// Both sides, in the order of every array of two.
pub(super) const SIDES: [Side; 2] = [Side::Long, Side::Short];

/// What the unit trade entered at each bar earned, `[symbols × bars × 2]`: long, then short.
#[derive(Debug, Clone, Copy)]
pub struct Outcomes<'a> {
    /// Net of all costs; NaN where there is no label.
    pub return_bps: &'a [f64],
    /// Bar of the exit.
    pub exit_bar: &'a [u32],
    pub bars: usize,
}

impl Outcomes<'_> {
    pub fn return_bps(&self, symbol: usize, bar: usize, side: usize) -> f64 {
        self.return_bps[(symbol * self.bars + bar) * 2 + side]
    }

    /// Whether both sides are labelled, and end before bar `end`.
    fn known_before(&self, symbol: usize, bar: usize, end: usize) -> bool {
        let at = (symbol * self.bars + bar) * 2;
        (at..at + 2).all(|at| !self.return_bps[at].is_nan() && (self.exit_bar[at] as usize) < end)
    }
}

/// The labelled rows of some coins over some windows, `[blocks × coins × words of a block]`.
#[derive(Debug)]
pub(super) struct Rows {
    pub symbols: Vec<usize>,
    /// Words of one coin in a block.
    pub width: usize,
    /// First bar of each block.
    pub starts: Vec<usize>,
    pub labelled: Vec<u64>,
    /// Rows that made money, by side.
    pub won: [Vec<u64>; 2],
}

impl Rows {
    /// Rows of `windows` whose labels end before `end`; `reach` is the most bars that a label looks ahead.
    pub fn new(outcomes: &Outcomes<'_>, symbols: &[usize], windows: &[Range<usize>], end: usize, reach: usize) -> Self {
        let width = (5 * reach).div_ceil(2 * 64).max(1);
        let block = width * 64;
        let starts: Vec<usize> = windows.iter().flat_map(|window| window.clone().step_by(block)).collect();
        let ends =
            windows.iter().flat_map(|window| window.clone().step_by(block).map(|from| (from + block).min(window.end)));
        let words = starts.len() * symbols.len() * width;
        let mut rows = Self {
            symbols: symbols.to_vec(),
            width,
            starts: starts.clone(),
            labelled: vec![0; words],
            won: [vec![0; words], vec![0; words]],
        };
        for (b, (from, to)) in starts.into_iter().zip(ends).enumerate() {
            for (s, &symbol) in symbols.iter().enumerate() {
                for bar in (from..to).filter(|&bar| outcomes.known_before(symbol, bar, end)) {
                    let (word, bit) = rows.place(b, s, bar - from);
                    rows.labelled[word] |= bit;
                    for side in 0..2 {
                        if outcomes.return_bps(symbol, bar, side) > 0.0 {
                            rows.won[side][word] |= bit;
                        }
                    }
                }
            }
        }
        rows
    }

    /// Word and bit of a bar of a block.
    fn place(&self, block: usize, series: usize, bar: usize) -> (usize, u64) {
        ((block * self.symbols.len() + series) * self.width + bar / 64, 1 << (bar % 64))
    }

    pub fn words(&self) -> usize {
        self.labelled.len()
    }

    /// Calls `visit` with place of the coin in `symbols`, bar, word and bit of every row of a mask, in order.
    pub fn each(&self, mask: &[u64], mut visit: impl FnMut(usize, usize, usize, u64)) {
        for (word, &bits) in mask.iter().enumerate() {
            let (cell, within) = (word / self.width, word % self.width);
            let (block, series) = (cell / self.symbols.len(), cell % self.symbols.len());
            let mut left = bits;
            while left != 0 {
                let bit = left.trailing_zeros();
                left &= left - 1;
                visit(series, self.starts[block] + within * 64 + bit as usize, word, 1 << bit);
            }
        }
    }

    /// Mean net return of a mask's rows on one side, basis points; NaN where there are none.
    pub fn mean_bps(&self, outcomes: &Outcomes<'_>, mask: &[u64], side: usize) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        self.each(mask, |series, bar, _, _| {
            sum += outcomes.return_bps(self.symbols[series], bar, side);
            count += 1.0;
        });
        sum / count
    }

    /// Mean net return that the coins' rows at large earn, each coin weighted by its rows in the mask.
    pub fn base_mean_bps(&self, outcomes: &Outcomes<'_>, mask: &[u64], side: usize) -> f64 {
        let mut sums = vec![(0.0, 0.0); self.symbols.len()];
        self.each(&self.labelled, |series, bar, _, _| {
            sums[series].0 += outcomes.return_bps(self.symbols[series], bar, side);
            sums[series].1 += 1.0;
        });
        let (mut sum, mut count) = (0.0, 0.0);
        self.each(mask, |series, _, _, _| {
            sum += sums[series].0 / sums[series].1;
            count += 1.0;
        });
        sum / count
    }
}
