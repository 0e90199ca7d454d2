//! How often each voter was right: tallies of votes whose outcome is known, and hit rates.
//!
//! Sums are sums of integers, in fixed point, so that rolling them over many bars adds no rounding error, and their order does not
//! matter.

use std::ops::Range;

use rayon::prelude::*;

use super::Inputs;
use crate::votes::VOTERS;

/// Fictitious full-strength votes that every hit rate starts with, half of them hits; of a pool, for each of its coins.
/// Outcomes of neighbouring bars overlap, so that a few of them are weak evidence, and coins move together, so that those of
/// many coins on the same bars are hardly more.
pub(super) const PRIOR_VOTES: f64 = 100.0;
/// Fixed-point units per vote of full strength.
pub(super) const STRENGTH_SCALE: f32 = 1024.0;
/// Bars of which one thread adds up the coins.
const BARS_AT_A_TIME: usize = 64;

/// Strengths of one voter's votes with a known outcome, in units of 1/[`STRENGTH_SCALE`]. Twin of the structure in
/// `kernels/consensus.cu`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Tally {
    pub hits: i64,
    pub all: i64,
    /// Number of votes that say something.
    pub cast: i64,
}

/// The tallies of all voters.
pub(super) type Tallies = [Tally; VOTERS];

impl Tally {
    pub fn add(&mut self, other: Self, sign: i64) {
        self.hits += sign * other.hits;
        self.all += sign * other.all;
        self.cast += sign * other.cast;
    }

    /// The share of hits, with so many `coins` for each bar. The prior grows with them, so that coins that all do the same weigh
    /// like one of them.
    pub fn hit_rate(self, coins: f64) -> f64 {
        let prior = coins * (PRIOR_VOTES * f64::from(STRENGTH_SCALE));
        (self.hits as f64 + prior / 2.0) / (self.all as f64 + prior)
    }
}

/// The hit rate of a voter of whose votes no outcome is known.
pub(super) fn hit_rate_of_nothing() -> f64 {
    Tally::default().hit_rate(1.0)
}

/// Counts votes by their outcome: nothing if that is not known or 0.
pub(super) fn count(tallies: &mut Tallies, votes: &[f32], outcome_bps: f64, sign: i64) {
    if outcome_bps.is_nan() || outcome_bps == 0.0 {
        return;
    }
    for (tally, &vote) in tallies.iter_mut().zip(votes) {
        if !vote.is_nan() {
            let strength = (vote.abs() * STRENGTH_SCALE) as i64;
            let hits = if (vote > 0.0) == (outcome_bps > 0.0) { strength } else { 0 };
            tally.add(Tally { hits, all: strength, cast: i64::from(strength != 0) }, sign);
        }
    }
}

/// The tallies of each bar, over some of the coins.
pub(super) fn of_coins(inputs: &Inputs<'_>, coins: Range<usize>) -> Vec<Tallies> {
    let mut tallies = vec![[Tally::default(); VOTERS]; inputs.panel.bars];
    tallies.par_chunks_mut(BARS_AT_A_TIME).enumerate().for_each(|(chunk, out)| {
        let first = chunk * BARS_AT_A_TIME;
        for symbol in coins.clone() {
            let outcomes = &inputs.outcomes(symbol)[first..first + out.len()];
            for (at, (tallies, &outcome_bps)) in out.iter_mut().zip(outcomes).enumerate() {
                count(tallies, inputs.votes.row(symbol, first + at), outcome_bps, 1);
            }
        }
    });
    tallies
}

/// One voter's hit rate over all coins, as bars come and go.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PooledRate {
    sum: Tally,
    /// Bars on which the voter said something of any coin.
    voted: i64,
}

impl PooledRate {
    /// Adds a bar's tally, or with a `sign` of −1 takes it away.
    pub fn add(&mut self, bar: Tally, sign: i64) {
        self.sum.add(bar, sign);
        self.voted += sign * i64::from(bar.cast > 0);
    }

    pub fn hit_rate(&self) -> f64 {
        let coins = if self.voted > 0 { self.sum.cast as f64 / self.voted as f64 } else { 1.0 };
        self.sum.hit_rate(coins)
    }
}

/// Each voter's hit rate at every bar, over all coins in the newest `reliability_bars` bars whose outcomes are known then. `parts`
/// are the tallies of all coins, each of some.
pub(super) fn pooled_rates(inputs: &Inputs<'_>, parts: &[Vec<Tallies>]) -> Vec<[f64; VOTERS]> {
    let (bars, horizon) = (inputs.panel.bars, inputs.horizon);
    let window = inputs.params.reliability_bars as usize;
    let mut rates = vec![[hit_rate_of_nothing(); VOTERS]; bars];
    for voter in 0..VOTERS {
        let own = |bar: usize| {
            let mut all = Tally::default();
            parts.iter().for_each(|part| all.add(part[bar][voter], 1));
            all
        };
        let mut rate = PooledRate::default();
        for (bar, rates) in rates.iter_mut().enumerate().skip(horizon) {
            rate.add(own(bar - horizon), 1);
            if bar - horizon >= window {
                rate.add(own(bar - horizon - window), -1);
            }
            rates[voter] = rate.hit_rate();
        }
    }
    rates
}
