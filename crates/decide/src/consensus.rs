//! The consensus of the voters: score, confidence, threshold, and recent results.
//!
//! At each bar a voter's hit rate is the share of its past votes that were right, weighted by their strength, among the
//! outcomes known at that bar. A voter's weight is 2·hit rate − 1, the fraction of capital that Kelly (1956) would bet
//! on it at even odds, and 0 if the hit rate is at most 1/2. The score S is the weighted mean of the votes.

use std::ops::Range;

use rayon::prelude::*;

use super::DecideParams;
use super::votes::{VOTERS, Votes};
use huracan_bars::Panel;
use huracan_labels::Labels;

/// Fictitious full-strength votes that every hit rate starts with, half of them hits; of a pool, for each of its coins.
/// Outcomes of neighbouring bars overlap, so that a few of them are weak evidence, and coins move together, so that those of
/// many coins on the same bars are hardly more.
const PRIOR_VOTES: i64 = 100;
// Sums are sums of integers, in fixed point, so that rolling them over many bars adds no rounding error.
/// Fixed-point units per vote of full strength.
const STRENGTH_SCALE: f32 = 1024.0;
/// Fixed-point bits of a score.
const SCORE_BITS: u32 = 20;
/// Fixed-point units per basis point.
const BPS_SCALE: f64 = 65_536.0;
/// The largest outcome that counts, basis points.
const MAX_BPS: f64 = 1e6;

/// The consensus of the voters on one bar.
#[derive(Debug, Clone, Copy, PartialEq)]
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

/// The outcome of a bar, basis points before costs: [`Labels::edge_bps`]. NaN where there is no label. It is known from
/// `horizon` bars later on.
fn outcome_bps(labels: &Labels, symbol: usize, bar: usize) -> f64 {
    labels.edge_bps(symbol, bar).map_or(f64::NAN, |edge_bps| edge_bps.clamp(-MAX_BPS, MAX_BPS))
}

/// Computes the consensus on every symbol and bar. `labels` are those of the whole panel. At bar t only outcomes of
/// bars up to t − `horizon` are used, where `horizon` is the number of bars that a label looks ahead.
///
/// # Panics
/// Where `votes` or `labels` do not have the panel's symbols and bars.
pub fn compute(panel: &Panel, votes: &Votes, labels: &Labels, params: &DecideParams, horizon: usize) -> Consensus {
    let undefined = Opinion { score: f32::NAN, threshold: f32::NAN, confidence: f32::NAN, expected_bps: f32::NAN };
    let mut consensus = Consensus {
        bars: panel.bars,
        opinions: vec![undefined; panel.symbols.len() * panel.bars],
        hit_rates: vec![0.5; panel.symbols.len() * VOTERS],
    };
    let pooled = params.pool.then(|| pooled_tallies(panel, votes, labels, params.reliability_bars as usize, horizon));
    let pooled = pooled.as_deref();
    consensus
        .opinions
        .par_chunks_mut(panel.bars.max(1))
        .zip(consensus.hit_rates.par_chunks_mut(VOTERS))
        .enumerate()
        .for_each(|(symbol, (opinions, hit_rates))| {
            let range = panel.ranges[symbol].clone();
            let walk = SymbolWalk { votes, labels, symbol, range, params, horizon, pooled };
            walk.run(opinions, hit_rates);
        });
    if params.pool {
        pool_records(panel, labels, params, horizon, &mut consensus);
    }
    consensus
}

/// Symbols that have a bar.
fn symbols_at(panel: &Panel, bar: usize) -> impl Iterator<Item = usize> {
    (0..panel.symbols.len()).filter(move |&symbol| panel.ranges[symbol].contains(&bar))
}

