//! The votes on the newest bar, bar after bar: the same bits as in the whole history, without computing it again.

use rayon::prelude::*;

use super::across::SharedInputs;
use super::past::Past;
use super::symbol::Symbol;
use super::{VOTERS, Voter, VoterParams, columns, fill};
use huracan_bars::Panel;

/// The state of all voters after the newest bar.
pub struct VoteStream {
    params: VoterParams,
    voters: Vec<Voter>,
    coins: Vec<Coin>,
}

/// The state of one symbol's voters.
struct Coin {
    /// The symbol's bars so far.
    bars: usize,
    past: Past,
}

impl VoteStream {
    /// The state after a panel's last bar, and the votes on the newest `rows` bars of the grid, `[symbols × rows × VOTERS]`; NaN
    /// where a symbol has no bar.
    ///
    /// # Panics
    /// As [`super::compute`], and where the panel has fewer bars than `rows`.
    pub fn new(panel: &Panel, params: &VoterParams, rows: usize) -> (Self, Vec<f32>) {
        let voters: Vec<Voter> = Voter::ALL.into_iter().filter(|voter| voter.is_on(params)).collect();
        let shared = SharedInputs::new(panel, params, &voters);
        let first = panel.bars - rows;
        let mut votes = vec![f32::NAN; panel.symbols.len() * rows * VOTERS];
        let coins = votes.par_chunks_mut((rows * VOTERS).max(1)).enumerate().with_max_len(1).map(|(row, out)| {
            let symbol = Symbol::new(panel, row, params);
            let mut all = vec![0.0; panel.bars * VOTERS];
            fill(&symbol, &shared, params, &voters, &mut all);
            out.copy_from_slice(&all[first * VOTERS..]);
            Coin { bars: symbol.bars.len(), past: symbol.past.into_inner() }
        });
        let coins = coins.collect();
        (Self { params: params.clone(), voters, coins }, votes)
    }

    /// Bars that [`Self::push`] needs to be shown, the new one included: more than any warm-up.
    pub fn tail_bars(params: &VoterParams) -> usize {
        let warm_up = Voter::ALL.into_iter().map(|voter| voter.warm_up(params)).max().unwrap_or(0);
        warm_up.max(params.bitcoin_lead.bars) + 2
    }

    /// The votes on the last bar of `tail`, which are the newest bars of the panel: all of them, or at least [`Self::tail_bars`].
    /// `[symbols × VOTERS]`; NaN for symbols without this bar, which are left as they are.
    ///
    /// # Panics
    /// Where `tail` has other symbols.
    pub fn push(&mut self, tail: &Panel) -> Vec<f32> {
        let Self { params, voters, coins } = self;
        assert_eq!(coins.len(), tail.symbols.len(), "bars of other symbols");
        let tail = tail.newest(Self::tail_bars(params));
        let shared = SharedInputs::new(&tail, params, voters);
        let mut votes = vec![f32::NAN; coins.len() * VOTERS];
        coins.par_iter_mut().zip(votes.par_chunks_exact_mut(VOTERS)).enumerate().for_each(|(row, (coin, out))| {
            let range = tail.ranges[row].clone();
            if range.end != tail.bars {
                return;
            }
            coin.bars += 1;
            let past = if coin.bars > range.len() {
                std::mem::take(&mut coin.past).resumed(range.len() - 1)
            } else {
                Past::default()
            };
            let symbol = Symbol::resumed(&tail, row, params, past);
            let columns = columns(&symbol, &shared, params, voters);
            out.iter_mut().zip(&columns).for_each(|(vote, column)| *vote = column.at(range.len() - 1));
            coin.past = symbol.past.into_inner();
        });
        votes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::panel;
    use crate::votes::compute;

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn votes_are_those_of_the_whole_history_bar_by_bar() {
        let panel = panel(&[390..700, 0..700, 130..500, 60..700]);
        let off = VoterParams { off: vec!["rsi".to_owned(), "supertrend".to_owned()], ..VoterParams::default() };
        for params in [VoterParams::default(), off] {
            let votes = compute(&panel, &params);
            for begin in [392, 450] {
                let mut early = panel.clone();
                early.keep_first(begin);
                let (mut stream, rows) = VoteStream::new(&early, &params, 5);
                for (place, row) in rows.chunks_exact(VOTERS).enumerate() {
                    assert_eq!(bits(row), bits(votes.row(place / 5, begin - 5 + place % 5)));
                }
                let keep = VoteStream::tail_bars(&params) + 3;
                let mut tail = early.newest(keep);
                for bar in begin..700 {
                    tail.push(&panel.bars_at(bar), &[], keep);
                    for (symbol, row) in stream.push(&tail).chunks_exact(VOTERS).enumerate() {
                        assert_eq!(bits(row), bits(votes.row(symbol, bar)), "{} {bar}", panel.symbols[symbol]);
                    }
                }
            }
        }
    }
}
