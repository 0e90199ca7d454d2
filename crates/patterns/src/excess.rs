//! Test of whether the rows of a pattern win more often than all rows.
//!
//! With y = 1 for a win, ȳ the win rate of all of the coin's rows, and P the pattern, the excess is S = Σ over P of (y
//! − ȳ). Its variance is estimated from sums over whole blocks. A block contributes ψ = Σ over its rows of P of (y − ȳ
//! − S/|P|) − f · Σ over all of its rows of (y − ȳ), where f is the pattern's share of all rows; the second term
//! accounts for the block's contribution to ȳ. The statistic is S / √(c/(c − 1) · (Σψ² + 2 max(0, Σ ψ ψ₊₁))). The
//! products of neighbouring blocks are there because their labels overlap at the boundary. c = (Σ m)²/Σ m² is the
//! effective number of blocks, where m is a block's number of rows of P. The statistic follows Student's t with c − 1
//! degrees of freedom (Liang and Zeger 1986; Carter, Schnepel and Steigerwald 2017). Neither rows within a block nor
//! coins of the same block are assumed to be independent. The variance is at least that of independent rows, |P| (1 −
//! f) ȳ(1 − ȳ), because a few blocks that agree by chance prove nothing.

use super::rows::Rows;
use super::significance::student_tail;

/// The rows with which a pattern is compared: win rates per coin, and the sums per block.
#[derive(Debug)]
pub(super) struct Base {
    /// Win rate per side and coin.
    pub rate: [Vec<f64>; 2],
    /// Σ (y − rate) per side and block.
    by_block: [Vec<f64>; 2],
    /// Number of rows.
    rows: f64,
}

/// A pattern's rows compared with the base, on one side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Excess {
    pub rows: u32,
    pub wins: u32,
    /// Wins minus those expected from the base rates.
    pub sum: f64,
    /// Student's t of `sum`; 0 if undefined.
    pub statistic: f64,
    /// Effective number of blocks.
    pub blocks: f64,
}

impl Excess {
    /// One-sided p-value of an excess above 0.
    pub fn p_value(&self) -> f64 {
        student_tail(self.statistic, self.blocks - 1.0)
    }
}

/// Buffers of sums per block, reused between patterns.
#[derive(Debug, Default, Clone)]
pub(super) struct Scratch {
    /// Σ (y − rate) per side and block.
    sums: [Vec<f64>; 2],
    /// Number of rows per block.
    rows: Vec<f64>,
}

impl Base {
    /// The base formed by a mask: all labelled rows, or the rows of a subset of a pattern's conditions.
    pub fn of(rows: &Rows, mask: &[u64]) -> Self {
        let coins = rows.symbols.len();
        let mut counts = vec![[0_u32; 3]; coins];
        for (word, &bits) in mask.iter().enumerate() {
            let count = &mut counts[word / rows.width % coins];
            count[0] += (rows.won[0][word] & bits).count_ones();
            count[1] += (rows.won[1][word] & bits).count_ones();
            count[2] += bits.count_ones();
        }
        let rate = [0, 1].map(|side| {
            counts
                .iter()
                .map(|count| if count[2] > 0 { f64::from(count[side]) / f64::from(count[2]) } else { 0.0 })
                .collect()
        });
        let total_rows = counts.iter().map(|count| f64::from(count[2])).sum();
        let mut base = Self { rate, by_block: [vec![], vec![]], rows: total_rows };
        let mut scratch = Scratch::default();
        base.sums(rows, mask, &mut scratch);
        base.by_block = scratch.sums;
        base
    }

    /// Fills the scratch with Σ (y − rate) per side and block. Returns the wins of both sides and the number of rows.
    fn sums(&self, rows: &Rows, mask: &[u64], scratch: &mut Scratch) -> [u32; 3] {
        let (coins, width) = (rows.symbols.len(), rows.width);
        let mut totals = [0_u32; 3];
        scratch.sums.iter_mut().for_each(Vec::clear);
        scratch.rows.clear();
        for block in 0..rows.starts.len() {
            let (mut sums, mut in_block) = ([0.0; 2], 0);
            for coin in 0..coins {
                let at = (block * coins + coin) * width;
                let mut counts = [0_u32; 3];
                let words = at..at + width;
                let won = rows.won[0][words.clone()].iter().zip(&rows.won[1][words.clone()]);
                for (bits, (long, short)) in mask[words].iter().zip(won) {
                    counts[0] += (long & bits).count_ones();
                    counts[1] += (short & bits).count_ones();
                    counts[2] += bits.count_ones();
                }
                for side in 0..2 {
                    sums[side] += f64::from(counts[side]) - self.rate[side][coin] * f64::from(counts[2]);
                }
                (0..3).for_each(|k| totals[k] += counts[k]);
                in_block += counts[2];
            }
            scratch.rows.push(f64::from(in_block));
            (0..2).for_each(|side| scratch.sums[side].push(sums[side]));
        }
        totals
    }

    /// Excess of a mask on both sides.
    pub fn excess(&self, rows: &Rows, mask: &[u64], scratch: &mut Scratch) -> [Excess; 2] {
        let totals = self.sums(rows, mask, scratch);
        let count = f64::from(totals[2]);
        let share = if self.rows > 0.0 { count / self.rows } else { 0.0 };
        let squares: f64 = scratch.rows.iter().map(|rows| rows * rows).sum();
        let blocks = if squares > 0.0 { count * count / squares } else { 0.0 };
        [0, 1].map(|side| {
            let sum: f64 = scratch.sums[side].iter().sum();
            let own_rate = if count > 0.0 { sum / count } else { 0.0 };
            let (mut squares, mut neighbours, mut last) = (0.0, 0.0, 0.0);
            for ((own, rows), whole) in scratch.sums[side].iter().zip(&scratch.rows).zip(&self.by_block[side]) {
                let term = (own - own_rate * rows) - share * whole;
                squares += term * term;
                neighbours += last * term;
                last = term;
            }
            let variance = (squares + 2.0 * f64::max(neighbours, 0.0)) * blocks / (blocks - 1.0);
            let rate = (f64::from(totals[side]) - sum) / count;
            let independent = count * (1.0 - share) * rate * (1.0 - rate);
            let variance = f64::max(variance, independent);
            // If the mask is the whole base, only a rounding error is left of the variance.
            let statistic = if variance > 1e-9 && blocks > 1.0 { sum / variance.sqrt() } else { 0.0 };
            Excess { rows: totals[2], wins: totals[side], sum, statistic, blocks }
        })
    }

    /// Win rate of the base, with each coin weighted by its rows in the mask.
    pub fn rate_for(&self, excess: &Excess) -> f64 {
        (f64::from(excess.wins) - excess.sum) / f64::from(excess.rows)
    }
}
