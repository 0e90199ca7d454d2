//! The scores of coins from their votes and the voters' hit rates, the thresholds of the scores, and what scores beyond them
//! earned.

use std::collections::VecDeque;
use std::ops::Range;

use rayon::prelude::*;

use super::tallies::{self, Tally};
use super::{Inputs, Opinion, Part};
use crate::DecideParams;
use crate::votes::VOTERS;

/// Fixed-point bits of a score.
pub(super) const SCORE_BITS: u32 = 20;
/// Fixed-point units per basis point.
pub(super) const BPS_SCALE: f64 = 65_536.0;
/// Bars of which one thread adds up the coins.
const BARS_AT_A_TIME: usize = 512;

/// Computes the opinions on some coins, `[coins × bars]`. `pooled` are the hit rates over all coins at each bar; none if each
/// coin counts by itself, and has a record of its own.
pub(super) fn of_coins(
    inputs: &Inputs<'_>,
    coins: Range<usize>,
    pooled: Option<&[[f64; VOTERS]]>,
    opinions: &mut [Opinion],
) -> Part {
    let bars = inputs.panel.bars.max(1);
    // A device that did not finish may have left something there.
    opinions.fill(Opinion::UNDEFINED);
    let mut hit_rates = vec![[tallies::hit_rate_of_nothing() as f32; VOTERS]; coins.len()];
    opinions
        .par_chunks_mut(bars)
        .zip(&mut hit_rates)
        .zip(coins.clone())
        .for_each(|((row, hit_rates), symbol)| *hit_rates = of_coin(inputs, symbol, pooled, row));
    match pooled {
        None => Part { hit_rates: hit_rates.concat(), records: Vec::new() },
        Some(_) => Part { hit_rates: Vec::new(), records: records(inputs, coins, opinions) },
    }
}

/// The opinions on one coin, `[bars]`, and its voters' hit rates at its last bar.
fn of_coin(
    inputs: &Inputs<'_>,
    symbol: usize,
    pooled: Option<&[[f64; VOTERS]]>,
    opinions: &mut [Opinion],
) -> [f32; VOTERS] {
    let range = inputs.panel.ranges[symbol].clone();
    let params = inputs.params;
    let mut recent = Recent::new(params.threshold_bars as usize);
    let mut own = OwnRates::new(inputs, symbol);
    for bar in range.clone() {
        let rates = match pooled {
            Some(pooled) => &pooled[bar],
            None => own.at(bar),
        };
        let (score, confidence) = weigh(inputs.votes.row(symbol, bar), rates);
        let threshold = recent.threshold(score, params);
        opinions[bar] = Opinion { score, threshold, confidence, expected_bps: f32::NAN };
    }
    if pooled.is_none() {
        let outcomes = &inputs.outcomes(symbol)[range.clone()];
        let records: Vec<Record> =
            opinions[range.clone()].iter().zip(outcomes).map(|(opinion, &bps)| Record::of(opinion, bps)).collect();
        let expected = expected_bps(&records, params, inputs.horizon);
        opinions[range].iter_mut().zip(expected).for_each(|(opinion, bps)| opinion.expected_bps = bps);
    }
    own.rates.map(|rate| rate as f32)
}

/// The hit rates of the voters on one coin alone, bar by bar.
struct OwnRates<'a> {
    inputs: &'a Inputs<'a>,
    symbol: usize,
    tallies: tallies::Tallies,
    rates: [f64; VOTERS],
}

impl<'a> OwnRates<'a> {
    fn new(inputs: &'a Inputs<'a>, symbol: usize) -> Self {
        let rates = [tallies::hit_rate_of_nothing(); VOTERS];
        Self { inputs, symbol, tallies: [Tally::default(); VOTERS], rates }
    }

    /// The hit rates at a bar, which is one after that of the last call, or the coin's first.
    fn at(&mut self, bar: usize) -> &[f64; VOTERS] {
        let start = self.inputs.panel.ranges[self.symbol].start;
        if bar >= start + self.inputs.horizon {
            let known = bar - self.inputs.horizon;
            let window = self.inputs.params.reliability_bars as usize;
            self.count(known, 1);
            if known >= start + window {
                self.count(known - window, -1);
            }
            self.rates = self.tallies.map(|tally| tally.hit_rate(1.0));
        }
        &self.rates
    }

    fn count(&mut self, bar: usize, sign: i64) {
        let outcome_bps = self.inputs.outcomes(self.symbol)[bar];
        tallies::count(&mut self.tallies, self.inputs.votes.row(self.symbol, bar), outcome_bps, sign);
    }
}

/// Score and confidence of one bar's votes; both NaN where no voter votes.
pub(super) fn weigh(votes: &[f32], rates: &[f64; VOTERS]) -> (f32, f32) {
    let (mut weights, mut score, mut strength, mut reliability, mut any_vote) = (0.0, 0.0, 0.0, 0.0, false);
    for (&vote, &hit_rate) in votes.iter().zip(rates) {
        if vote.is_nan() {
            continue;
        }
        any_vote = true;
        let weight = 2.0 * hit_rate - 1.0;
        if weight > 0.0 {
            weights += weight;
            score += weight * f64::from(vote);
            strength += weight * f64::from(vote.abs());
            reliability += weight * hit_rate;
        }
    }
    if !any_vote {
        return (f32::NAN, f32::NAN);
    }
    if weights == 0.0 || strength == 0.0 {
        return (0.0, 0.0);
    }
    let confidence = 100.0 * (score.abs() / strength) * (reliability / weights);
    ((score / weights) as f32, confidence as f32)
}

