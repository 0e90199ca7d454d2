//! The jobs of a batch, their parameters, and the errors of a job.

use serde::{Deserialize, Serialize};

use huracan_base::arith;

/// Most classes of a multiclass model: each one costs a tree per round.
pub const MAX_CLASSES: u32 = 1000;

/// Most training cells (rows × features) of a job: each takes one byte of codes, and rows are counted in 32 bits.
pub const MAX_CELLS: u64 = 1 << 36;

/// What a model learns: its loss, and what it predicts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Log loss on labels 0 and 1; predicts a probability.
    Binary,
    /// Squared error; predicts the mean.
    Regression,
    /// Softmax over the classes `0 .. classes`; predicts one probability per class.
    Multiclass {
        /// Number of classes, 2 to [`MAX_CLASSES`].
        classes: u32,
    },
    /// Pinball loss; predicts the value below which a share `alpha` of the labels lies.
    Quantile {
        /// Above 0 and below 1.
        alpha: f64,
    },
    /// Squared error up to a distance of `delta`, and linear beyond it, which limits the pull of outliers.
    Huber {
        /// In the unit of the label, above 0.
        delta: f64,
    },
}

impl Objective {
    /// Number of trees that one round grows: one per class.
    pub fn trees_per_round(self) -> usize {
        match self {
            Self::Multiclass { classes } => classes as usize,
            Self::Binary | Self::Regression | Self::Quantile { .. } | Self::Huber { .. } => 1,
        }
    }

    /// Turns the raw scores of one row into its prediction, in place: probabilities for classes, values unchanged.
    ///
    /// # Panics
    /// Binary: there are no scores.
    pub fn transform(self, scores: &mut [f64]) {
        match self {
            Self::Binary => scores[0] = arith::sigmoid(scores[0]),
            Self::Multiclass { .. } => arith::softmax(scores),
            Self::Regression | Self::Quantile { .. } | Self::Huber { .. } => {}
        }
    }
}

/// The order in which the leaves of a growing tree are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Growth {
    /// All leaves of a level, down to `max_depth`.
    Level,
    /// The leaf with the greatest gain, until there are `max_leaves` leaves.
    Leaf,
}

/// How trees are combined to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ensemble {
    /// Each tree corrects the sum of the trees before it.
    Boosting,
    /// Random forest: each tree learns the labels on its own, on rows and features drawn for it, and the model is their
    /// mean. Leaves are one Newton step from the base score; the learning rate is not used.
    Forest,
}

/// The hyperparameters of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoostParams {
    /// The loss, and what is predicted.
    pub objective: Objective,
    /// Boosted trees or a random forest.
    pub ensemble: Ensemble,
    /// The order in which leaves are split.
    pub growth: Growth,
    /// Most rounds.
    pub rounds: u32,
    /// Shrinkage of each tree's outputs, above 0; not used by a random forest.
    pub learning_rate: f64,
    /// Most levels of splits per tree: 1 to 20 by level; by leaf up to 1000, where 0 sets no limit.
    pub max_depth: u32,
    /// Most leaves per tree, by leaf only, 2 to 65536.
    pub max_leaves: u32,
    /// Most bins per feature besides the one for missing values, 2 to 255.
    pub max_bin: u32,
    /// L2 regularisation λ of leaf outputs −G/(H + λ), 0 or more.
    pub l2: f64,
    /// Smallest sum of Hessians in a leaf, 0 or more.
    pub min_child_hessian: f64,
    /// Whether the three penalties are shares. `l2` and `min_child_hessian` are then shares of the sum of Hessians of the rows
    /// that a tree draws, at the score before the first tree; `min_split_gain` is one of what a first tree with a leaf per such row
    /// would gain. They mean the same for every objective, weighting and number of rows.
    #[serde(default)]
    pub relative: bool,
    /// Smallest gain of a split, 0 or more: of the sum of G²/(H + λ) over its sides, beyond that of the node.
    pub min_split_gain: f64,
    /// Share of the rows drawn for each tree, above 0, at most 1.
    pub subsample: f64,
    /// Share of the features drawn for each tree, above 0, at most 1.
    pub colsample: f64,
    /// Share of the tree's features drawn for each split, above 0, at most 1.
    pub colsample_node: f64,
    /// Weight of label 1 relative to label 0, binary only.
    pub scale_pos_weight: f64,
    /// One entry per feature: the prediction may only rise (1), may only fall (−1), or may do both (0) with it. Empty: both
    /// for all features.
    pub monotone: Vec<i8>,
    /// Rounds without a better validation loss before training stops; 0 never stops it.
    pub early_stopping: u32,
    /// Fewest rounds that early stopping may choose.
    #[serde(default)]
    pub min_rounds: u32,
    /// Seed of all draws.
    pub seed: u64,
}

