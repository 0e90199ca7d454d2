//! What the engines said, for those who want to know why.

use super::consensus::{Consensus, Opinion};
use super::votes::{VOTERS, Votes};

/// What the engines said at one trade's signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Voice {
    pub opinion: Opinion,
    /// In the order of [`super::Voter`]; NaN where an engine could not say.
    pub votes: [f32; VOTERS],
}

impl Voice {
    pub fn of(consensus: &Consensus, votes: &Votes, symbol: usize, bar: usize) -> Self {
        let mut own = [f32::NAN; VOTERS];
        own.copy_from_slice(votes.row(symbol, bar));
        Self { opinion: consensus.at(symbol, bar), votes: own }
    }

    /// Engines that voted for the side with this sign.
    pub fn supporters(&self, sign: f64) -> impl Iterator<Item = usize> + '_ {
        (0..VOTERS).filter(move |&engine| f64::from(self.votes[engine]) * sign > 0.0)
    }
}

/// The consensus over all bars that were to be decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    pub bars: usize,
    /// Bars whose score exceeds its threshold, to buy and to sell.
    pub beyond: [usize; 2],
    /// Mean confidence of those, per cent; NaN without any.
    pub confidence: f64,
    /// Mean hit rate of each engine over the symbols, by the outcomes known at their last bars.
    pub hit_rates: [f64; VOTERS],
}

impl Summary {
    /// Sums up the opinions of some `(symbol, bar)`.
    pub fn of(consensus: &Consensus, asked: impl Iterator<Item = (usize, usize)>) -> Self {
        let (mut bars, mut beyond, mut confidence) = (0, [0, 0], 0.0);
        for (symbol, bar) in asked {
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
