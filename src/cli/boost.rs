//! Arguments of `huracan boost`, and the calls of its commands.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use crate::boost::{BoostParams, Ensemble, Growth, Objective};
use crate::commands::boost::{Columns, ImportanceRequest, LabelKind, Training};
use crate::engine::Compute;
use crate::exit::CommandFailure;
use crate::ui::Ui;

#[derive(Subcommand)]
pub enum Boost {
    /// Train one model, or one per value of a column, all in one batch
    #[command(
        after_help = "Examples:\n  huracan boost train --table rows.parquet --target win --objective binary --out model.txt\n  huracan boost train --table rows.parquet --valid later.parquet --target win --group symbol --objective binary \\\n      --early-stopping 25 --search 30 --out models\n  huracan boost train --table rows.parquet --target edge --objective quantile --alpha 0.4 --growth leaf --out q.txt\n  huracan boost train --table rows.parquet --target win --objective binary --boosting forest --rounds 300 \\\n      --max-depth 12 --subsample 0.6 --colsample-node 0.3 --out forest.txt\n\n--device cuda (or engine.device in the settings) trains all groups and configurations at once on a GPU. The CPU trains\nwhat the kernels do not support. The bits are the same either way."
    )]
    Train(Box<Train>),
    /// Add a model's predictions to a table, and with --contributions the share of each feature in them
    #[command(
        after_help = "Example:\n  huracan boost predict --table new.parquet --model model.txt --out predictions.parquet\n\nOf a .pkl the prediction is calibrated, and tradable_bps and lead say what of it may be traded: a trade needs more than its\ncosts, and a lead that is not against it.\n\n--device (or engine.device in the settings) computes the predictions, the CPU the contributions."
    )]
    Predict(Predict),
    /// Rank a model's features by gain and splits; by SHAP and permutation with a table
    Importance(Importance),
    /// Write a model in the format of another library
    Convert(Convert),
}

#[derive(Args)]
pub struct Train {
    /// Table to train on (.parquet, .feather or .csv); its numeric columns are the features
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// Column to predict
    #[arg(long, value_name = "COL")]
    target: String,
    /// One model per value of this column; OUT is then a folder
    #[arg(long, value_name = "COL")]
    group: Option<String>,
    /// Column with the weight of each row
    #[arg(long, value_name = "COL")]
    weight: Option<String>,
    /// Validation table, which chooses the number of rounds
    #[arg(long, value_name = "FILE")]
    valid: Option<PathBuf>,
    /// What the model predicts, and its loss
    #[arg(long, value_enum)]
    objective: ObjectiveName,
    /// Share of labels below the prediction, for --objective quantile
    #[arg(long, value_name = "X", default_value_t = 0.5)]
    alpha: f64,
    /// Error beyond which the loss is linear, in the target's unit, for --objective huber
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    delta: f64,
    /// Boosted trees, or a random forest
    #[arg(long, value_enum, default_value_t = EnsembleName::Gbdt)]
    boosting: EnsembleName,
    /// Maximum number of rounds
    #[arg(long, value_name = "N", default_value_t = 100)]
    rounds: u32,
    /// Shrinkage of each tree
    #[arg(long, value_name = "X", default_value_t = 0.1)]
    learning_rate: f64,
    /// Split all leaves of a level, or always the leaf with the greatest gain
    #[arg(long, value_enum, default_value_t = GrowthName::Level)]
    growth: GrowthName,
    /// Maximum depth of a tree; with --growth leaf, 0 sets no limit
    #[arg(long, value_name = "N", default_value_t = 6)]
    max_depth: u32,
    /// Maximum number of leaves of a tree, for --growth leaf
    #[arg(long, value_name = "N", default_value_t = 31)]
    max_leaves: u32,
    /// Quantile bins per feature, besides the one for missing values
    #[arg(long, value_name = "N", default_value_t = 255)]
    max_bin: u32,
    /// L2 penalty on leaf values
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    l2: f64,
    /// Minimum sum of Hessians in a leaf
    #[arg(long, value_name = "X", default_value_t = 1e-3)]
    min_child_hessian: f64,
    /// Minimum gain of a split
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    min_split_gain: f64,
    /// Share of rows drawn for each tree
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    subsample: f64,
    /// Share of features drawn for each tree
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    colsample: f64,
    /// Share of the tree's features drawn for each split
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    colsample_node: f64,
    /// Weight of label 1 against label 0, for --objective binary
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    scale_pos_weight: f64,
    /// Features with which the prediction may only rise (1) or fall (-1)
    #[arg(long, value_name = "COL=1,COL=-1", value_delimiter = ',', value_parser = direction)]
    monotone: Vec<(String, i8)>,
    /// Rounds without a better validation loss before training stops; 0 never stops
    #[arg(long, value_name = "N", default_value_t = 0)]
    early_stopping: u32,
    /// Minimum number of rounds that early stopping may choose
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_rounds: u32,
    /// Number of configurations to try by successive halving; the best on the validation table is kept
    #[arg(long, value_name = "N", default_value_t = 0)]
    search: usize,
    /// Seed of every random draw
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// CPU threads; 0 takes every core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Model file (LightGBM text); with --group a folder, or a file whose name ends in .jsonl
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
}

