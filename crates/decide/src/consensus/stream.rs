//! The consensus on the newest bar, bar after bar: the same bits as in the whole history, without computing it again.

use std::collections::VecDeque;

use super::Opinion;
use super::scores::{Recent, Record, RecordWindow, weigh};
use super::tallies::{self, PooledRate, Tallies, Tally};
use crate::DecideParams;
use crate::votes::VOTERS;

/// The state of the consensus after the newest bar.
pub struct ConsensusStream {
    params: DecideParams,
    horizon: usize,
    /// Newest scores of each symbol.
    recent: Vec<Recent>,
    /// Votes on the newest bars, `[symbols × VOTERS]` each: those whose outcome is not known, and those that the hit rates of single
    /// coins are of.
    votes: VecDeque<Vec<f32>>,
    /// Opinions on the newest bars whose outcome is not known.
    opinions: VecDeque<Vec<Opinion>>,
    rates: Rates,
    /// The records of all coins together, or of each by itself.
    records: Vec<RecordWindow>,
}

/// What the hit rates are made of.
enum Rates {
    /// All coins count together: the tallies of the newest bars with known outcomes.
    Pooled { bars: VecDeque<Tallies>, rates: Box<[PooledRate; VOTERS]> },
    /// Each coin counts by itself: the outcomes of the newest bars, and the tallies of each coin.
    Own { outcomes: VecDeque<Vec<f64>>, tallies: Vec<Tallies> },
}

impl ConsensusStream {
    /// The state before the first bar. `horizon` is the number of bars that a label looks ahead.
    pub fn new(symbols: usize, params: &DecideParams, horizon: usize) -> Self {
        let (rates, records) = if params.pool {
            (Rates::Pooled { bars: VecDeque::new(), rates: Box::new([PooledRate::default(); VOTERS]) }, 1)
        } else {
            let tallies = vec![[Tally::default(); VOTERS]; symbols];
            (Rates::Own { outcomes: VecDeque::new(), tallies }, symbols)
        };
        Self {
            horizon,
            recent: (0..symbols).map(|_| Recent::new(params.threshold_bars as usize)).collect(),
            votes: VecDeque::new(),
            opinions: VecDeque::new(),
            rates,
            records: (0..records).map(|_| RecordWindow::new(params)).collect(),
            params: params.clone(),
        }
    }

    /// Bars after which nothing of the bars before is left in the state: a stream that begins so many bars ago gives what one gives
    /// that has seen the whole history. None where some voter may be silent on any bar, so that the newest scores may be old.
    pub fn memory_bars(params: &DecideParams, horizon: usize) -> Option<usize> {
        let votes_always =
            crate::Voter::ALL.into_iter().any(|voter| voter.always_votes() && voter.is_on(&params.voters));
        let windows = params.reliability_bars + params.threshold_bars + params.record_bars;
        votes_always.then_some(windows as usize + 3 * horizon + 3)
    }

    /// Adds a bar: its votes, `[symbols × VOTERS]`, NaN where a symbol has no bar; and what became of the bar `horizon` bars before,
    /// basis points before costs, `[symbols]`, NaN where that is not known. Returns the opinions on the new bar, `[symbols]`, which mean nothing of
    /// symbols that do not have it.
    ///
    /// # Panics
    /// Where there are votes or outcomes of other symbols.
    pub fn push(&mut self, votes: Vec<f32>, outcomes: &[f64]) -> Vec<Opinion> {
        let symbols = self.recent.len();
        assert!(votes.len() == symbols * VOTERS && outcomes.len() == symbols, "votes and outcomes of other symbols");
        self.votes.push_back(votes);
        let known = self.votes.len().checked_sub(1 + self.horizon);
        if let Some(known) = known {
            let outcomes: Vec<f64> = outcomes.iter().map(|bps| bps.clamp(-super::MAX_BPS, super::MAX_BPS)).collect();
            self.count(known, &outcomes);
            if self.opinions.len() > self.horizon {
                self.opinions.pop_front();
            }
            let of = |(opinion, bps): (&Opinion, &f64)| Record::of(opinion, *bps);
            let records: Vec<Record> = self.opinions[0].iter().zip(&outcomes).map(of).collect();
            match &mut self.records[..] {
                [all] if self.params.pool => {
                    let mut sum = Record::default();
                    records.into_iter().for_each(|own| sum.add(own));
                    all.push(sum);
                }
                own => own.iter_mut().zip(records).for_each(|(window, record)| window.push(record)),
            }
        }
        let opinions = self.opinions();
        self.opinions.push_back(opinions.clone());
        opinions
    }

