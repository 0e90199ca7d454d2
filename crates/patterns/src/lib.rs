//! Pattern mining: conditions on features under which trades earn more than usual. Patterns are found on the
//! training windows, and count as learned only if the test windows confirm them.
//!
//! The observations are the labels: the unit trades of every bar on both sides, whatever a model would have signalled.
//! A pattern is a side and one to three conditions on different features; each condition is a quantile bin or a
//! category. The pattern must earn more than all of the coin's bars on that side, by a test of the mean net return over blocks of
//! bars (module `excess`). Three rules guard against chance findings:
//!
//! 1. On the training windows, q-values (Benjamini and Hochberg) count every set of conditions that could have been
//!    tested, on both sides. Single conditions, pairs and triples, each for one coin and for all coins together, are
//!    families of equal weight, so that the millions of triples do not outweigh the hundreds of single conditions.
//! 2. Of nested and overlapping patterns, only those remain that add something (module `prune`).
//! 3. The remaining candidates are tested again on later windows, with the cut points of the training rows, and the
//!    false discovery rate is controlled again over all candidates of the run, weighted by what the training windows say
//!    for each.
//!
//! The crate does no I/O. Threads share coins and blocks; the sums of a coin, and those over coins and blocks, run in their
//! order, so results do not depend on the number of threads.

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

use huracan_metrics::q_values;
use huracan_shadow::Side;

pub use conditions::{Binning, Column, view};
pub use params::PatternParams;
pub use rows::Outcomes;

use excess::Base;
use items::Items;
use rows::Rows;
use search::Finding;

/// How many times as much as the weakest candidate the strongest may weigh on the test windows.
const MOST_WEIGHT: f64 = 10.0;

/// Feature values, and the columns that patterns may use.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    /// `[symbols × bars × features]`, row-major.
    pub values: &'a [f32],
    /// Number of bars per symbol.
    pub bars: usize,
    /// Number of features per row.
    pub features: usize,
    /// Columns that patterns may use.
    pub columns: &'a [Column],
}

impl Table<'_> {
    fn row(&self, symbol: usize, bar: usize) -> &[f32] {
        let at = (symbol * self.bars + bar) * self.features;
        &self.values[at..at + self.features]
    }
}

/// A unit of the search: one coin, or several coins with the same windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Scope {
    /// Symbol of the coin, or `*` for several.
    pub name: String,
    /// Rows of the symbols in the panel.
    pub symbols: Vec<usize>,
    /// Bars on which patterns are discovered.
    pub train: Range<usize>,
    /// Bars on which patterns are confirmed, all after `train`.
    pub tests: Vec<Range<usize>>,
}

/// A set of conditions on one side, with its results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// Index of the scope in which it was found.
    pub scope: usize,
    /// Side of the trades.
    pub side: Side,
    /// One to three conditions on different features.
    pub conditions: Vec<Condition>,
    /// Results on the training windows.
    pub train: Record,
    /// Results on the test windows.
    pub test: Record,
    /// One-sided p-value of the excess on the training windows.
    pub p_value: f64,
    /// q-value on the training windows, over all tests of the run.
    pub q_value: f64,
    /// p-value on the test windows, on the rows that no earlier pattern of the scope covers.
    pub test_p_value: f64,
    /// q-value on the test windows, over all candidates of the run.
    pub test_q_value: f64,
    /// Whether it passed the discovery level. A pattern that did not is a lead, or was learned by an earlier run; it is
    /// only measured.
    pub candidate: bool,
    /// Whether the test windows confirm that it earns more.
    pub learned: bool,
}

/// One condition on a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// Name of the feature.
    pub feature: String,
    /// Name of the bin or category: `high`, `Monday`, …
    pub name: String,
    /// Lower bound, inclusive; `None` if open, or if it differs between coins.
    pub from: Option<f32>,
    /// Upper bound, exclusive; `None` if open, or if it differs between coins.
    pub to: Option<f32>,
}

/// Results of the unit trade on a pattern's rows, compared with all rows of the same windows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Number of rows.
    pub rows: u64,
    /// Number of rows whose trade made money, net of costs.
    pub wins: u64,
    /// Win rate of all rows of the windows.
    pub base_win_rate: f64,
    /// Mean return net of all costs, basis points; NaN without rows.
    pub mean_bps: f64,
    /// Mean return of all rows of the windows, net of all costs, basis points.
    pub base_mean_bps: f64,
}

impl Record {
    /// Wins over rows; NaN without rows.
    pub fn win_rate(&self) -> f64 {
        self.wins as f64 / self.rows as f64
    }
}

/// Result of a search.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MiningResult {
    /// Patterns by scope, the most significant first.
    pub patterns: Vec<Pattern>,
    /// Number of tests: sets of conditions that could have been tested, times two sides.
    pub tests: f64,
}

