//! A problem that several programs train. All of them read its rows, labels and settings from one folder:
//!
//! problem.json   [`Problem`]
//! values.f32     features, `[rows × features]`, row-major, little-endian; NaN marks a missing value
//! labels.f32     one label per row

use std::error::Error;
use std::fs;
use std::ops::Range;
use std::path::Path;

use huracan::boost::{
    BoostError, BoostJob, BoostParams, Forest, Objective, PredictJob, Table, mean_loss, raw_scores, train,
};
use serde::{Deserialize, Serialize};

/// What is learned, and the settings that all programs share.
#[derive(Serialize, Deserialize)]
pub struct Problem {
    pub name: String,
    pub objective: Objective,
    pub features: usize,
    pub rounds: u32,
    pub learning_rate: f64,
    pub depth: u32,
    pub max_bin: u32,
    pub l2: f64,
    pub min_child_hessian: f64,
    /// Share of rows per tree.
    pub subsample: f64,
    /// Whether the validation rows are scored, and their loss computed, after every round. All rounds are trained all the same.
    pub watched: bool,
    pub models: Vec<Model>,
}

/// The training and validation rows of one model. The latter may be empty.
#[derive(Serialize, Deserialize)]
pub struct Model {
    /// The table that it belongs to. The models of one table are its splits.
    pub table: String,
    pub train: Range<usize>,
    pub valid: Range<usize>,
}

/// A problem with its rows.
pub struct Data {
    pub problem: Problem,
    pub values: Vec<f32>,
    pub labels: Vec<f32>,
}

impl Data {
    pub fn write(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        let bytes = |numbers: &[f32]| numbers.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        fs::create_dir_all(folder)?;
        fs::write(folder.join("values.f32"), bytes(&self.values))?;
        fs::write(folder.join("labels.f32"), bytes(&self.labels))?;
        fs::write(folder.join("problem.json"), serde_json::to_vec(&self.problem)?)?;
        Ok(())
    }

    pub fn read(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))
        };
        let floats = |bytes: Vec<u8>| bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect();
        Ok(Self {
            problem: serde_json::from_slice(&read("problem.json")?)?,
            values: floats(read("values.f32")?),
            labels: floats(read("labels.f32")?),
        })
    }

    pub fn table(&self) -> Table<'_> {
        Table { values: &self.values, features: self.problem.features }
    }

    pub fn feature_names(&self) -> Vec<String> {
        (0..self.problem.features).map(|feature| format!("feature_{feature}")).collect()
    }

    /// The job of one model. Every program trains all rounds, and does nothing else unless the problem is watched.
    pub fn job(&self, model: &Model) -> BoostJob {
        let problem = &self.problem;
        let valid = if problem.watched { model.valid.clone() } else { 0..0 };
        BoostJob {
            name: format!("{} rows {}..{}", model.table, model.train.start, model.train.end),
            train: model.train.clone().map(|row| row as u32).collect(),
            train_labels: self.labels[model.train.clone()].to_vec(),
            valid_labels: self.labels[valid.clone()].to_vec(),
            valid: valid.map(|row| row as u32).collect(),
            params: BoostParams {
                objective: problem.objective,
                rounds: problem.rounds,
                learning_rate: problem.learning_rate,
                max_depth: problem.depth,
                max_bin: problem.max_bin,
                l2: problem.l2,
                min_child_hessian: problem.min_child_hessian,
                subsample: problem.subsample,
                ..BoostParams::default()
            },
            ..BoostJob::default()
        }
    }

    /// Trains every model and returns their validation losses.
    pub fn losses(&self) -> Result<Vec<f64>, BoostError> {
        let jobs: Vec<BoostJob> = self.problem.models.iter().map(|model| self.job(model)).collect();
        let forests = train(self.table(), &self.feature_names(), &jobs, &|_| ());
        self.problem.models.iter().zip(forests).map(|(model, forest)| Ok(self.loss(model, &forest?))).collect()
    }

    /// The mean loss of a trained model on its validation rows; NaN if it has none.
    pub fn loss(&self, model: &Model, forest: &Forest) -> f64 {
        let rows: Vec<u32> = model.valid.clone().map(|row| row as u32).collect();
        let scores = &raw_scores(self.table(), &[PredictJob { forest, rows: &rows }])[0];
        mean_loss(self.problem.objective, scores, &self.labels[model.valid.clone()], &[], &mut Vec::new())
    }
}
