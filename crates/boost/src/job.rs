//! What a batch of boosting work is made of.

use serde::{Deserialize, Serialize};

use huracan_base::arith;

/// Most classes of a multiclass model: each costs a tree a round.
pub const MOST_CLASSES: u32 = 1000;

/// Most training cells, rows × features, of a job: its codes take a byte each, and rows are counted in 32 bits.
pub const MOST_CELLS: u64 = 1 << 36;

/// What is learned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Log loss on labels 0 and 1; predicts a probability.
    Binary,
    /// Squared error; predicts the mean.
    Regression,
    /// Softmax over classes `0 .. classes`; predicts a probability a class.
    Multiclass { classes: u32 },
    /// Pinball loss; predicts the value below which a share `alpha` of the labels lies.
    Quantile { alpha: f64 },
    /// Squared error up to a distance of `delta`, in the label's unit, and linear beyond: far labels pull no harder.
    Huber { delta: f64 },
}

impl Objective {
    /// Trees grown in one round.
    pub fn trees_per_round(self) -> usize {
        match self {
            Self::Multiclass { classes } => classes as usize,
            Self::Binary | Self::Regression | Self::Quantile { .. } | Self::Huber { .. } => 1,
        }
    }

    /// Turns the raw scores of one row into its prediction, in place: probabilities for classes, values as they are.
    pub fn transform(self, scores: &mut [f64]) {
        match self {
            Self::Binary => scores[0] = arith::sigmoid(scores[0]),
            Self::Multiclass { .. } => arith::softmax(scores),
            Self::Regression | Self::Quantile { .. } | Self::Huber { .. } => {}
        }
    }
}

/// Which leaf of a growing tree is split next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Growth {
    /// All of a level, down to `max_depth`.
    Level,
    /// The one with the greatest gain, until there are `max_leaves`.
    Leaf,
}

/// How trees make a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ensemble {
    /// Each tree mends what the sum of those before it gets wrong.
    Boosting,
    /// Random forest: each tree learns the labels by itself, on rows and features drawn for it, and their mean counts.
    /// Leaves are one Newton step from the base score; the learning rate plays no part.
    Forest,
}

/// How one model is grown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoostParams {
    pub objective: Objective,
    pub ensemble: Ensemble,
    pub growth: Growth,
    /// Most rounds.
    pub rounds: u32,
    pub learning_rate: f64,
    /// Most levels of splits in a tree, 1 to 20; growing by leaf, 0 sets no limit.
    pub max_depth: u32,
    /// Most leaves of a tree grown by leaf.
    pub max_leaves: u32,
    /// Bins a feature besides the one for missing values, 2 to 255.
    pub max_bin: u32,
    pub l2: f64,
    pub min_child_hessian: f64,
    pub min_split_gain: f64,
    /// Share of the rows drawn for each tree.
    pub subsample: f64,
    /// Share of the features drawn for each tree.
    pub colsample: f64,
    /// Share of the tree's features drawn for each split.
    pub colsample_node: f64,
    /// Weight of label 1 against label 0, binary alone.
    pub scale_pos_weight: f64,
    /// One entry a feature: the prediction may only rise (1), only fall (−1), or do both (0) with it. Empty: both for all.
    pub monotone: Vec<i8>,
    /// Rounds without a better validation loss before stopping; 0 never stops.
    pub early_stopping: u32,
    /// Least rounds that early stopping may choose.
    #[serde(default)]
    pub min_rounds: u32,
    pub seed: u64,
}

impl Default for BoostParams {
    /// Boosting on log loss: 100 rounds at a rate of 0.1, depth 6, 255 bins, L2 1, nothing drawn, nothing stopped.
    fn default() -> Self {
        Self {
            objective: Objective::Binary,
            ensemble: Ensemble::Boosting,
            growth: Growth::Level,
            rounds: 100,
            learning_rate: 0.1,
            max_depth: 6,
            max_leaves: 31,
            max_bin: 255,
            l2: 1.0,
            min_child_hessian: 1e-3,
            min_split_gain: 0.0,
            subsample: 1.0,
            colsample: 1.0,
            colsample_node: 1.0,
            scale_pos_weight: 1.0,
            monotone: Vec::new(),
            early_stopping: 0,
            min_rounds: 0,
            seed: 7,
        }
    }
}

/// One model to train: rows of the shared table, their labels, and how to grow it.
#[derive(Debug, Clone, Default)]
pub struct BoostJob {
    /// Names the job in errors, progress and results.
    pub name: String,
    /// Rows of the table to learn from.
    pub train: Vec<u32>,
    /// Labels of `train`.
    pub train_labels: Vec<f32>,
    /// How much each of `train` counts, 0 or more; empty: all alike.
    pub train_weights: Vec<f32>,
    /// Rows of the table that choose the number of rounds; empty keeps every round.
    pub valid: Vec<u32>,
    /// Labels of `valid`.
    pub valid_labels: Vec<f32>,
    /// How much each of `valid` counts in the validation loss; empty: all alike.
    pub valid_weights: Vec<f32>,
    pub params: BoostParams,
}

/// A job, and the parameters that it is trained with: its own, or those that a search tries.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    pub job: &'a BoostJob,
    pub params: &'a BoostParams,
}

impl<'a> Task<'a> {
    /// A job with its own parameters.
    pub fn own(job: &'a BoostJob) -> Self {
        Self { job, params: &job.params }
    }
}

/// A job that cannot be trained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoostError {
    #[error("{job}: no training rows")]
    NoRows { job: String },
    #[error("{job}: label of row {row} is {value}; {expected}")]
    Label { job: String, row: usize, value: String, expected: String },
    #[error("{job}: weight of row {row} is {value}; a weight is a finite number, 0 or more")]
    Weight { job: String, row: usize, value: String },
    #[error("{job}: every weight is 0, so that there is nothing to learn")]
    NoWeight { job: String },
    #[error("{job}: {rows} rows but {found} {what}")]
    Lengths { job: String, rows: usize, what: &'static str, found: usize },
    #[error("{job}: {rows} rows × {features} features are more cells than a job can have ({most}); split the job, or train on part of the rows", most = MOST_CELLS)]
    Cells { job: String, rows: usize, features: usize },
    #[error("{job}: {features} features, but monotone constraints for {constraints}")]
    Monotone { job: String, features: usize, constraints: usize },
    #[error("{job}: row {row} is outside the table of {rows} rows")]
    Row { job: String, row: u32, rows: usize },
    #[error("{job}: stopped before it was finished")]
    Stopped { job: String },
    #[error("{job}: no validation rows, by which alone parameters can be chosen")]
    NoValidation { job: String },
    #[error("{job}: the table has no features")]
    NoFeatures { job: String },
    #[error("{job}: {key} is {value}; {expected}")]
    Parameter { job: String, key: &'static str, value: String, expected: &'static str },
}