/// Per bar, the tallies over all coins of the newest `reliability_bars` bars whose outcomes are known then.
fn pooled_tallies(
    panel: &Panel,
    votes: &Votes,
    labels: &Labels,
    reliability_bars: usize,
    horizon: usize,
) -> Vec<[Tally; VOTERS]> {
    let of_bar = |bar: usize| {
        let mut tallies = [Tally::default(); VOTERS];
        for symbol in symbols_at(panel, bar) {
            count(&mut tallies, votes.row(symbol, bar), outcome_bps(labels, symbol, bar), 1);
        }
        tallies.map(|tally| Tally { bars: tally.bars.min(1), ..tally })
    };
    let own: Vec<[Tally; VOTERS]> = (0..panel.bars).into_par_iter().map(of_bar).collect();
    let mut sums = [Tally::default(); VOTERS];
    let mut add = |bar: usize, sign: i64| {
        for (sum, own) in sums.iter_mut().zip(&own[bar]) {
            sum.hits += sign * own.hits;
            sum.all += sign * own.all;
            sum.cast += sign * own.cast;
            sum.bars += sign * own.bars;
        }
        sums
    };
    let mut all = Vec::with_capacity(panel.bars);
    for bar in 0..panel.bars {
        let mut now = all.last().copied().unwrap_or_default();
        if bar >= horizon {
            let known = bar - horizon;
            now = add(known, 1);
            if known >= reliability_bars {
                now = add(known - reliability_bars, -1);
            }
        }
        all.push(now);
    }
    all
}

/// Replaces the expected results by those of all coins together.
fn pool_records(panel: &Panel, labels: &Labels, params: &DecideParams, horizon: usize, consensus: &mut Consensus) {
    let record_bars = params.record_bars as usize;
    let mut record = Record::default();
    let update = |record: &mut Record, consensus: &Consensus, bar: usize, sign: i64| {
        let outcomes = symbols_at(panel, bar)
            .map(|symbol| (consensus.at(symbol, bar), outcome_bps(labels, symbol, bar)))
            .collect::<Vec<_>>();
        record.update(&outcomes, sign);
    };
    for bar in 0..panel.bars {
        if bar >= horizon {
            let known = bar - horizon;
            update(&mut record, consensus, known, 1);
            if known >= record_bars {
                update(&mut record, consensus, known - record_bars, -1);
            }
        }
        let expected_bps = record.mean(i64::from(params.record_min));
        for symbol in symbols_at(panel, bar) {
            consensus.opinions[symbol * panel.bars + bar].expected_bps = expected_bps;
        }
    }
}

/// The computation for one symbol, bar by bar.
struct SymbolWalk<'a> {
    votes: &'a Votes,
    labels: &'a Labels,
    symbol: usize,
    range: Range<usize>,
    params: &'a DecideParams,
    horizon: usize,
    /// Tallies over all coins, per bar; none if each coin counts by itself.
    pooled: Option<&'a [[Tally; VOTERS]]>,
}

/// Strengths of one voter's votes with a known outcome, in units of 1/[`STRENGTH_SCALE`].
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    hits: i64,
    all: i64,
    /// Number of votes that say something.
    cast: i64,
    /// Number of bars with such votes.
    bars: i64,
}

impl Tally {
    /// The prior grows with the number of votes per bar, so that coins that all do the same weigh like one of them.
    fn hit_rate(self) -> f64 {
        let coins = if self.bars > 0 { self.cast as f64 / self.bars as f64 } else { 1.0 };
        let prior = coins * (PRIOR_VOTES * STRENGTH_SCALE as i64) as f64;
        (self.hits as f64 + prior / 2.0) / (self.all as f64 + prior)
    }
}

