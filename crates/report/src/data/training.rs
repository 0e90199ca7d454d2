//! Results of training beyond the verdicts: hyperparameter search, model families, patterns.

use serde::{Deserialize, Serialize};

/// Hyperparameters chosen by the search for a head, compared with those of the settings. A gain is the share by which
/// the loss fell, as the mean over all folds; negative if it rose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchRow {
    /// Name of the head.
    pub head: String,
    /// Number of folds of all symbols.
    pub folds: usize,
    /// Number of folds whose chosen parameters differ from those of the settings.
    #[serde(rename = "moved")]
    pub changed: usize,
    /// Gain on the validation rows, by which the choice was made; it is therefore flattering.
    pub validation_gain: f64,
    /// Gain on the test windows, which played no part in the choice.
    pub test_gain: f64,
    /// Cost of the search: rounds trained per round with the parameters of the settings.
    pub cost: f64,
}

/// One model family alone, on the same test windows as the others; or the blend of all families, which the run used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FamilyRow {
    /// `gbdt`, `forest`, `neural`, or `together`.
    pub family: String,
    /// Share of folds and heads whose prediction includes the family.
    #[serde(rename = "part")]
    pub share: f64,
    /// Training time, seconds.
    pub seconds: f64,
    /// Losses, one entry per head.
    pub losses: Vec<FamilyLoss>,
    /// Number of trades of a portfolio that trades the family's predictions alone; so are the following numbers.
    pub trades: u64,
    /// Share of winning trades.
    pub win_rate: Option<f64>,
    /// Mean net result, basis points of notional.
    pub mean_net_bps: Option<f64>,
    /// Annualised Sharpe ratio.
    pub sharpe: Option<f64>,
    /// Largest fall from a peak, as a share of the peak.
    pub max_drawdown: Option<f64>,
    /// Final equity / starting equity − 1.
    pub total_return: Option<f64>,
}

/// Loss of a family for one head, as the mean over all folds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FamilyLoss {
    /// Name of the head.
    pub head: String,
    /// Loss on the validation rows, by which families were chosen; `None` for the blend.
    pub validation: Option<f64>,
    /// Loss on the test windows.
    pub test: Option<f64>,
    /// Share by which the test loss is below that of the first family; negative if it is above.
    pub gain: Option<f64>,
}

/// Result of the pattern search.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Patterns {
    /// Number of patterns that could have been tested.
    pub tests: f64,
    /// The patterns, learned ones first.
    pub list: Vec<PatternEntry>,
}

/// A pattern: conditions on features, and the results of trades on one side under them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatternEntry {
    /// Symbol of a coin, or `all coins`.
    pub symbol: String,
    /// `long` or `short`.
    pub side: String,
    /// The conditions as text.
    pub conditions: String,
    /// Results on the training windows.
    pub train: PatternResult,
    /// Results on the test windows.
    pub test: PatternResult,
    /// q-value on the training windows: the expected share of false ones among all patterns that are at least as
    /// significant.
    pub q_value: f64,
    /// q-value on the test windows.
    pub test_q_value: f64,
    /// Whether it passed the discovery level on the training windows; if not, it is a lead, or was learned earlier.
    pub candidate: bool,
    /// Whether the test windows confirm it.
    pub learned: bool,
}

/// Results of a pattern on the training or the test windows, and of all bars of the same windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatternResult {
    /// Number of bars at which the pattern holds.
    pub rows: u64,
    /// Win rate at those bars.
    pub win_rate: Option<f64>,
    /// Win rate at all bars.
    pub base_win_rate: Option<f64>,
    /// Mean net return at those bars, basis points.
    pub mean_net_bps: Option<f64>,
    /// Mean net return at all bars, basis points.
    pub base_net_bps: Option<f64>,
}
