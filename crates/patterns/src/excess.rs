//! Test of whether the rows of a pattern earn more than all rows.
//!
//! With y the net return of a row in standard deviations of its coin's rows, ȳ the mean of all of the coin's rows, and P the
//! pattern, the excess is S = Σ over P of (y − ȳ). Its variance is estimated from sums over whole blocks. A block contributes
//! ψ = Σ over its rows of P of (y − ȳ − S/|P|) − f · Σ over all of its rows of (y − ȳ), where f is the pattern's share of all
//! rows; the second term accounts for the block's contribution to ȳ. The statistic is S / √(c/(c − 1) · (Σψ² + 2 max(0, Σ ψ
//! ψ₊₁))). The products of neighbouring blocks are there because their labels overlap at the boundary. c = (Σ m)²/Σ m² is the
//! effective number of blocks, where m is a block's number of rows of P. The statistic follows Student's t with c − 1
//! degrees of freedom (Liang and Zeger 1986; Carter, Schnepel and Steigerwald 2017). Neither rows within a block nor
//! coins of the same block are assumed to be independent. The variance is at least that of independent rows, (1 − f) Σ over P
//! of the variance of all of the coin's rows, because a few blocks that agree by chance prove nothing.
//!
//! The mean return is tested and not the rate of wins. Where prices move less than their barriers suppose, more trades end by
//! time and more of them win, without earning more.

use rayon::prelude::*;

use super::rows::Rows;
use super::significance::student_tail;

/// The rows with which a pattern is compared: their results per coin, and the sums per block.
#[derive(Debug)]
pub(super) struct Base {
    /// Results per side and coin.
    own: [Vec<Own>; 2],
    /// Σ (y − ȳ) per side and block.
    by_block: [Vec<f64>; 2],
    /// Number of rows.
    rows: f64,
}

/// What a coin's rows of the base did on one side.
#[derive(Debug, Clone, Copy, Default)]
struct Own {
    win_rate: f64,
    /// Mean net return, standard deviations.
    mean: f64,
    /// Variance of the net return, in the same unit.
    variance: f64,
}

/// A pattern's rows compared with the base, on one side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Excess {
    pub rows: u32,
    pub wins: u32,
    /// Win rate of the base, with each coin weighted by its rows in the mask; NaN without rows.
    pub base_win_rate: f64,
    /// Net return beyond that expected from the base, standard deviations.
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
    /// Σ (y − ȳ) per side and block.
    sums: [Vec<f64>; 2],
    /// Number of rows per block.
    rows: Vec<f64>,
    tallies: Vec<Tally>,
}

/// Sums over all rows of a mask.
#[derive(Debug, Default, Clone, Copy)]
struct Totals {
    rows: u32,
    /// By side, like the others.
    wins: [u32; 2],
    /// Wins expected from the base.
    expected_wins: [f64; 2],
    /// Variance of the sum of net returns if rows were independent.
    variance: [f64; 2],
}

/// Number of rows, wins of both sides, and sums of net returns.
type Tally = (u32, [u32; 2], [f64; 2]);

/// Words of a mask from which on threads share a pattern's tallies: those of many coins together.
const SHARED_WORDS: usize = 1 << 12;

/// The tally of each coin in each block, `[blocks × coins]`.
fn tallies(rows: &Rows, mask: &[u64], out: &mut Vec<Tally>) {
    out.resize(mask.len() / rows.width, Tally::default());
    let one = |(cell, out): (usize, &mut Tally)| *out = tally(rows, mask, cell * rows.width..(cell + 1) * rows.width);
    if mask.len() < SHARED_WORDS {
        out.iter_mut().enumerate().for_each(one);
    } else {
        out.par_iter_mut().with_min_len(SHARED_WORDS / 16).enumerate().for_each(one);
    }
}

/// The tally of some words of a mask.
fn tally(rows: &Rows, mask: &[u64], words: std::ops::Range<usize>) -> Tally {
    let (mut count, mut wins, mut gains) = (0, [0; 2], [0.0; 2]);
    for word in words {
        let bits = mask[word];
        count += bits.count_ones();
        (0..2).for_each(|side| wins[side] += (rows.won[side][word] & bits).count_ones());
        let own = &rows.gains[word * 64..word * 64 + 64];
        let mut remaining = bits;
        while remaining != 0 {
            let [long, short] = own[remaining.trailing_zeros() as usize];
            gains = [gains[0] + f64::from(long), gains[1] + f64::from(short)];
            remaining &= remaining - 1;
        }
    }
    (count, wins, gains)
}