impl SymbolWalk<'_> {
    fn run(&self, opinions: &mut [Opinion], hit_rates: &mut [f32]) {
        let (start, horizon) = (self.range.start, self.horizon);
        let reliability_bars = self.params.reliability_bars as usize;
        let record_bars = self.params.record_bars as usize;
        let mut tallies = [Tally::default(); VOTERS];
        let mut recent = Recent::new(self.params.threshold_bars as usize);
        let mut record = Record::default();
        for bar in self.range.clone() {
            if let Some(pooled) = self.pooled {
                tallies = pooled[bar];
            } else if bar >= start + horizon {
                let known = bar - horizon;
                self.tally(&mut tallies, known, 1);
                record.update(&[(opinions[known], outcome_bps(self.labels, self.symbol, known))], 1);
                if known >= start + reliability_bars {
                    self.tally(&mut tallies, known - reliability_bars, -1);
                }
                if known >= start + record_bars {
                    let old = known - record_bars;
                    record.update(&[(opinions[old], outcome_bps(self.labels, self.symbol, old))], -1);
                }
            }
            let (score, confidence) = weigh(self.votes.row(self.symbol, bar), &tallies);
            if !score.is_nan() {
                recent.push(score);
            }
            opinions[bar] = Opinion {
                score,
                threshold: (self.params.threshold * recent.deviation()) as f32,
                confidence,
                expected_bps: record.mean(i64::from(self.params.record_min)),
            };
        }
        for (rate, tally) in hit_rates.iter_mut().zip(&tallies) {
            *rate = tally.hit_rate() as f32;
        }
    }

    /// Adds (`sign` 1) or removes (`sign` −1) the votes of a bar whose outcome is known.
    fn tally(&self, tallies: &mut [Tally; VOTERS], bar: usize, sign: i64) {
        let outcome = outcome_bps(self.labels, self.symbol, bar);
        count(tallies, self.votes.row(self.symbol, bar), outcome, sign);
    }
}

/// Adds (`sign` 1) or removes (`sign` −1) votes whose outcome is known.
fn count(tallies: &mut [Tally; VOTERS], votes: &[f32], outcome_bps: f64, sign: i64) {
    if outcome_bps.is_nan() || outcome_bps == 0.0 {
        return;
    }
    for (tally, &vote) in tallies.iter_mut().zip(votes) {
        if !vote.is_nan() {
            let strength = sign * (vote.abs() * STRENGTH_SCALE) as i64;
            tally.all += strength;
            tally.hits += if (vote > 0.0) == (outcome_bps > 0.0) { strength } else { 0 };
            let says = if strength == 0 { 0 } else { sign };
            tally.cast += says;
            tally.bars += says;
        }
    }
}

/// Score and confidence of one bar's votes; both NaN where no voter votes.
fn weigh(votes: &[f32], tallies: &[Tally; VOTERS]) -> (f32, f32) {
    let (mut weights, mut score, mut strength, mut reliability, mut any_vote) = (0.0, 0.0, 0.0, 0.0, false);
    for (&vote, tally) in votes.iter().zip(tallies) {
        if vote.is_nan() {
            continue;
        }
        any_vote = true;
        let hit_rate = tally.hit_rate();
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
struct Recent {
    scores: Vec<i64>,
    bars: usize,
    /// Index of the oldest score, once the window is full.
    oldest: usize,
    sum: i64,
    squares: i64,
}

impl Recent {
    fn new(bars: usize) -> Self {
        Self { scores: Vec::with_capacity(bars), bars, oldest: 0, sum: 0, squares: 0 }
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

/// Results of the scores beyond their threshold, in units of 1/[`BPS_SCALE`] basis points.
#[derive(Default)]
struct Record {
    count: i64,
    sum: i64,
    /// Number of bars with such scores: coins that are bought on one bar are one move of the market.
    bars: i64,
}

impl Record {
    /// Adds (`sign` 1) or removes (`sign` −1) the opinions on a bar, of one coin or of all, with their outcomes.
    fn update(&mut self, bar: &[(Opinion, f64)], sign: i64) {
        let before = self.count;
        for (opinion, outcome_bps) in bar {
            if opinion.passes() && !outcome_bps.is_nan() {
                let earned = if opinion.score > 0.0 { *outcome_bps } else { -outcome_bps };
                self.count += sign;
                self.sum += sign * (earned * BPS_SCALE) as i64;
            }
        }
        self.bars += if self.count == before { 0 } else { sign };
    }

    /// Mean result, basis points; NaN with fewer than `min_bars` bars.
    fn mean(&self, min_bars: i64) -> f32 {
        if self.bars < min_bars { f32::NAN } else { (self.sum as f64 / BPS_SCALE / self.count as f64) as f32 }
    }
}

#[cfg(test)]
mod tests;
