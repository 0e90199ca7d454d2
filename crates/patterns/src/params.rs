//! Parameters of the pattern search.

use serde::{Deserialize, Serialize};

/// What the search for patterns may look at, and how sure it must be.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct PatternParams {
    pub enabled: bool,
    /// Quantile bins a feature.
    pub bins: usize,
    /// Most conditions of a pattern, 1 to 3.
    pub depth: usize,
    /// Least training rows of a pattern.
    pub min_rows: u32,
    /// Pairs of a coin and side from which triples are built.
    pub beam: usize,
    /// Whether all coins are also searched as one.
    pub pooled: bool,
    /// Largest q-value of a candidate, over all tests of the search.
    pub discovery_level: f64,
    /// Largest q-value of a learned pattern, over all candidates on the test windows.
    pub confirm_level: f64,
    /// Most candidates of a coin.
    pub most: usize,
    /// Most patterns of a coin that are recorded though they missed the discovery level.
    pub leads: usize,
}

impl Default for PatternParams {
    /// The built-in settings.
    fn default() -> Self {
        Self {
            enabled: true,
            bins: 3,
            depth: 3,
            min_rows: 100,
            beam: 200,
            pooled: true,
            discovery_level: 0.2,
            confirm_level: 0.1,
            most: 10,
            leads: 3,
        }
    }
}
