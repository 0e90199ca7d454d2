//! What a batch of boosting work is made of.

use serde::{Deserialize, Serialize};

/// Most classes of a multiclass model: each costs a tree a round.
pub const MOST_CLASSES: u32 = 1000;

/// What is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Log loss on labels 0 and 1; predicts a probability.
    Binary,
    /// Squared error; predicts a value.
    Regression,
    /// Softmax over classes `0 .. classes`; predicts a probability a class.
    Multiclass { classes: u32 },
}

impl Objective {
    /// Trees grown in one round.
    pub fn trees_per_round(self) -> usize {
        match self {
            Self::Binary | Self::Regression => 1,
            Self::Multiclass { classes } => classes as usize,
        }
    }
}

/// How one model is grown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoostParams {
    pub objective: Objective,
    /// Most rounds.
    pub rounds: u32,
    pub learning_rate: f64,
    /// Levels of splits in a tree.
    pub max_depth: u32,
    /// Bins a feature besides the one for missing values, 2 to 255.
    pub max_bin: u32,
    pub l2: f64,
    pub min_child_hessian: f64,
    pub min_split_gain: f64,
    /// Share of the rows drawn for each tree.
    pub subsample: f64,
    /// Share of the features drawn for each tree.
    pub colsample: f64,
    /// Rounds without a better validation loss before stopping; 0 never stops.
    pub early_stopping: u32,
    pub seed: u64,
}

/// Feature values of all jobs, `[rows × features]` f32 row-major, NaN where missing.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    pub values: &'a [f32],
    pub features: usize,
}

impl<'a> Table<'a> {
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.features).unwrap_or(0)
    }

    /// One row, `[features]`.
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.features..(row + 1) * self.features]
    }
}

/// One model to train: rows of the shared table, their labels, and how to grow it.
#[derive(Debug, Clone)]
pub struct BoostJob {
    /// Names the job in errors, progress and results.
    pub name: String,
    /// Rows of the table to learn from.
    pub train: Vec<u32>,
    /// Labels of `train`.
    pub train_labels: Vec<f32>,
    /// Rows of the table that choose the number of rounds; empty keeps every round.
    pub valid: Vec<u32>,
    /// Labels of `valid`.
    pub valid_labels: Vec<f32>,
    pub params: BoostParams,
}

/// A job that cannot be trained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoostError {
    #[error("{job}: no training rows")]
    NoRows { job: String },
    #[error("{job}: label of row {row} is {value}; {expected}")]
    Label { job: String, row: usize, value: String, expected: String },
    #[error("{job}: {rows} rows but {labels} labels")]
    Lengths { job: String, rows: usize, labels: usize },
    #[error("{job}: row {row} is outside the table of {rows} rows")]
    Row { job: String, row: u32, rows: usize },
    #[error("{job}: the table has no features")]
    NoFeatures { job: String },
    #[error("{job}: {key} is {value}; {expected}")]
    Parameter { job: String, key: &'static str, value: String, expected: &'static str },
}
