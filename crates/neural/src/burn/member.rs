//! A job of a batch: the part of its training that stays on the host.

use super::rows::RowRanges;
use crate::prepare::{self, Prepared};
use crate::{Epoch, Head, Network, NeuralError, NeuralJob, Progress};
use huracan_base::Table;

/// A job that is trained together with others.
pub struct BatchJob<'a> {
    /// The job.
    pub job: &'a NeuralJob,
    /// Its index among all jobs.
    pub index: usize,
    /// Scalers and scaled labels.
    pub prepared: Prepared,
    /// Smoothed training labels, `[rows × heads]`.
    pub labels: Vec<f32>,
    /// The epochs so far.
    pub progress: Progress,
    /// Why it failed, if it did.
    pub error: Option<NeuralError>,
    /// The first row that its windows reach, in the table and on the device.
    from: (u32, i32),
}

impl<'a> BatchJob<'a> {
    /// A job that has been checked, of a batch with these rows on the device.
    pub fn new(table: Table<'_>, job: &'a NeuralJob, index: usize, rows: &RowRanges) -> Self {
        let prepared = Prepared::of(table, job);
        let smoothing = job.params.label_smoothing as f32;
        let smoothed = |(at, &label): (usize, &f32)| match job.heads[at % job.heads.len()] {
            Head::Binary => label * (1.0 - smoothing) + 0.5 * smoothing,
            Head::Value => label,
        };
        let labels = prepared.train_labels.iter().enumerate().map(smoothed).collect();
        let first = RowRanges::reached(job).start;
        let from = (first, rows.position(first));
        Self { job, index, prepared, labels, progress: Progress::default(), error: None, from }
    }

    /// Whether another epoch follows.
    pub fn is_running(&self) -> bool {
        self.error.is_none() && !self.progress.has_ended(self.job)
    }

    /// Position on the device of the first row that its windows reach.
    pub fn first(&self) -> i32 {
        self.from.1
    }

    /// Position of a row on the device.
    pub fn row(&self, row: u32) -> i32 {
        self.from.1 + (row - self.from.0) as i32
    }

    /// Positions of the training rows in the order of its next epoch; none if it is not running.
    pub fn order(&self) -> Vec<u32> {
        if self.is_running() { prepare::order(self.job, self.progress.epochs.len() as u32) } else { Vec::new() }
    }

    /// Steps taken before the current epoch.
    pub fn steps(&self) -> u64 {
        self.progress.epochs.len() as u64 * prepare::steps_per_epoch(self.job)
    }

    /// Adds the losses of an epoch, per head and summed over rows. Returns whether the epoch is the best one. `fault` is NaN if
    /// a parameter is not finite, otherwise 0.
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

    /// The result of the job, given the parameters of its best epoch.
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
