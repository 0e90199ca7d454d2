//! Training a batch of jobs: each is one core's from first to last step.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::adamw::{AdamW, clip, one_cycle};
use super::layers::{self, Layer};
use super::loss;
use super::step::{self, Dropout, Workspace};
use super::{Head, Network, NeuralError, NeuralJob, Scaler};
use crate::arith::draw;
use crate::boost::Table;

/// What one epoch came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Mean over rows and heads, with dropout and smoothed labels, while the weights moved.
    pub train_loss: f64,
    /// Mean over the validation rows, of each head; values in standard deviations of the training labels. Empty without
    /// such rows.
    pub validation_losses: Vec<f64>,
}

impl Epoch {
    /// Mean over heads; none without validation rows.
    pub fn validation_loss(&self) -> Option<f64> {
        let losses = &self.validation_losses;
        (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64)
    }
}

/// Networks of `jobs`, in their order. `told` hears of every epoch, from several threads; once `wanted` says no, jobs stop
/// after their epoch at hand.
pub fn train(
    table: Table<'_>,
    features: &[String],
    jobs: &[NeuralJob],
    wanted: &(dyn Fn() -> bool + Sync),
    told: &(dyn Fn(&NeuralJob, &Epoch) + Sync),
) -> Vec<Result<Network, NeuralError>> {
    let one = |work: &mut Workspace, job: &NeuralJob| {
        job.check(table, features)?;
        Training::new(table, job).run(features, work, wanted, told)
    };
    jobs.par_iter().map_init(Workspace::default, one).collect()
}

/// Scaled features of all bars that a job's windows reach, dense.
pub struct Windows {
    values: Vec<f32>,
    features: usize,
    bars: usize,
    /// Row of the table that `values` begins with, which may lie before row 0.
    from: i64,
}

impl Windows {
    /// Of windows of `bars` that end with `rows`; what lies before row `first` counts as missing.
    pub fn of(table: Table<'_>, scaler: &Scaler, bars: usize, first: u32, rows: &[u32]) -> Self {
        let features = table.features;
        let (least, most) = rows.iter().fold((u32::MAX, 0), |(least, most), &row| (least.min(row), most.max(row)));
        let from = i64::from(least) - (bars as i64 - 1);
        let length = if rows.is_empty() { 0 } else { (i64::from(most) + 1 - from) as usize };
        let mut values = vec![0.0; length * features];
        let missing = (i64::from(first) - from).clamp(0, length as i64) as usize;
        for (bar, out) in values.chunks_exact_mut(features).enumerate().skip(missing) {
            let row = (from + bar as i64) as usize;
            scaler.apply(&table.values[row * features..][..features], out);
        }
        Self { values, features, bars, from }
    }

    /// The windows of some of the rows, `[rows × bars × features]`.
    pub fn gather(&self, rows: &[u32], out: &mut Vec<f32>) {
        out.clear();
        for &row in rows {
            let end = (i64::from(row) + 1 - self.from) as usize;
            out.extend_from_slice(&self.values[(end - self.bars) * self.features..end * self.features]);
        }
    }
}

struct Training<'a> {
    job: &'a NeuralJob,
    layers: Vec<Layer>,
    scaler: Scaler,
    label_scaler: Scaler,
    train_labels: Vec<f32>,
    valid_labels: Vec<f32>,
    windows: Windows,
    parameters: Vec<f32>,
    optimiser: AdamW,
    step: u64,
}

impl<'a> Training<'a> {
    fn new(table: Table<'_>, job: &'a NeuralJob) -> Self {
        let (shape, heads) = (job.params.shape, job.heads.len());
        let layers = layers::layers(shape, table.features, heads);
        let scaler = Scaler::of(table, &job.train);
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
        let rows: Vec<u32> = job.train.iter().chain(&job.valid).copied().collect();
        let windows = Windows::of(table, &scaler, shape.window, job.rows.start, &rows);
        let parameters = layers::initial(shape, table.features, heads, job.params.seed);
        let optimiser = AdamW::new(parameters.len(), job.params.weight_decay);
        Self { job, layers, scaler, label_scaler, train_labels, valid_labels, windows, parameters, optimiser, step: 0 }
    }