/// The newest scores, their sum and the sum of their squares, in units of 2^−[`SCORE_BITS`].
pub(super) struct Recent {
    scores: Vec<i64>,
    bars: usize,
    /// Index of the oldest score, once the window is full.
    oldest: usize,
    sum: i64,
    squares: i64,
}

impl Recent {
    pub fn new(bars: usize) -> Self {
        Self { scores: Vec::with_capacity(bars), bars, oldest: 0, sum: 0, squares: 0 }
    }

    /// Adds a bar's score, unless it is NaN, and gives the least score of a trade on this bar.
    pub fn threshold(&mut self, score: f32, params: &DecideParams) -> f32 {
        if !score.is_nan() {
            self.push(score);
        }
        let threshold = params.threshold * self.deviation();
        // All that are missing have the same bits.
        if threshold.is_nan() { f32::NAN } else { threshold as f32 }
    }

    fn push(&mut self, score: f32) {
        let new = (f64::from(score) * f64::from(1 << SCORE_BITS)) as i64;
        self.sum += new;
        self.squares += new * new;
        if self.scores.len() < self.bars {
            self.scores.push(new);
            return;
        }
        let old = std::mem::replace(&mut self.scores[self.oldest], new);
        self.sum -= old;
        self.squares -= old * old;
        self.oldest = (self.oldest + 1) % self.bars;
    }

    /// Sample standard deviation of the scores; NaN until the window is full.
    fn deviation(&self) -> f64 {
        if self.scores.len() < self.bars {
            return f64::NAN;
        }
        let n = self.bars as i64;
        let variance = (n * self.squares - self.sum * self.sum) as f64 / (n * (n - 1)) as f64;
        variance.sqrt() / f64::from(1 << SCORE_BITS)
    }
}

/// Results of the scores of one bar beyond their threshold, in units of 1/[`BPS_SCALE`] basis points. Twin of the structure in
/// `kernels/consensus.cu`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Record {
    pub count: i64,
    pub sum: i64,
}

impl Record {
    /// The record of one score.
    pub fn of(opinion: &Opinion, outcome_bps: f64) -> Self {
        if !opinion.passes() || outcome_bps.is_nan() {
            return Self::default();
        }
        let earned = if opinion.score > 0.0 { outcome_bps } else { -outcome_bps };
        Self { count: 1, sum: (earned * BPS_SCALE) as i64 }
    }

    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
    }
}

/// The records of each bar, over some of the coins, of which `opinions` are.
fn records(inputs: &Inputs<'_>, coins: Range<usize>, opinions: &[Opinion]) -> Vec<Record> {
    let bars = inputs.panel.bars;
    let mut records = vec![Record::default(); bars];
    records.par_chunks_mut(BARS_AT_A_TIME).enumerate().for_each(|(chunk, out)| {
        let first = chunk * BARS_AT_A_TIME;
        for (place, symbol) in coins.clone().enumerate() {
            let opinions = &opinions[place * bars + first..][..out.len()];
            let outcomes = &inputs.outcomes(symbol)[first..first + out.len()];
            for ((record, opinion), &outcome_bps) in out.iter_mut().zip(opinions).zip(outcomes) {
                record.add(Record::of(opinion, outcome_bps));
            }
        }
    });
    records
}

/// The results of the newest `record_bars` bars whose outcomes are known.
pub(super) struct RecordWindow {
    bars: VecDeque<Record>,
    window: usize,
    /// Fewest bars with a score beyond the threshold.
    least: usize,
    all: Record,
    /// Bars with a score beyond the threshold.
    traded: usize,
}

impl RecordWindow {
    pub fn new(params: &DecideParams) -> Self {
        let (window, least) = (params.record_bars as usize, params.record_min as usize);
        Self { bars: VecDeque::with_capacity(window + 1), window, least, all: Record::default(), traded: 0 }
    }

    /// Adds the next bar whose outcomes are known.
    pub fn push(&mut self, known: Record) {
        self.all.add(known);
        self.traded += usize::from(known.count > 0);
        self.bars.push_back(known);
        if self.bars.len() > self.window
            && let Some(old) = self.bars.pop_front()
        {
            self.all.add(Record { count: -old.count, sum: -old.sum });
            self.traded -= usize::from(old.count > 0);
        }
    }

    /// The mean result of a score beyond its threshold, basis points; NaN with fewer than `record_min` bars that have one: coins
    /// that are bought on one bar are one move of the market.
    pub fn expected_bps(&self) -> f32 {
        if self.all.count > 0 && self.traded >= self.least {
            (self.all.sum as f64 / BPS_SCALE / self.all.count as f64) as f32
        } else {
            f32::NAN
        }
    }
}

/// [`RecordWindow::expected_bps`] at each bar, from the outcomes that are known then.
pub(super) fn expected_bps(records: &[Record], params: &DecideParams, horizon: usize) -> Vec<f32> {
    let mut window = RecordWindow::new(params);
    let mut expected = vec![f32::NAN; records.len()];
    for (expected, known) in expected.iter_mut().skip(horizon).zip(records) {
        window.push(*known);
        *expected = window.expected_bps();
    }
    expected
}