    /// Counts the votes whose outcomes are now known, and forgets those that are too old.
    fn count(&mut self, known: usize, outcomes: &[f64]) {
        let Self { votes, rates, params, horizon, .. } = self;
        let window = params.reliability_bars as usize;
        match rates {
            Rates::Pooled { bars, rates } => {
                let mut new = [Tally::default(); VOTERS];
                for (votes, &bps) in votes[known].chunks_exact(VOTERS).zip(outcomes) {
                    tallies::count(&mut new, votes, bps, 1);
                }
                bars.push_back(new);
                let old = if bars.len() > window { bars.pop_front() } else { None };
                for (voter, rate) in rates.iter_mut().enumerate() {
                    rate.add(new[voter], 1);
                    if let Some(old) = &old {
                        rate.add(old[voter], -1);
                    }
                }
                if votes.len() > *horizon {
                    votes.pop_front();
                }
            }
            Rates::Own { outcomes: past, tallies } => {
                past.push_back(outcomes.to_vec());
                let mut add = |votes: &[f32], outcomes: &[f64], sign: i64| {
                    for ((own, votes), &bps) in tallies.iter_mut().zip(votes.chunks_exact(VOTERS)).zip(outcomes) {
                        tallies::count(own, votes, bps, sign);
                    }
                };
                add(&votes[known], outcomes, 1);
                if past.len() > window {
                    add(&votes[0], &past[0], -1);
                    past.pop_front();
                    votes.pop_front();
                }
            }
        }
    }

    /// The opinions on the newest bar.
    fn opinions(&mut self) -> Vec<Opinion> {
        let Some(newest) = self.votes.back() else { return Vec::new() };
        let pooled = match &self.rates {
            Rates::Pooled { rates, .. } => Some(rates.each_ref().map(PooledRate::hit_rate)),
            Rates::Own { .. } => None,
        };
        let of = |(symbol, (votes, recent)): (usize, (&[f32], &mut Recent))| {
            let rates = match (&pooled, &self.rates) {
                (None, Rates::Own { tallies, .. }) => &tallies[symbol].map(|tally| tally.hit_rate(1.0)),
                (Some(rates), _) => rates,
                (None, Rates::Pooled { .. }) => unreachable!("pooled rates are those of all"),
            };
            let (score, confidence) = weigh(votes, rates);
            let threshold = recent.threshold(score, &self.params);
            let record = &self.records[if self.params.pool { 0 } else { symbol }];
            Opinion { score, threshold, confidence, expected_bps: record.expected_bps() }
        };
        newest.chunks_exact(VOTERS).zip(&mut self.recent).enumerate().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::panel;
    use crate::{consensus, votes};
    use huracan_labels as labels;
    use huracan_shadow::Rules;

    fn bits(opinion: &Opinion) -> [u32; 4] {
        [opinion.score, opinion.threshold, opinion.confidence, opinion.expected_bps].map(f32::to_bits)
    }

    #[test]
    fn opinions_are_those_of_the_whole_history_bar_by_bar() {
        let panel = panel(&[190..600, 0..600, 130..420]);
        let atr = huracan_features::atr_14(&panel);
        let rules = Rules { max_hold: 6, ..Rules::default() };
        let (labels, horizon) = (labels::compute(&panel, &atr, &rules), 7);
        let small = DecideParams {
            threshold: 0.3,
            threshold_bars: 20,
            reliability_bars: 50,
            record_bars: 40,
            record_min: 3,
            ..DecideParams::default()
        };
        for pool in [true, false] {
            let params = DecideParams { pool, ..small.clone() };
            let votes = votes::compute(&panel, &params.voters);
            let whole = consensus::compute(&panel, &votes, &labels, &params, horizon);
            assert!(whole.opinions.iter().filter(|opinion| opinion.expected_bps.is_finite()).count() > 100);
            let memory = ConsensusStream::memory_bars(&params, horizon).unwrap();
            for begin in [0, 600 - memory - 100] {
                let mut stream = ConsensusStream::new(3, &params, horizon);
                for bar in begin..600 {
                    let own: Vec<f32> = (0..3).flat_map(|symbol| votes.row(symbol, bar)).copied().collect();
                    let outcome = |symbol: usize| {
                        bar.checked_sub(horizon).and_then(|bar| labels.edge_bps(symbol, bar)).unwrap_or(f64::NAN)
                    };
                    let opinions = stream.push(own, &[0, 1, 2].map(outcome));
                    for (symbol, opinion) in opinions.iter().enumerate() {
                        if panel.ranges[symbol].contains(&bar) && (begin == 0 || bar >= begin + memory) {
                            let name = &panel.symbols[symbol];
                            assert_eq!(
                                bits(opinion),
                                bits(&whole.at(symbol, bar)),
                                "{name} {bar} from {begin}, {pool}"
                            );
                        }
                    }
                }
            }
        }
    }
}