    fn run(
        mut self,
        features: &[String],
        work: &mut Workspace,
        wanted: &(dyn Fn() -> bool + Sync),
        told: &(dyn Fn(&NeuralJob, &Epoch) + Sync),
    ) -> Result<Network, NeuralError> {
        let params = &self.job.params;
        let mut epochs: Vec<Epoch> = Vec::new();
        let (mut best, mut best_epoch, mut least) = (self.parameters.clone(), 0, f64::INFINITY);
        for number in 0..params.epochs {
            if !wanted() {
                return Err(NeuralError::Stopped { job: self.job.name.clone() });
            }
            let train_loss = self.epoch(number, work);
            let epoch = Epoch { train_loss, validation_losses: self.validate(work) };
            let loss = epoch.validation_loss().unwrap_or(train_loss);
            if !loss.is_finite() || !train_loss.is_finite() {
                return Err(NeuralError::Diverged { job: self.job.name.clone(), epoch: number });
            }
            told(self.job, &epoch);
            if loss < least {
                (best_epoch, least) = (epochs.len(), loss);
                best.copy_from_slice(&self.parameters);
            }
            epochs.push(epoch);
            if params.patience > 0 && epochs.len() - 1 - best_epoch >= params.patience as usize {
                break;
            }
        }
        Ok(Network {
            shape: params.shape,
            heads: self.job.heads.clone(),
            features: features.to_vec(),
            scaler: self.scaler,
            label_scaler: self.label_scaler,
            parameters: best,
            epochs,
            best_epoch,
        })
    }

    /// Goes once through the training rows, in an order of its own; mean loss over rows and heads.
    fn epoch(&mut self, number: u32, work: &mut Workspace) -> f64 {
        let (job, heads) = (self.job, self.job.heads.len());
        let params = &job.params;
        let order = shuffled(job.train.len(), params.seed, number);
        let steps_an_epoch = order.len().div_ceil(params.batch as usize) as u64;
        let steps = u64::from(params.epochs) * steps_an_epoch;
        let mut losses = vec![0.0; heads];
        let mut rows = Vec::with_capacity(params.batch as usize);
        for places in order.chunks(params.batch as usize) {
            rows.clear();
            rows.extend(places.iter().map(|&place| job.train[place as usize]));
            self.windows.gather(&rows, &mut work.inputs);
            work.labels.clear();
            for &place in places {
                work.labels.extend_from_slice(&self.train_labels[place as usize * heads..][..heads]);
            }
            let dropout = (params.dropout > 0.0)
                .then(|| Dropout { share: params.dropout, seed: draw(params.seed, DROPOUT, self.step) });
            step::forward(&self.layers, &self.parameters, work, rows.len(), dropout);
            let smoothing = params.label_smoothing as f32;
            step::backward(&self.layers, &job.heads, &self.parameters, work, rows.len(), smoothing, &mut losses);
            let gradient = &mut work.gradient[..self.parameters.len()];
            clip(gradient, params.clip_norm);
            let rate = one_cycle(params.learning_rate, self.step, steps);
            self.optimiser.step(&self.layers, &mut self.parameters, gradient, rate);
            self.step += 1;
        }
        losses.iter().sum::<f64>() / (order.len() * heads) as f64
    }

    /// Mean loss of each head over the validation rows.
    fn validate(&self, work: &mut Workspace) -> Vec<f64> {
        let (job, heads) = (self.job, self.job.heads.len());
        if job.valid.is_empty() {
            return Vec::new();
        }
        let batch = job.params.batch as usize;
        let mut losses = vec![0.0; heads];
        for (rows, labels) in job.valid.chunks(batch).zip(self.valid_labels.chunks(batch * heads)) {
            self.windows.gather(rows, &mut work.inputs);
            let scores = step::forward(&self.layers, &self.parameters, work, rows.len(), None);
            loss::losses(&job.heads, scores, labels, &mut losses);
        }
        losses.iter().map(|loss| loss / job.valid.len() as f64).collect()
    }
}

/// Counters of a job's draws: layers have the numbers below.
const ORDER: u64 = 1 << 32;
const DROPOUT: u64 = 2 << 32;

/// The numbers below `count`, in an order of the seed and epoch.
fn shuffled(count: usize, seed: u64, epoch: u32) -> Vec<u32> {
    let mut order: Vec<(u64, u32)> =
        (0..count as u32).map(|i| (draw(seed, ORDER + u64::from(epoch), u64::from(i)), i)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, i)| i).collect()
}