impl Default for BoostParams {
    /// Boosting on log loss: 100 rounds at a rate of 0.1, depth 6, 255 bins, L2 1, all rows and features, no early stopping.
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
            relative: false,
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

/// One model to train: rows of the shared table, their labels, and the hyperparameters.
#[derive(Debug, Clone, Default)]
pub struct BoostJob {
    /// Name of the job in errors, progress and results.
    pub name: String,
    /// Rows of the table to train on.
    pub train: Vec<u32>,
    /// Labels of `train`.
    pub train_labels: Vec<f32>,
    /// Weights of `train`, each 0 or more; empty: all equal.
    pub train_weights: Vec<f32>,
    /// Rows of the table whose loss chooses the number of rounds; empty keeps every round.
    pub valid: Vec<u32>,
    /// Labels of `valid`.
    pub valid_labels: Vec<f32>,
    /// Weights of `valid` in the validation loss, each 0 or more; empty: all equal.
    pub valid_weights: Vec<f32>,
    /// The hyperparameters.
    pub params: BoostParams,
}

/// A job and the parameters that it is trained with: its own, or those that a search tries.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    pub job: &'a BoostJob,
    pub params: &'a BoostParams,
}

impl<'a> Task<'a> {
    /// A job, trained with its own parameters.
    pub fn own(job: &'a BoostJob) -> Self {
        Self { job, params: &job.params }
    }
}

/// Why a job was not trained. Every variant names the job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoostError {
    /// There are no training rows.
    #[error("{job}: no training rows")]
    NoRows {
        /// Name of the job.
        job: String,
    },
    /// A label does not suit the objective.
    #[error("{job}: label of row {row} is {value}; {expected}")]
    Label {
        /// Name of the job.
        job: String,
        /// Position among the training rows, and after them the validation rows.
        row: usize,
        /// The label.
        value: String,
        /// What a label of this objective is.
        expected: String,
    },
    /// A weight is negative, infinite or not a number.
    #[error("{job}: weight of row {row} is {value}; a weight is a finite number, 0 or more")]
    Weight {
        /// Name of the job.
        job: String,
        /// Position among the training rows, or among the validation rows.
        row: usize,
        /// The weight.
        value: String,
    },
    /// All training weights, or all validation weights, are 0.
    #[error("{job}: every weight is 0, so there is nothing to learn from; give some rows a weight above 0")]
    NoWeight {
        /// Name of the job.
        job: String,
    },
    /// There are more or fewer labels or weights than rows.
    #[error("{job}: {rows} rows but {found} {what}")]
    Lengths {
        /// Name of the job.
        job: String,
        /// Number of rows.
        rows: usize,
        /// `labels` or `weights`.
        what: &'static str,
        /// Number of labels or weights.
        found: usize,
    },
    /// There are more rows or cells than [`MAX_CELLS`] allows.
    #[error("{job}: {rows} rows × {features} features are more than a job can have ({most} cells); split the job, or train on part of the rows", most = MAX_CELLS)]
    Cells {
        /// Name of the job.
        job: String,
        /// Number of rows.
        rows: usize,
        /// Number of features.
        features: usize,
    },
    /// The monotone constraints do not match the features.
    #[error("{job}: {features} features, but monotone constraints for {constraints}")]
    Monotone {
        /// Name of the job.
        job: String,
        /// Number of features.
        features: usize,
        /// Number of constraints.
        constraints: usize,
    },
    /// A row is not in the table.
    #[error("{job}: row {row} is outside the table of {rows} rows")]
    Row {
        /// Name of the job.
        job: String,
        /// Number of the row.
        row: u32,
        /// Rows of the table.
        rows: usize,
    },
    /// Training was cancelled.
    #[error("{job}: cancelled before training ended")]
    Cancelled {
        /// Name of the job.
        job: String,
    },
    /// A search has nothing to compare configurations by.
    #[error("{job}: no validation rows, and parameters can only be chosen by their validation loss")]
    NoValidation {
        /// Name of the job.
        job: String,
    },
    /// The table has no columns.
    #[error("{job}: the table has no features")]
    NoFeatures {
        /// Name of the job.
        job: String,
    },
    /// A hyperparameter is out of range, or does not suit another one.
    #[error("{job}: {key} is {value}; it must be {expected}")]
    Parameter {
        /// Name of the job.
        job: String,
        /// Name of the parameter, as the command line has it.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
}
