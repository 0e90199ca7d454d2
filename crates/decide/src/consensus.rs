//! The consensus of the voting engines: score, confidence, threshold, and what it has earned lately.
//!
//! At each bar an engine's hit rate is the share of its votes, by their strength, that the market has since proved
//! right, among outcomes that are known at that bar. An engine counts by how much better than a coin it has been,
//! 2·hit rate − 1, which is the share of a purse that Kelly (1956) would put on its word at even odds; one that has been
//! no better has no say. The score S is the weighted mean of the votes.

use std::ops::Range;

use rayon::prelude::*;

use super::DecideParams;
use super::votes::{VOTERS, Votes};
use huracan_bars::Panel;
use huracan_labels::Labels;
use huracan_shadow::Side;

/// Votes of no outcome that every hit rate starts with, half of them hits: outcomes of neighbouring bars overlap, so
/// that few of them say little.
const PRIOR_VOTES: i64 = 100;
/// Fixed point of a vote's strength and of a score: sums of integers can be rolled without drift.
const STRENGTH: f32 = 1024.0;
const SCORE_BITS: u32 = 20;
/// Fixed point of basis points, and the largest outcome that counts.
const BPS: f64 = 65_536.0;
const MOST_BPS: f64 = 1e6;

/// What the engines say together of one bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opinion {
    /// S in [−1, 1]: positive to buy, negative to sell; NaN while no engine can say.
    pub score: f32,
    /// Least |S| that is traded: a multiple of the recent standard deviation of S; NaN while there are too few.
    pub threshold: f32,
    /// Per cent: how far the engines that have a say agree, times their hit rate.
    pub confidence: f32,
    /// Mean outcome of the scores beyond their threshold, basis points before costs; NaN where too few are known.
    pub expected_bps: f32,
}

impl Opinion {
    /// Whether the score exceeds its threshold.
    pub fn passes(&self) -> bool {
        self.score.abs() > self.threshold
    }
}

/// Opinions of all symbols, `[symbols × bars]` row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Consensus {
    pub bars: usize,
    pub opinions: Vec<Opinion>,
    /// Hit rate of every engine over the outcomes known at each symbol's last bar, `[symbols × VOTERS]`.
    pub hit_rates: Vec<f32>,
}

impl Consensus {
    pub fn at(&self, symbol: usize, bar: usize) -> Opinion {
        self.opinions[symbol * self.bars + bar]
    }
}

/// What was right at each bar, in basis points before costs: half of what a long trade earned more than a short one;
/// NaN while it is not known. It may be looked at from `horizon` bars later on.
fn outcome_bps(labels: &Labels, symbol: usize, bar: usize) -> f64 {
    match (labels.get(symbol, bar, Side::Long), labels.get(symbol, bar, Side::Short)) {
        (Some(long), Some(short)) => ((long.return_bps - short.return_bps) / 2.0).clamp(-MOST_BPS, MOST_BPS),
        _ => f64::NAN,
    }
}

/// Opinions for every symbol and bar. `labels` are those of the whole panel: at bar t, outcomes of bars up to t − `horizon`
/// alone are looked at, `horizon` being the most bars that a label looks ahead.
pub fn compute(panel: &Panel, votes: &Votes, labels: &Labels, settings: &DecideParams, horizon: usize) -> Consensus {
    let nothing = Opinion { score: f32::NAN, threshold: f32::NAN, confidence: f32::NAN, expected_bps: f32::NAN };
    let mut consensus = Consensus {
        bars: panel.bars,
        opinions: vec![nothing; panel.symbols.len() * panel.bars],
        hit_rates: vec![0.5; panel.symbols.len() * VOTERS],
    };
    consensus
        .opinions
        .par_chunks_mut(panel.bars.max(1))
        .zip(consensus.hit_rates.par_chunks_mut(VOTERS))
        .enumerate()
        .for_each(|(symbol, (opinions, hit_rates))| {
            let own = Symbol { votes, labels, symbol, range: panel.ranges[symbol].clone(), settings, horizon };
            own.walk(opinions, hit_rates);
        });
    consensus
}

/// One symbol's walk through its bars.
struct Symbol<'a> {
    votes: &'a Votes,
    labels: &'a Labels,
    symbol: usize,
    range: Range<usize>,
    settings: &'a DecideParams,
    horizon: usize,
}

/// Strengths of an engine's votes whose outcome is known.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    hits: i64,
    all: i64,
}

impl Tally {
    fn hit_rate(self) -> f64 {
        let prior = PRIOR_VOTES * STRENGTH as i64;
        (self.hits + prior / 2) as f64 / (self.all + prior) as f64
    }
}