impl Base {
    /// The base formed by a mask: all labelled rows, or the rows of a subset of a pattern's conditions.
    pub fn of(rows: &Rows, mask: &[u64]) -> Self {
        let coins = rows.symbols.len();
        let sum = |coin: usize| {
            let (mut count, mut sums) = (0_u32, [[0.0_f64; 3]; 2]);
            let words = (0..rows.starts.len()).flat_map(|block| {
                let first = (block * coins + coin) * rows.width;
                first..first + rows.width
            });
            for word in words {
                let (rows_here, wins, gains) = tally(rows, mask, word..word + 1);
                count += rows_here;
                let mut squares = [0.0; 2];
                let mut remaining = mask[word];
                while remaining != 0 {
                    let own = rows.gains[word * 64 + remaining.trailing_zeros() as usize].map(f64::from);
                    squares = [squares[0] + own[0] * own[0], squares[1] + own[1] * own[1]];
                    remaining &= remaining - 1;
                }
                for (side, sum) in sums.iter_mut().enumerate() {
                    *sum = [sum[0] + f64::from(wins[side]), sum[1] + gains[side], sum[2] + squares[side]];
                }
            }
            (count, sums)
        };
        let of_coins: Vec<(u32, [[f64; 3]; 2])> = (0..coins).into_par_iter().map(sum).collect();
        let of_coin = |side: usize| {
            let one = |&(count, sums): &(u32, [[f64; 3]; 2])| {
                if count == 0 {
                    return Own::default();
                }
                let [win_rate, mean, squares] = sums[side].map(|sum| sum / f64::from(count));
                Own { win_rate, mean, variance: (squares - mean * mean).max(0.0) }
            };
            of_coins.iter().map(one).collect()
        };
        let total_rows = of_coins.iter().map(|&(count, _)| f64::from(count)).sum();
        let mut base = Self { own: [0, 1].map(of_coin), by_block: [vec![], vec![]], rows: total_rows };
        let mut scratch = Scratch::default();
        base.sums(rows, mask, &mut scratch);
        base.by_block = scratch.sums;
        base
    }

    /// Fills the scratch with Σ (y − ȳ) per side and block.
    fn sums(&self, rows: &Rows, mask: &[u64], scratch: &mut Scratch) -> Totals {
        let mut totals = Totals::default();
        scratch.sums.iter_mut().for_each(Vec::clear);
        scratch.rows.clear();
        tallies(rows, mask, &mut scratch.tallies);
        for tallies in scratch.tallies.chunks(rows.symbols.len().max(1)) {
            let (mut sums, mut in_block) = ([0.0; 2], 0);
            for (coin, &(rows_here, wins, gains)) in tallies.iter().enumerate() {
                let weight = f64::from(rows_here);
                for side in 0..2 {
                    let own = &self.own[side][coin];
                    sums[side] += gains[side] - own.mean * weight;
                    totals.wins[side] += wins[side];
                    totals.expected_wins[side] += own.win_rate * weight;
                    totals.variance[side] += own.variance * weight;
                }
                in_block += rows_here;
            }
            totals.rows += in_block;
            scratch.rows.push(f64::from(in_block));
            (0..2).for_each(|side| scratch.sums[side].push(sums[side]));
        }
        totals
    }

    /// Excess of a mask on both sides.
    pub fn excess(&self, rows: &Rows, mask: &[u64], scratch: &mut Scratch) -> [Excess; 2] {
        let totals = self.sums(rows, mask, scratch);
        let count = f64::from(totals.rows);
        let share = if self.rows > 0.0 { count / self.rows } else { 0.0 };
        let squares: f64 = scratch.rows.iter().map(|rows| rows * rows).sum();
        let blocks = if squares > 0.0 { count * count / squares } else { 0.0 };
        [0, 1].map(|side| {
            let sum: f64 = scratch.sums[side].iter().sum();
            let own_mean = if count > 0.0 { sum / count } else { 0.0 };
            let (mut squares, mut neighbours, mut last) = (0.0, 0.0, 0.0);
            for ((own, rows), whole) in scratch.sums[side].iter().zip(&scratch.rows).zip(&self.by_block[side]) {
                let term = (own - own_mean * rows) - share * whole;
                squares += term * term;
                neighbours += last * term;
                last = term;
            }
            let variance = (squares + 2.0 * f64::max(neighbours, 0.0)) * blocks / (blocks - 1.0);
            let variance = f64::max(variance, (1.0 - share) * totals.variance[side]);
            // If the mask is the whole base, only a rounding error is left of the variance.
            let statistic = if variance > 1e-9 && blocks > 1.0 { sum / variance.sqrt() } else { 0.0 };
            let base_win_rate = totals.expected_wins[side] / count;
            Excess { rows: totals.rows, wins: totals.wins[side], base_win_rate, sum, statistic, blocks }
        })
    }
}
