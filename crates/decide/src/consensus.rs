//! The consensus of the voters: score, confidence, threshold, and recent results.
//!
//! At each bar a voter's hit rate is the share of its past votes that were right, weighted by their strength, among the
//! outcomes known at that bar. A voter's weight is 2·hit rate − 1, the fraction of capital that Kelly (1956) would bet
//! on it at even odds, and 0 if the hit rate is at most 1/2. The score S is the weighted mean of the votes.
//!
//! The work comes in two parts that can be done for some coins at a time, on a device as well: the tallies of votes
//! (`tallies`), and from the hit rates that they give the scores, their thresholds and records (`scores`). What is pooled over
//! all coins is a few numbers per bar, or per bar and voter, and is added up between and after the two.

pub mod device;
mod scores;
mod stream;
mod tallies;

use std::ops::Range;

use rayon::prelude::*;

use super::DecideParams;
use super::votes::{VOTERS, Votes};
use huracan_bars::Panel;
use huracan_labels::Labels;
use scores::Record;
pub use stream::ConsensusStream;

/// The largest outcome that counts, basis points.
const MAX_BPS: f64 = 1e6;

/// The consensus of the voters on one bar.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Opinion {
    /// The score S in [−1, 1]: positive to buy, negative to sell; NaN while no voter votes.
    pub score: f32,
    /// The least |S| that is traded: a multiple of the recent standard deviation of S; NaN while there are too few
    /// scores.
    pub threshold: f32,
    /// Agreement of the voters with a weight, times their hit rate, per cent.
    pub confidence: f32,
    /// Mean outcome of recent scores beyond their threshold, basis points before costs; NaN while too few are known.
    pub expected_bps: f32,
}

impl Opinion {
    const UNDEFINED: Self = Self { score: f32::NAN, threshold: f32::NAN, confidence: f32::NAN, expected_bps: f32::NAN };

    /// Whether the score exceeds its threshold.
    pub fn passes(&self) -> bool {
        self.score.abs() > self.threshold
    }
}

/// The consensus on every bar of all symbols.
#[derive(Debug, Clone, PartialEq)]
pub struct Consensus {
    /// Bars of the panel's grid.
    pub bars: usize,
    /// `[symbols × bars]`, row-major.
    pub opinions: Vec<Opinion>,
    /// Hit rate of every voter over the outcomes known at each symbol's last bar, `[symbols × VOTERS]`.
    pub hit_rates: Vec<f32>,
}

impl Consensus {
    /// The opinion on one bar.
    ///
    /// # Panics
    /// Where there is no such symbol or bar.
    pub fn at(&self, symbol: usize, bar: usize) -> Opinion {
        self.opinions[symbol * self.bars + bar]
    }
}

/// Computes the consensus on every symbol and bar. `labels` are those of the whole panel. At bar t only outcomes of
/// bars up to t − `horizon` are used, where `horizon` is the number of bars that a label looks ahead.
///
/// # Panics
/// Where `votes` or `labels` do not have the panel's symbols and bars.
pub fn compute(panel: &Panel, votes: &Votes, labels: &Labels, params: &DecideParams, horizon: usize) -> Consensus {
    let inputs = Inputs::new(panel, votes, labels, params, horizon);
    let all = 0..panel.symbols.len();
    let pooled = params.pool.then(|| tallies::pooled_rates(&inputs, &[tallies::of_coins(&inputs, all.clone())]));
    let mut opinions = inputs.no_opinions();
    let part = scores::of_coins(&inputs, all, pooled.as_deref(), &mut opinions);
    inputs.consensus(opinions, pooled.as_deref(), vec![part])
}

/// What the consensus is made of.
struct Inputs<'a> {
    panel: &'a Panel,
    votes: &'a Votes,
    /// The outcome of each bar, basis points before costs ([`Labels::edge_bps`]); NaN where there is no label.
    /// `[symbols × bars]`. It is known from `horizon` bars later on.
    outcomes: Vec<f64>,
    params: &'a DecideParams,
    horizon: usize,
}

/// What the scores of some coins give besides them.
struct Part {
    /// Hit rates at the last bar of each of the coins, `[coins × VOTERS]`, if each coin counts by itself; else none.
    hit_rates: Vec<f32>,
    /// The record of the coins together on each bar, if all coins count together; else none.
    records: Vec<Record>,
}

impl<'a> Inputs<'a> {
    fn new(panel: &'a Panel, votes: &'a Votes, labels: &Labels, params: &'a DecideParams, horizon: usize) -> Self {
        let cells = panel.symbols.len() * panel.bars;
        assert!(votes.bars == panel.bars && votes.values.len() == cells * VOTERS, "votes of another panel");
        assert!(labels.bars == panel.bars && labels.return_bps.len() == 2 * cells, "labels of another panel");
        let mut outcomes = vec![f64::NAN; cells];
        outcomes.par_chunks_mut(panel.bars.max(1)).enumerate().for_each(|(symbol, row)| {
            for (bar, slot) in row.iter_mut().enumerate() {
                *slot = labels.edge_bps(symbol, bar).map_or(f64::NAN, |bps| bps.clamp(-MAX_BPS, MAX_BPS));
            }
        });
        Self { panel, votes, outcomes, params, horizon }
    }

    /// Outcomes of a symbol, `[bars]`.
    fn outcomes(&self, symbol: usize) -> &[f64] {
        self.panel.row(&self.outcomes, symbol)
    }

    fn no_opinions(&self) -> Vec<Opinion> {
        vec![Opinion::UNDEFINED; self.panel.symbols.len() * self.panel.bars]
    }

    /// Puts the parts together, which are those of all coins in their order.
    fn consensus(&self, mut opinions: Vec<Opinion>, pooled: Option<&[[f64; VOTERS]]>, parts: Vec<Part>) -> Consensus {
        let Panel { bars, ranges, .. } = self.panel;
        let Some(pooled) = pooled else {
            let hit_rates = parts.into_iter().flat_map(|part| part.hit_rates).collect();
            return Consensus { bars: *bars, opinions, hit_rates };
        };
        let none = [tallies::hit_rate_of_nothing(); VOTERS];
        let last = |range: &Range<usize>| if range.is_empty() { none } else { pooled[range.end - 1] };
        let hit_rates = ranges.iter().flat_map(last).map(|rate| rate as f32).collect();
        let mut records = vec![Record::default(); *bars];
        for part in parts {
            records.iter_mut().zip(part.records).for_each(|(all, own)| all.add(own));
        }
        let expected = scores::expected_bps(&records, self.params, self.horizon);
        opinions.par_chunks_mut((*bars).max(1)).zip(ranges).for_each(|(own, range)| {
            for (opinion, &expected_bps) in own[range.clone()].iter_mut().zip(&expected[range.clone()]) {
                opinion.expected_bps = expected_bps;
            }
        });
        Consensus { bars: *bars, opinions, hit_rates }
    }
}

#[cfg(test)]
mod tests;
