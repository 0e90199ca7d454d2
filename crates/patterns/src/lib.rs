//! Conditions under which trades win more often than at any other time: found on the training windows, and learned only
//! when the test windows confirm them.
//!
//! What is counted is the unit trade of every bar, by its label: there is one on each side of each bar, whatever a model
//! would have signalled. A pattern is one to three conditions on different features, each a quantile bin or a category,
//! and a side. It has to beat the win rate of all of the coin's bars on that side, by a test over blocks of bars
//! ([`excess`]). Three rules keep chance out:
//!
//! 1. On the training windows, q-values by Benjamini and Hochberg count every set of conditions that could have been
//!    looked at, on both sides; single conditions, pairs and triples, of one coin and of all coins together, are
//!    families of equal weight, so that the millions of triples do not drown the hundreds of single conditions.
//! 2. Of nested and overlapping patterns, those are left that add something ([`prune`]).
//! 3. What is left is tested once more on windows that come later, with cut points of the training rows, and controlled
//!    again over all candidates of the run.
//!
//! Nothing here reads or writes. All sums run in the order of the rows, one pattern a thread: results do not depend on
//! the number of threads.

mod conditions;
mod confirm;
mod describe;
mod excess;
mod items;
mod params;
mod prune;
mod rows;
mod search;
mod significance;
#[cfg(test)]
mod tests;

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use huracan_shadow::Side;

pub use conditions::{Column, Cut, catalogue};
pub use params::PatternParams;
pub use rows::Outcomes;
pub use significance::{q_values, student_tail};

use excess::Base;
use items::Items;
use rows::Rows;
use search::Found;

/// Features by coin and bar, and which of them patterns may speak of.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    /// `[symbols × bars × features]`, row-major.
    pub values: &'a [f32],
    pub bars: usize,
    pub features: usize,
    pub columns: &'a [Column],
}

impl Table<'_> {
    fn row(&self, symbol: usize, bar: usize) -> &[f32] {
        let at = (symbol * self.bars + bar) * self.features;
        &self.values[at..at + self.features]
    }
}

/// What is searched as one: a coin, or several with equal windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Scope {
    /// The coin's name, or `*`.
    pub name: String,
    /// Rows of the panel.
    pub symbols: Vec<usize>,
    /// Bars to discover on.
    pub train: Range<usize>,
    /// Bars to confirm on: all after `train`.
    pub tests: Vec<Range<usize>>,
}

/// A set of conditions and a side, with its record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// Which of the scopes it was found in.
    pub scope: usize,
    pub side: Side,
    pub conditions: Vec<Condition>,
    pub train: Record,
    pub test: Record,
    /// Of the excess on the training windows, one-sided.
    pub p_value: f64,
    /// Over all tests of the run.
    pub q_value: f64,
    /// On the test windows, beyond the patterns before it.
    pub test_p_value: f64,
    /// Over all candidates of the run.
    pub test_q_value: f64,
    /// Whether it passed the discovery level. What did not is a lead, or was learned by an earlier run: measured, and
    /// no more.
    pub candidate: bool,
    /// Confirmed: the test windows say the same, of win rate and of mean return.
    pub learned: bool,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    pub feature: String,
    /// `high`, `Monday`, …
    pub name: String,
    /// From (inclusive) and to (exclusive); none where it is open, or differs from coin to coin.
    pub from: Option<f32>,
    pub to: Option<f32>,
}

/// What the unit trade earned on a pattern's rows, against all rows of the same windows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub rows: u64,
    pub wins: u64,
    pub base_win_rate: f64,
    /// Net of all costs; NaN without rows.
    pub mean_bps: f64,
    pub base_mean_bps: f64,
}

impl Record {
    /// NaN without rows.
    pub fn win_rate(&self) -> f64 {
        self.wins as f64 / self.rows as f64
    }
}

