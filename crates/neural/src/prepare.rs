//! What a job's training needs before its first step.

use super::layers;
use super::{Head, NeuralJob, Scaler};
use huracan_base::Table;
use huracan_base::arith::{self, draw};

/// Counters of a job's draws: layers have the numbers below.
const ORDER: u64 = 1 << 32;
const DROPOUT: u64 = 2 << 32;

/// Scalers of the training rows, and labels scaled by them.
pub struct Prepared {
    pub scaler: Scaler,
    /// Mean 0 and scale 1 for binary heads.
    pub label_scaler: Scaler,
    /// `[rows × heads]`.
    pub train_labels: Vec<f32>,
    pub valid_labels: Vec<f32>,
}

impl Prepared {
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

    /// Parameters to begin with: the heads' biases say what the training labels say on the whole.
    pub fn initial(&self, job: &NeuralJob) -> Vec<f32> {
        let (features, heads) = (self.scaler.mean.len(), job.heads.len());
        let mut parameters = layers::initial(job.params.shape, features, heads, job.params.seed);
        let biases = parameters.len() - heads;
        let rows = (self.train_labels.len() / heads) as f64;
        for head in (0..heads).filter(|&head| job.heads[head] == Head::Binary) {
            let ones: f64 = self.train_labels[head..].iter().step_by(heads).map(|&label| f64::from(label)).sum();
            // One row of each more, lest a single class have no logarithm.
            parameters[biases + head] = arith::ln((ones + 1.0) / (rows - ones + 1.0)) as f32;
        }
        parameters
    }
}

/// Steps of one epoch.
pub fn steps_an_epoch(job: &NeuralJob) -> u64 {
    job.train.len().div_ceil(job.params.batch as usize) as u64
}

/// Places of the training rows in the order in which an epoch goes through them.
pub fn order(job: &NeuralJob, epoch: u32) -> Vec<u32> {
    let of = |place: u32| (draw(job.params.seed, ORDER + u64::from(epoch), u64::from(place)), place);
    let mut order: Vec<(u64, u32)> = (0..job.train.len() as u32).map(of).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, place)| place).collect()
}

/// Seed of a step's masks.
pub fn dropout_seed(job: &NeuralJob, step: u64) -> u64 {
    draw(job.params.seed, DROPOUT, step)
}
