//! Prepares the training of a job: scalers, initial parameters, and the draws of each step.

use super::layers;
use super::{Head, NeuralJob, Scaler};
use huracan_base::Table;
use huracan_base::arith::{self, draw};

/// First draw stream of the orders of rows, one per epoch; the streams below it draw the weights of the layers.
const ORDER_STREAM: u64 = 1 << 32;
/// Draw stream of the seeds of dropout masks.
const DROPOUT_STREAM: u64 = 2 << 32;

/// The scalers of the training rows, and the scaled labels.
pub struct Prepared {
    /// Scales the features.
    pub scaler: Scaler,
    /// Scales the labels; mean 0 and scale 1 for binary heads.
    pub label_scaler: Scaler,
    /// Scaled labels of the training rows, `[rows × heads]`.
    pub train_labels: Vec<f32>,
    /// Scaled labels of the validation rows, `[rows × heads]`.
    pub valid_labels: Vec<f32>,
}

impl Prepared {
    /// Scalers and scaled labels of a job that has been checked.
    pub fn of(table: Table<'_>, job: &NeuralJob) -> Self {
        let heads = job.heads.len();
        let mut label_scaler = Scaler::of_labels(&job.train_labels, heads);
        for (head, kind) in job.heads.iter().enumerate() {
            if *kind == Head::Binary {
                (label_scaler.mean[head], label_scaler.scale[head]) = (0.0, 1.0);
            } else if label_scaler.scale[head] == 0.0 {
                label_scaler.scale[head] = 1.0;
            }
        }
        let scaled = |labels: &[f32]| {
            let one =
                |(at, &label): (usize, &f32)| (label - label_scaler.mean[at % heads]) * label_scaler.scale[at % heads];
            labels.iter().enumerate().map(one).collect::<Vec<f32>>()
        };
        let (train_labels, valid_labels) = (scaled(&job.train_labels), scaled(&job.valid_labels));
        Self { scaler: Scaler::of(table, &job.train), label_scaler, train_labels, valid_labels }
    }

    /// Initial parameters. The biases of binary heads are the log odds of the training labels.
    pub fn initial(&self, job: &NeuralJob) -> Vec<f32> {
        let (features, heads) = (self.scaler.mean.len(), job.heads.len());
        let mut parameters = layers::initial_parameters(job.params.shape, features, heads, job.params.seed);
        let biases = parameters.len() - heads;
        let rows = (self.train_labels.len() / heads) as f64;
        for head in (0..heads).filter(|&head| job.heads[head] == Head::Binary) {
            let ones: f64 = self.train_labels[head..].iter().step_by(heads).map(|&label| f64::from(label)).sum();
            // One more row of each class, so that the logarithm is finite if there is only one class.
            parameters[biases + head] = arith::ln((ones + 1.0) / (rows - ones + 1.0)) as f32;
        }
        parameters
    }
}

/// Number of steps per epoch.
pub fn steps_per_epoch(job: &NeuralJob) -> u64 {
    job.train.len().div_ceil(job.params.batch as usize) as u64
}

/// Positions of the training rows in the order of an epoch.
pub fn order(job: &NeuralJob, epoch: u32) -> Vec<u32> {
    let stream = ORDER_STREAM + u64::from(epoch);
    let key = |position: u32| (draw(job.params.seed, stream, u64::from(position)), position);
    let mut order: Vec<(u64, u32)> = (0..job.train.len() as u32).map(key).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, position)| position).collect()
}

/// Seed of the dropout masks of a step.
pub fn dropout_seed(job: &NeuralJob, step: u64) -> u64 {
    draw(job.params.seed, DROPOUT_STREAM, step)
}