/// All that a search found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mined {
    /// By scope, the most telling first.
    pub patterns: Vec<Pattern>,
    /// Sets of conditions, times two sides, that could have been looked at.
    pub tests: f64,
}

/// A pattern that an earlier run has learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub scope: usize,
    pub side: Side,
    /// Feature and name of each condition.
    pub conditions: Vec<(String, String)>,
}

/// What a search looks at.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    pub table: Table<'a>,
    pub outcomes: Outcomes<'a>,
    pub scopes: &'a [Scope],
    /// Measured once more, whatever the search finds: patterns are not to be told by their good days alone.
    pub known: &'a [Known],
    /// Most bars that a label looks ahead.
    pub reach: usize,
    pub settings: &'a PatternParams,
}

/// One scope's windows as bits, and what the search found on them.
struct Searched<'a> {
    train: Rows,
    base: Base,
    items: Items<'a>,
    masks: Vec<u64>,
    found: Vec<Found>,
}

/// Searches every scope and confirms what was found.
///
/// Discovery sees no outcome of a test window: rows whose label ends within one are left out.
pub fn mine(inputs: &Inputs<'_>) -> Mined {
    let Inputs { table, outcomes, scopes, reach, settings, .. } = inputs;
    let searched: Vec<Searched<'_>> = scopes
        .par_iter()
        .map(|scope| {
            let end = scope.tests.iter().map(|test| test.start).min().unwrap_or(usize::MAX);
            let train = Rows::new(outcomes, &scope.symbols, std::slice::from_ref(&scope.train), end, *reach);
            let base = Base::of(&train, &train.labelled);
            let items = Items::new(table, &train, settings.bins);
            let masks = items.masks(table, &train);
            let found = search::search(&train, &base, &items, &masks, settings);
            Searched { train, base, items, masks, found }
        })
        .collect();
    let (q, tests) = discovery(scopes, &searched, settings.depth);
    let mut patterns: Vec<Pattern> = scopes
        .par_iter()
        .zip(&searched)
        .zip(&q)
        .enumerate()
        .flat_map_iter(|(at, ((scope, searched), q))| confirm::kept(inputs, at, scope, searched, q))
        .collect();
    let candidates: Vec<&mut Pattern> = patterns.iter_mut().filter(|pattern| pattern.candidate).collect();
    let p: Vec<f64> = candidates.iter().map(|pattern| pattern.test_p_value).collect();
    for (pattern, q) in candidates.into_iter().zip(q_values(&p, p.len() as f64)) {
        pattern.test_q_value = q;
        pattern.learned = q <= settings.confirm_level && pattern.test.mean_bps > pattern.test.base_mean_bps;
    }
    Mined { patterns, tests }
}

/// q-values of everything found, by scope, and the number of tests.
fn discovery(scopes: &[Scope], searched: &[Searched<'_>], depth: usize) -> (Vec<Vec<f64>>, f64) {
    // A family: one coin or several, and a depth.
    let family = |scope: &Scope, depth: usize| usize::from(scope.symbols.len() > 1) * 4 + depth;
    let mut sizes = [0.0_f64; 8];
    for (scope, searched) in scopes.iter().zip(searched) {
        (1..=depth).for_each(|d| sizes[family(scope, d)] += 2.0 * searched.items.sets(d));
    }
    let tests: f64 = sizes.iter().sum();
    let families = sizes.iter().filter(|&&size| size > 0.0).count() as f64;
    let mut p = Vec::new();
    for (scope, searched) in scopes.iter().zip(searched) {
        // Weights of equal sum in every family, with a mean of 1 over all tests.
        let weight = |found: &Found| tests / (families * sizes[family(scope, found.depth)]);
        p.extend(searched.found.iter().map(|found| found.p_value / weight(found)));
    }
    let mut q = q_values(&p, tests).into_iter();
    (searched.iter().map(|searched| q.by_ref().take(searched.found.len()).collect()).collect(), tests)
}
