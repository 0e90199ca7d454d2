//! The networks of a batch that are to be trained, and their hyperparameters.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{NeuralError, Shape};
use huracan_base::Table;

/// What an output of a network learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Head {
    /// Log loss on labels 0 and 1; predicts a probability.
    Binary,
    /// Squared error; predicts the mean, in the unit of the label.
    Value,
}

/// The architecture and hyperparameters of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NeuralParams {
    /// The architecture.
    pub shape: Shape,
    /// Most epochs, 1 to 100000.
    pub epochs: u32,
    /// Rows per step, 1 to 65536.
    pub batch: u32,
    /// Peak of the one-cycle learning rate (Smith 2018): linear up for three tenths of the steps, then linear down.
    pub learning_rate: f64,
    /// Decoupled decay of the weights, not of the biases (Loshchilov and Hutter 2019).
    pub weight_decay: f64,
    /// Share of a layer's outputs that a step drops.
    pub dropout: f64,
    /// Label smoothing s: labels 0 and 1 become s/2 and 1 − s/2.
    pub label_smoothing: f64,
    /// Largest norm of a step's gradient; longer gradients are shortened to it. 0 sets no limit.
    pub clip_norm: f64,
    /// Epochs without a better validation loss after which training stops; 0 never stops it.
    pub patience: u32,
    /// Seed of the initial weights, the order of rows, and dropout.
    pub seed: u64,
}

impl Default for NeuralParams {
    fn default() -> Self {
        Self {
            shape: Shape::default(),
            epochs: 20,
            batch: 256,
            learning_rate: 3e-3,
            weight_decay: 1e-2,
            dropout: 0.1,
            label_smoothing: 0.05,
            clip_norm: 1.0,
            patience: 5,
            seed: 0,
        }
    }
}

/// One network to train.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NeuralJob {
    /// Name of the job in errors and progress.
    pub name: String,
    /// Rows of the table that belong to the job's symbol, in the order of time: no window reaches beyond them.
    pub rows: Range<u32>,
    /// Rows to train on.
    pub train: Vec<u32>,
    /// Labels of `train`, `[rows × heads]`.
    pub train_labels: Vec<f32>,
    /// Rows whose loss decides when to stop; they come after the training rows.
    pub valid: Vec<u32>,
    /// Labels of `valid`, `[rows × heads]`.
    pub valid_labels: Vec<f32>,
    /// The outputs.
    pub heads: Vec<Head>,
    /// Architecture and hyperparameters.
    pub params: NeuralParams,
}

impl NeuralJob {
    /// Checks whether the job can be trained on `table`, whose columns have these names.
    ///
    /// # Errors
    /// The first fault: a hyperparameter out of range, names that do not match the features, missing rows, a row outside the
    /// job's rows, or labels that are missing or not allowed.
    pub fn check(&self, table: Table<'_>, names: &[String]) -> Result<(), NeuralError> {
        self.check_params()?;
        let (rows, features, names) = (table.rows() as u32, table.features, names.len());
        let job = || self.name.clone();
        if names != features || features == 0 {
            return Err(NeuralError::Features { job: job(), names, features });
        }
        if self.train.is_empty() {
            return Err(NeuralError::NoRows { job: job() });
        }
        if self.valid.is_empty() && self.params.patience > 0 {
            return Err(NeuralError::NoValidation { job: job() });
        }
        let (from, to) = (self.rows.start.min(rows), self.rows.end.min(rows));
        for (rows, labels) in [(&self.train, &self.train_labels), (&self.valid, &self.valid_labels)] {
            if let Some(&row) = rows.iter().find(|&&row| row < from || row >= to) {
                return Err(NeuralError::Row { job: job(), row, from, to });
            }
            let heads = self.heads.len();
            if labels.len() != rows.len() * heads {
                return Err(NeuralError::Labels { job: job(), labels: labels.len(), rows: rows.len(), heads });
            }
            for (at, &value) in labels.iter().enumerate() {
                let expected = match self.heads[at % heads] {
                    Head::Binary if value == 0.0 || value == 1.0 => continue,
                    Head::Value if value.is_finite() => continue,
                    Head::Binary => "give 0 or 1",
                    Head::Value => "give a finite number",
                };
                return Err(NeuralError::Label { job: job(), row: rows[at / heads], value, expected });
            }
        }
        Ok(())
    }

    fn check_params(&self) -> Result<(), NeuralError> {
        let p = &self.params;
        let wrong = |key: &'static str, value: String, expected: &'static str| {
            Err(NeuralError::Parameter { job: self.name.clone(), key, value, expected })
        };
        if self.heads.is_empty() {
            return wrong("heads", "none".into(), "give at least one");
        }
        if let Err((key, value, expected)) = p.shape.check() {
            return wrong(key, value.to_string(), expected);
        }
        if !(1..=100_000).contains(&p.epochs) {
            return wrong("epochs", p.epochs.to_string(), "give 1 to 100000");
        }
        if !(1..=65_536).contains(&p.batch) {
            return wrong("batch", p.batch.to_string(), "give 1 to 65536");
        }
        let share = |value: f64| (0.0..1.0).contains(&value);
        if !(p.learning_rate > 0.0 && p.learning_rate <= 1.0) {
            return wrong("learning_rate", p.learning_rate.to_string(), "give a rate above 0, up to 1");
        }
        if !share(p.weight_decay) {
            return wrong("weight_decay", p.weight_decay.to_string(), "give 0 up to, not including, 1");
        }
        if !share(p.dropout) {
            return wrong("dropout", p.dropout.to_string(), "give 0 up to, not including, 1");
        }
        if !share(p.label_smoothing) {
            return wrong("label_smoothing", p.label_smoothing.to_string(), "give 0 up to, not including, 1");
        }
        if !(p.clip_norm >= 0.0 && p.clip_norm.is_finite()) {
            return wrong("clip_norm", p.clip_norm.to_string(), "give 0 or a positive number");
        }
        Ok(())
    }
}
