//! Parameters of the pattern search (settings section `patterns`).

use serde::{Deserialize, Serialize};

/// Extent of the pattern search, and the required significance.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct PatternParams {
    /// Whether patterns are searched; if not, the pattern library is empty.
    pub enabled: bool,
    /// Quantile bins per feature.
    pub bins: usize,
    /// Maximum number of conditions of a pattern, 1 to 3.
    pub depth: usize,
    /// Minimum number of training bars at which a pattern holds.
    pub min_rows: u32,
    /// Number of pairs per coin and side from which triples are built.
    pub beam: usize,
    /// Whether all coins are searched together: more data, and patterns that hold everywhere.
    pub pooled: bool,
    /// Whether each coin is searched by itself too: a hundred times as many tests, each on a hundredth of the data.
    pub coins: bool,
    /// Maximum q-value of a candidate, over all tests of the search: the tolerated share of false ones.
    pub discovery_level: f64,
    /// Maximum q-value of a learned pattern on the test windows, over all candidates: the tolerated share of false
    /// ones.
    pub confirm_level: f64,
    /// Maximum number of candidates per coin.
    pub most: usize,
    /// Maximum number of leads per coin: patterns that are recorded although they missed the discovery level.
    pub leads: usize,
}

impl Default for PatternParams {
    /// The built-in defaults.
    fn default() -> Self {
        Self {
            enabled: true,
            bins: 3,
            depth: 2,
            min_rows: 100,
            beam: 200,
            pooled: true,
            coins: false,
            discovery_level: 0.5,
            confirm_level: 0.1,
            most: 10,
            leads: 3,
        }
    }
}