impl Symbol<'_> {
    fn walk(&self, opinions: &mut [Opinion], hit_rates: &mut [f32]) {
        let (start, horizon) = (self.range.start, self.horizon);
        let reliability_bars = self.settings.reliability_bars as usize;
        let record_bars = self.settings.record_bars as usize;
        let mut tallies = [Tally::default(); VOTERS];
        let mut recent = Recent::new(self.settings.threshold_bars as usize);
        let mut record = Record::default();
        for bar in self.range.clone() {
            if bar >= start + horizon {
                let known = bar - horizon;
                self.tally(&mut tallies, known, 1);
                record.count(&opinions[known], outcome_bps(self.labels, self.symbol, known), 1);
                if known >= start + reliability_bars {
                    self.tally(&mut tallies, known - reliability_bars, -1);
                }
                if known >= start + record_bars {
                    let old = known - record_bars;
                    record.count(&opinions[old], outcome_bps(self.labels, self.symbol, old), -1);
                }
            }
            let (score, confidence) = weigh(self.votes.row(self.symbol, bar), &tallies);
            if !score.is_nan() {
                recent.push(score);
            }
            opinions[bar] = Opinion {
                score,
                threshold: (self.settings.threshold * recent.deviation()) as f32,
                confidence,
                expected_bps: record.mean(i64::from(self.settings.record_min)),
            };
        }
        for (rate, tally) in hit_rates.iter_mut().zip(&tallies) {
            *rate = tally.hit_rate() as f32;
        }
    }

    /// Counts (`sign` 1) the votes of a bar whose outcome is known, or forgets them (−1).
    fn tally(&self, tallies: &mut [Tally; VOTERS], bar: usize, sign: i64) {
        let outcome = outcome_bps(self.labels, self.symbol, bar);
        if outcome.is_nan() || outcome == 0.0 {
            return;
        }
        for (tally, &vote) in tallies.iter_mut().zip(self.votes.row(self.symbol, bar)) {
            if !vote.is_nan() {
                let strength = sign * (vote.abs() * STRENGTH) as i64;
                tally.all += strength;
                tally.hits += if (vote > 0.0) == (outcome > 0.0) { strength } else { 0 };
            }
        }
    }
}

/// Score and confidence of one bar's votes; both NaN where no engine can say.
fn weigh(votes: &[f32], tallies: &[Tally; VOTERS]) -> (f32, f32) {
    let (mut weights, mut score, mut strength, mut reliability, mut said) = (0.0, 0.0, 0.0, 0.0, false);
    for (&vote, tally) in votes.iter().zip(tallies) {
        if vote.is_nan() {
            continue;
        }
        said = true;
        let hit_rate = tally.hit_rate();
        let weight = 2.0 * hit_rate - 1.0;
        if weight > 0.0 {
            weights += weight;
            score += weight * f64::from(vote);
            strength += weight * f64::from(vote.abs());
            reliability += weight * hit_rate;
        }
    }
    if !said {
        return (f32::NAN, f32::NAN);
    }
    if weights == 0.0 || strength == 0.0 {
        return (0.0, 0.0);
    }
    let confidence = 100.0 * (score.abs() / strength) * (reliability / weights);
    ((score / weights) as f32, confidence as f32)
}

/// The newest scores, and their sums.
struct Recent {
    scores: Vec<i64>,
    bars: usize,
    /// Place of the oldest score, once there are as many as the window holds.
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

    /// Sample standard deviation of the scores; NaN until there are as many as the window holds.
    fn deviation(&self) -> f64 {
        if self.scores.len() < self.bars {
            return f64::NAN;
        }
        let n = self.bars as i64;
        let variance = (n * self.squares - self.sum * self.sum) as f64 / (n * (n - 1)) as f64;
        variance.sqrt() / f64::from(1 << SCORE_BITS)
    }
}

/// What scores beyond their threshold have earned.
#[derive(Default)]
struct Record {
    count: i64,
    sum: i64,
}

impl Record {
    fn count(&mut self, opinion: &Opinion, outcome_bps: f64, sign: i64) {
        if opinion.passes() && !outcome_bps.is_nan() {
            let earned = if opinion.score > 0.0 { outcome_bps } else { -outcome_bps };
            self.count += sign;
            self.sum += sign * (earned * BPS) as i64;
        }
    }

    fn mean(&self, least: i64) -> f32 {
        if self.count < least { f32::NAN } else { (self.sum as f64 / BPS / self.count as f64) as f32 }
    }
}

#[cfg(test)]
mod tests;
