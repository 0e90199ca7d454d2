//! A job among those that are trained together: what of it stays on the host.

use super::rows::Rows;
use crate::prepare::{self, Prepared};
use crate::{Epoch, Head, Network, NeuralError, NeuralJob, Progress};
use huracan_base::Table;

pub struct Member<'a> {
    pub job: &'a NeuralJob,
    /// Among all jobs.
    pub place: usize,
    pub prepared: Prepared,
    /// Training labels, smoothed, `[rows × heads]`.
    pub labels: Vec<f32>,
    pub progress: Progress,
    /// Why it does not go on.
    pub error: Option<NeuralError>,
    /// Where the first row that its windows reach lies in the table and on the device.
    from: (u32, i32),
}

impl<'a> Member<'a> {
    pub fn new(table: Table<'_>, job: &'a NeuralJob, place: usize, rows: &Rows) -> Self {
        let prepared = Prepared::of(table, job);
        let smoothing = job.params.label_smoothing as f32;
        let smoothed = |(at, &label): (usize, &f32)| match job.heads[at % job.heads.len()] {
            Head::Binary => label * (1.0 - smoothing) + 0.5 * smoothing,
            Head::Value => label,
        };
        let labels = prepared.train_labels.iter().enumerate().map(smoothed).collect();
        let first = Rows::reached(job).start;
        let from = (first, rows.place(first));
        Self { job, place, prepared, labels, progress: Progress::default(), error: None, from }
    }

    /// Whether a further epoch follows.
    pub fn goes_on(&self) -> bool {
        self.error.is_none() && !self.progress.has_ended(self.job)
    }

    /// Where the first row that its windows reach lies on the device.
    pub fn first(&self) -> i32 {
        self.from.1
    }

    /// Where a row lies on the device.
    pub fn row(&self, row: u32) -> i32 {
        self.from.1 + (row - self.from.0) as i32
    }

    /// Places of the training rows in the order of its next epoch; none of a job that does not go on.
    pub fn order(&self) -> Vec<u32> {
        if self.goes_on() { prepare::order(self.job, self.progress.epochs.len() as u32) } else { Vec::new() }
    }

    /// Steps that were made before the epoch.
    pub fn steps(&self) -> u64 {
        self.progress.epochs.len() as u64 * prepare::steps_an_epoch(self.job)
    }

    /// Takes in an epoch's losses, each head's summed over rows, and says whether it is the best one. `fault` is no
    /// number where a parameter is none, and else 0.
    pub fn add(&mut self, train: &[f32], valid: &[f32], fault: f32) -> bool {
        let total: f64 = train.iter().map(|&loss| f64::from(loss)).sum();
        let rows = self.job.valid.len() as f64;
        let mut validation_losses: Vec<f64> = valid.iter().map(|&loss| f64::from(loss) / rows).collect();
        if self.job.valid.is_empty() {
            validation_losses.clear();
        }
        let train_loss = total / (self.job.train.len() * train.len()) as f64 + f64::from(fault);
        self.progress.add(self.job, Epoch { train_loss, validation_losses }).unwrap_or_else(|error| {
            self.error = Some(error);
            false
        })
    }

    /// What has come of the job, with the parameters of its best epoch.
    pub fn result(self, features: &[String], parameters: Vec<f32>) -> Result<Network, NeuralError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(Network {
                shape: self.job.params.shape,
                heads: self.job.heads.clone(),
                features: features.to_vec(),
                scaler: self.prepared.scaler,
                label_scaler: self.prepared.label_scaler,
                parameters,
                progress: self.progress,
            }),
        }
    }
}
