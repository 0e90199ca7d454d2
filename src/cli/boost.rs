//! Arguments of `huracan boost`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use huracan::boost::{BoostParams, Objective};
use huracan::commands::boost::{Columns, Learns};

#[derive(Subcommand)]
pub enum Boost {
    /// Train one model, or one for each value of a column in one batch
    Train(Train),
    /// Add a model's predictions to a table
    Predict(Predict),
}

#[derive(Args)]
pub struct Train {
    /// Table to learn from (.parquet, .feather or .csv); its numeric columns are the features
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// Column to predict
    #[arg(long, value_name = "COL")]
    target: String,
    /// One model for every value of this column; OUT is then a folder
    #[arg(long, value_name = "COL")]
    group: Option<String>,
    /// Table that chooses the number of rounds
    #[arg(long, value_name = "FILE")]
    valid: Option<PathBuf>,
    #[arg(long, value_enum)]
    objective: ObjectiveName,
    /// Most rounds
    #[arg(long, value_name = "N", default_value_t = 100)]
    rounds: u32,
    /// Shrinkage of each tree
    #[arg(long, value_name = "X", default_value_t = 0.1)]
    learning_rate: f64,
    /// Levels of a tree
    #[arg(long, value_name = "N", default_value_t = 6)]
    max_depth: u32,
    /// Quantile bins a feature, missing apart
    #[arg(long, value_name = "N", default_value_t = 255)]
    max_bin: u32,
    /// L2 penalty on leaf values
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    l2: f64,
    /// Least sum of Hessians in a leaf
    #[arg(long, value_name = "X", default_value_t = 1e-3)]
    min_child_hessian: f64,
    /// Least gain of a split
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    min_split_gain: f64,
    /// Share of rows drawn for each tree
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    subsample: f64,
    /// Share of features drawn for each tree
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    colsample: f64,
    /// Rounds without a better validation loss before stopping; 0 never stops
    #[arg(long, value_name = "N", default_value_t = 0)]
    early_stopping: u32,
    /// Of every random draw
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// CPU threads; 0 takes every core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Model file (LightGBM text), or a folder with --group
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
}

#[derive(Args)]
pub struct Predict {
    /// Table to predict for
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// Model (.txt or .pkl), or a folder of models with --group
    #[arg(long, value_name = "M")]
    model: PathBuf,
    /// Predict each row by the model of its value in this column
    #[arg(long, value_name = "COL")]
    group: Option<String>,
    /// Where the table with its predictions goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum ObjectiveName {
    Binary,
    Regression,
    Multiclass,
}

impl Train {
    pub fn run(&self) -> Result<serde_json::Value, huracan::exit::Failure> {
        let learns = match self.objective {
            ObjectiveName::Binary => Learns::Binary,
            ObjectiveName::Regression => Learns::Regression,
            ObjectiveName::Multiclass => Learns::Multiclass,
        };
        let params = BoostParams {
            objective: Objective::Binary,
            rounds: self.rounds,
            learning_rate: self.learning_rate,
            max_depth: self.max_depth,
            max_bin: self.max_bin,
            l2: self.l2,
            min_child_hessian: self.min_child_hessian,
            min_split_gain: self.min_split_gain,
            subsample: self.subsample,
            colsample: self.colsample,
            early_stopping: self.early_stopping,
            seed: self.seed,
            ..BoostParams::default()
        };
        let columns = Columns { target: self.target.clone(), group: self.group.clone() };
        huracan::commands::boost::train(&self.table, self.valid.as_deref(), &columns, learns, &params, &self.out)
    }
}

impl Predict {
    pub fn run(&self) -> Result<serde_json::Value, huracan::exit::Failure> {
        huracan::commands::boost::predict(&self.table, &self.model, self.group.as_deref(), &self.out)
    }
}