/// A pattern that an earlier run learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPattern {
    /// Index of its scope.
    pub scope: usize,
    /// Side of the trades.
    pub side: Side,
    /// Feature and name of each condition.
    pub conditions: Vec<(String, String)>,
}

/// Inputs of a search.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Features.
    pub table: Table<'a>,
    /// Labels.
    pub outcomes: Outcomes<'a>,
    /// Coins and windows to search.
    pub scopes: &'a [Scope],
    /// Patterns of earlier runs. They are measured again whatever the search finds, so that a pattern is not judged by
    /// its good days alone.
    pub known: &'a [KnownPattern],
    /// Maximum number of bars that a label looks ahead.
    pub horizon_bars: usize,
    /// Parameters of the search.
    pub params: &'a PatternParams,
}

/// A scope's training rows as bit masks, and the findings on them.
struct SearchedScope<'a> {
    train: Rows,
    base: Base,
    items: Items<'a>,
    masks: Vec<u64>,
    findings: Vec<Finding>,
}

/// Searches every scope for patterns and tests them on the later windows.
///
/// Discovery uses no outcome from a test window: training rows whose label ends in one are left out.
pub fn mine(inputs: &Inputs<'_>) -> MiningResult {
    let Inputs { table, outcomes, scopes, horizon_bars, params, .. } = inputs;
    let searched: Vec<SearchedScope<'_>> = scopes
        .par_iter()
        .map(|scope| {
            let end = scope.tests.iter().map(|test| test.start).min().unwrap_or(usize::MAX);
            let train = Rows::new(outcomes, &scope.symbols, std::slice::from_ref(&scope.train), end, *horizon_bars);
            let base = Base::of(&train, &train.labelled);
            let items = Items::new(table, &train, params.bins);
            let masks = items.masks(table, &train);
            let findings = search::search(&train, &base, &items, &masks, params);
            SearchedScope { train, base, items, masks, findings }
        })
        .collect();
    let (q, tests) = discovery_q_values(scopes, &searched, params.depth);
    let mut patterns: Vec<Pattern> = scopes
        .par_iter()
        .zip(&searched)
        .zip(&q)
        .enumerate()
        .flat_map_iter(|(index, ((scope, searched), q))| confirm::confirm_scope(inputs, index, scope, searched, q))
        .collect();
    let candidates: Vec<&mut Pattern> = patterns.iter_mut().filter(|pattern| pattern.candidate).collect();
    let weights = weights(&candidates.iter().map(|pattern| pattern.p_value).collect::<Vec<_>>());
    let p: Vec<f64> = candidates.iter().zip(weights).map(|(pattern, weight)| pattern.test_p_value / weight).collect();
    for (pattern, q) in candidates.into_iter().zip(q_values(&p, p.len() as f64)) {
        pattern.test_q_value = q;
        pattern.learned = q <= params.confirm_level && pattern.test.mean_bps > pattern.test.base_mean_bps;
    }
    MiningResult { patterns, tests }
}

/// Weight of each candidate on the test windows, by its p-value on the training windows; 1 on average. One that stands out weighs
/// more: at most [`MOST_WEIGHT`] times as much as the weakest, so that no candidate is starved by a stronger one. The weights
/// know nothing of the test windows (Genovese, Roeder and Wasserman 2006).
fn weights(p: &[f64]) -> Vec<f64> {
    let weakest = p.iter().copied().fold(1e-300, f64::max);
    let evidence = p.iter().map(|p| (weakest / p.max(1e-300)).min(MOST_WEIGHT));
    let mean = evidence.clone().sum::<f64>() / p.len() as f64;
    evidence.map(|own| own / mean).collect()
}

/// q-values of all findings, by scope, and the number of tests.
fn discovery_q_values(scopes: &[Scope], searched: &[SearchedScope<'_>], depth: usize) -> (Vec<Vec<f64>>, f64) {
    // A family is a depth, for one coin or for several.
    let family = |scope: &Scope, depth: usize| usize::from(scope.symbols.len() > 1) * 4 + depth;
    let mut sizes = [0.0_f64; 8];
    for (scope, searched) in scopes.iter().zip(searched) {
        (1..=depth).for_each(|d| sizes[family(scope, d)] += 2.0 * searched.items.sets(d));
    }
    let tests: f64 = sizes.iter().sum();
    let families = sizes.iter().filter(|&&size| size > 0.0).count() as f64;
    let mut p = Vec::new();
    for (scope, searched) in scopes.iter().zip(searched) {
        // Every family gets the same total weight; the mean weight over all tests is 1.
        let weight = |finding: &Finding| tests / (families * sizes[family(scope, finding.depth)]);
        p.extend(searched.findings.iter().map(|finding| finding.p_value / weight(finding)));
    }
    let mut q = q_values(&p, tests).into_iter();
    (searched.iter().map(|searched| q.by_ref().take(searched.findings.len()).collect()).collect(), tests)
}