#[derive(Args)]
pub struct Predict {
    /// Table to predict for
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// Model (.txt or .pkl), or with --group a folder of models or a .jsonl
    #[arg(long, value_name = "M")]
    model: PathBuf,
    /// Predict each row with the model of its value in this column
    #[arg(long, value_name = "COL")]
    group: Option<String>,
    /// Head of a .pkl, calibrated [default: its main one]
    #[arg(long, value_name = "NAME", conflicts_with = "group")]
    head: Option<String>,
    /// Also add each feature's share of the raw score: exact SHAP values. Of a .pkl they add up to the log odds of the
    /// prediction, or to the edge in basis points
    #[arg(long)]
    contributions: bool,
    /// Output table: the given one with its predictions
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args)]
pub struct Importance {
    /// Model (.txt or .pkl)
    #[arg(long, value_name = "M")]
    model: PathBuf,
    /// Head of a .pkl [default: its main one]
    #[arg(long, value_name = "NAME")]
    head: Option<String>,
    /// Rows to measure importance on, preferably not those that the model was trained on
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// Column that the model predicts; adds the increase of the loss when a feature is shuffled
    #[arg(long, value_name = "COL", requires = "table")]
    target: Option<String>,
    /// Column with the weight of each row
    #[arg(long, value_name = "COL", requires = "target")]
    weight: Option<String>,
    /// Shuffles per feature
    #[arg(long, value_name = "N", default_value_t = 5)]
    repeats: u32,
    /// Seed of every shuffle
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// Also write the ranking as a table (.csv or .parquet)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
pub struct Convert {
    /// Model (.txt or .pkl)
    #[arg(long, value_name = "M")]
    model: PathBuf,
    /// Head of a .pkl [default: its main one]
    #[arg(long, value_name = "NAME")]
    head: Option<String>,
    /// Output model: .txt is LightGBM's format, .json XGBoost's
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum ObjectiveName {
    /// Log loss on labels 0 and 1
    Binary,
    /// Squared error
    Regression,
    /// Softmax over classes 0, 1, 2, …
    Multiclass,
    /// Pinball loss; see --alpha
    Quantile,
    /// Squared error, linear beyond --delta
    Huber,
}

#[derive(Clone, Copy, ValueEnum)]
enum EnsembleName {
    /// Each tree is fitted to the errors of those before it
    Gbdt,
    /// The mean of independent trees; needs --subsample, --colsample or --colsample-node below 1
    Forest,
}

#[derive(Clone, Copy, ValueEnum)]
enum GrowthName {
    Level,
    Leaf,
}

/// `COL=1` or `COL=-1`.
fn direction(text: &str) -> Result<(String, i8), String> {
    match text.rsplit_once('=') {
        Some((name, "1" | "+1")) => Ok((name.to_owned(), 1)),
        Some((name, "-1")) => Ok((name.to_owned(), -1)),
        _ => Err("give COL=1 or COL=-1".to_owned()),
    }
}

impl Train {
    pub fn run(&self, compute: &Compute, ui: &Ui) -> Result<Value, CommandFailure> {
        let training = Training {
            table: self.table.clone(),
            valid: self.valid.clone(),
            columns: Columns { target: self.target.clone(), group: self.group.clone(), weight: self.weight.clone() },
            labels: match self.objective {
                ObjectiveName::Binary => LabelKind::Fixed(Objective::Binary),
                ObjectiveName::Regression => LabelKind::Fixed(Objective::Regression),
                ObjectiveName::Multiclass => LabelKind::Classes,
                ObjectiveName::Quantile => LabelKind::Fixed(Objective::Quantile { alpha: self.alpha }),
                ObjectiveName::Huber => LabelKind::Fixed(Objective::Huber { delta: self.delta }),
            },
            params: self.params(),
            monotone: self.monotone.clone(),
            search: self.search,
            out: self.out.clone(),
        };
        crate::commands::boost::train(&training, compute, ui)
    }

    fn params(&self) -> BoostParams {
        BoostParams {
            ensemble: match self.boosting {
                EnsembleName::Gbdt => Ensemble::Boosting,
                EnsembleName::Forest => Ensemble::Forest,
            },
            growth: match self.growth {
                GrowthName::Level => Growth::Level,
                GrowthName::Leaf => Growth::Leaf,
            },
            rounds: self.rounds,
            learning_rate: self.learning_rate,
            max_depth: self.max_depth,
            max_leaves: self.max_leaves,
            max_bin: self.max_bin,
            l2: self.l2,
            min_child_hessian: self.min_child_hessian,
            relative: false,
            min_split_gain: self.min_split_gain,
            subsample: self.subsample,
            colsample: self.colsample,
            colsample_node: self.colsample_node,
            scale_pos_weight: self.scale_pos_weight,
            early_stopping: self.early_stopping,
            min_rounds: self.min_rounds,
            seed: self.seed,
            // Both follow from the table, which is read later.
            objective: Objective::Binary,
            monotone: Vec::new(),
        }
    }
}

impl Predict {
    pub fn run(&self, compute: &Compute) -> Result<Value, CommandFailure> {
        let (group, head) = (self.group.as_deref(), self.head.as_deref());
        crate::commands::boost::predict(compute, &self.table, &self.model, group, head, self.contributions, &self.out)
    }
}

impl Importance {
    pub fn run(&self) -> Result<crate::commands::boost::Ranking, CommandFailure> {
        crate::commands::boost::importance(&ImportanceRequest {
            model: self.model.clone(),
            head: self.head.clone(),
            table: self.table.clone(),
            target: self.target.clone(),
            weight: self.weight.clone(),
            repeats: self.repeats,
            seed: self.seed,
            out: self.out.clone(),
        })
    }
}

impl Convert {
    pub fn run(&self) -> Result<Value, CommandFailure> {
        crate::commands::boost::convert(&self.model, self.head.as_deref(), &self.out)
    }
}
