//! Votes and consensus in reports: at a trade's signal, and over many bars.

use super::consensus::{Consensus, Opinion};
use super::votes::{VOTERS, Votes};

/// The votes and their consensus at one trade's signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignalVotes {
    /// The consensus.
    pub opinion: Opinion,
    /// In the order of [`super::Voter`]; NaN where a voter did not vote.
    pub votes: [f32; VOTERS],
}

impl SignalVotes {
    /// The votes and the consensus at this bar.
    ///
    /// # Panics
    /// Where there is no such symbol or bar.
    pub fn at(consensus: &Consensus, votes: &Votes, symbol: usize, bar: usize) -> Self {
        let mut own = [f32::NAN; VOTERS];
        own.copy_from_slice(votes.row(symbol, bar));
        Self { opinion: consensus.at(symbol, bar), votes: own }
    }

    /// Indices of the voters that voted for the side with this sign.
    pub fn supporters(&self, sign: f64) -> impl Iterator<Item = usize> + '_ {
        (0..VOTERS).filter(move |&voter| f64::from(self.votes[voter]) * sign > 0.0)
    }
}

/// The consensus over many bars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Number of bars.
    pub bars: usize,
    /// Bars whose score exceeds its threshold: to buy, and to sell.
    pub beyond: [usize; 2],
    /// Mean confidence on these bars, per cent; NaN if there are none.
    pub confidence: f64,
    /// Mean hit rate of each voter over the symbols, from the outcomes known at their last bars.
    pub hit_rates: [f64; VOTERS],
}

impl Summary {
    /// Summarises the opinions on some `(symbol, bar)`.
    ///
    /// # Panics
    /// Where there is no such symbol or bar.
    pub fn of(consensus: &Consensus, cells: impl Iterator<Item = (usize, usize)>) -> Self {
        let (mut bars, mut beyond, mut confidence) = (0, [0, 0], 0.0);
        for (symbol, bar) in cells {
            let opinion = consensus.at(symbol, bar);
            bars += 1;
            if opinion.passes() {
                beyond[usize::from(opinion.score < 0.0)] += 1;
                confidence += f64::from(opinion.confidence);
            }
        }
        let symbols = consensus.hit_rates.len() / VOTERS;
        let mut hit_rates = [0.0; VOTERS];
        for own in consensus.hit_rates.chunks_exact(VOTERS) {
            hit_rates.iter_mut().zip(own).for_each(|(mean, &rate)| *mean += f64::from(rate) / symbols as f64);
        }
        Self { bars, beyond, confidence: confidence / (beyond[0] + beyond[1]) as f64, hit_rates }
    }
}
