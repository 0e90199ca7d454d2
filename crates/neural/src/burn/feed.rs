//! Uploads to the device: the data of a batch of jobs, and the rows and masks of every step.

use ::burn::tensor::backend::Backend;
use ::burn::tensor::{Bool, Int, Tensor, TensorData};
use rayon::prelude::*;

use super::adamw::limits;
use super::member::BatchJob;
use super::rows::MAX_VALUE;
use crate::dropout::Masks;
use crate::layers::Layer;
use crate::{Head, NeuralJob, prepare};

/// Data of a batch that stays the same from the first to the last step.
pub struct BatchData<B: Backend> {
    /// The rows on the device, `[rows × features]`; all values of the first row are missing.
    pub table: Tensor<B, 2>,
    /// Mean of each job's features, `[jobs, 1, features]`.
    pub mean: Tensor<B, 3>,
    /// Scale of each job's features, `[jobs, 1, features]`.
    pub scale: Tensor<B, 3>,
    /// First row that each job may use, `[jobs, 1, 1]`.
    pub first: Tensor<B, 3, Int>,
    /// Distances of a window's bars from its last bar, `[1, 1, bars]`.
    pub bars: Tensor<B, 3, Int>,
    /// Whether a head predicts a probability, `[1, 1, heads]`.
    pub binary: Tensor<B, 3, Bool>,
    /// The largest norm of each job's gradient, `[jobs, 1, 1]`.
    pub limits: Tensor<B, 3>,
    /// All dropout masks, `[Masks::COUNT × width]`; none without dropout.
    pub masks: Option<Tensor<B, 2>>,
}

impl<B: Backend> BatchData<B> {
    /// Uploads the data of jobs whose tensors have the shapes of `job`.
    pub fn upload(table: Tensor<B, 2>, batch_jobs: &[BatchJob<'_>], job: &NeuralJob, device: &B::Device) -> Self {
        let (count, features) = (batch_jobs.len(), table.dims()[1]);
        let columns = |of: &dyn Fn(&BatchJob<'_>) -> Vec<f32>| {
            Tensor::from_data(TensorData::new(batch_jobs.iter().flat_map(of).collect(), [count, 1, features]), device)
        };
        let mean = |batch_job: &BatchJob<'_>| {
            batch_job.prepared.scaler.mean.iter().map(|mean| mean.clamp(-MAX_VALUE, MAX_VALUE)).collect()
        };
        let first: Vec<i32> = batch_jobs.iter().map(BatchJob::first).collect();
        let (bars, heads) = (job.params.shape.window as i32, job.heads.len());
        let distances: Vec<i32> = (1 - bars..=0).collect();
        let binary: Vec<bool> = job.heads.iter().map(|head| *head == Head::Binary).collect();
        let jobs: Vec<&NeuralJob> = batch_jobs.iter().map(|batch_job| batch_job.job).collect();
        let masks = (job.params.dropout > 0.0).then(|| {
            let width = job.params.shape.width;
            let masks = Masks::new(width, job.params.dropout);
            Tensor::from_data(TensorData::new(masks.values, [Masks::COUNT, width]), device)
        });
        Self {
            table,
            mean: columns(&mean),
            scale: columns(&|batch_job| batch_job.prepared.scaler.scale.clone()),
            first: Tensor::from_data(TensorData::new(first, [count, 1, 1]), device),
            bars: Tensor::from_data(TensorData::new(distances, [1, 1, bars as usize]), device),
            binary: Tensor::from_data(TensorData::new(binary, [1, 1, heads]), device),
            limits: limits(&jobs, device),
            masks,
        }
    }
}

/// The rows of one job in a step.
pub struct JobRows<'a> {
    /// The job.
    pub batch_job: &'a BatchJob<'a>,
    /// Training or validation rows of the table.
    pub rows: &'a [u32],
    /// Their labels, `[rows × heads]`.
    pub labels: &'a [f32],
    /// Indices of the rows that belong to the step.
    pub seen: &'a [u32],
}

/// The rows of one step. Jobs with fewer rows than others are padded with rows of weight 0.
pub struct StepRows<B: Backend> {
    /// Positions of the rows on the device, `[jobs, rows]`.
    pub positions: Tensor<B, 2, Int>,
    /// `[jobs, rows, heads]`.
    pub labels: Tensor<B, 3>,
    /// 1, or 0 for padding, `[jobs, rows, 1]`.
    pub weights: Tensor<B, 3>,
}

impl<B: Backend> StepRows<B> {
    /// Uploads the rows of all jobs, padded to the longest.
    pub fn upload(parts: &[JobRows<'_>], heads: usize, device: &B::Device) -> Self {
        let (jobs, rows) = (parts.len(), parts.iter().map(|part| part.seen.len()).max().unwrap_or(0).max(1));
        let (mut positions, mut weights) = (vec![0; jobs * rows], vec![0.0; jobs * rows]);
        let mut labels = vec![0.0; jobs * rows * heads];
        let of_jobs =
            (positions.par_chunks_mut(rows), weights.par_chunks_mut(rows), labels.par_chunks_mut(rows * heads));
        of_jobs.into_par_iter().zip(parts).for_each(|((positions, weights, labels), part)| {
            for (at, &seen) in part.seen.iter().enumerate() {
                let seen = seen as usize;
                positions[at] = part.batch_job.row(part.rows[seen]);
                weights[at] = 1.0_f32;
                labels[at * heads..][..heads].copy_from_slice(&part.labels[seen * heads..][..heads]);
            }
        });
        Self {
            positions: Tensor::from_data(TensorData::new(positions, [jobs, rows]), device),
            labels: Tensor::from_data(TensorData::new(labels, [jobs, rows, heads]), device),
            weights: Tensor::from_data(TensorData::new(weights, [jobs, rows, 1]), device),
        }
    }

    /// Rows per job, including padding.
    pub fn rows(&self) -> usize {
        self.positions.dims()[1]
    }
}

/// The dropout masks of a step, for each layer except the heads: `[jobs, rows × bars, outputs]`. `steps` are the steps that each
/// job has taken; none for a job that takes no step.
pub fn masks<B: Backend>(
    all: &Tensor<B, 2>,
    layers: &[Layer],
    rows: usize,
    steps: &[(&NeuralJob, Option<u64>)],
    device: &B::Device,
) -> Vec<Tensor<B, 3>> {
    let one = |(number, layer): (usize, &Layer)| {
        let products = rows * layer.bars;
        let mut numbers = vec![0_i32; steps.len() * products];
        numbers.par_chunks_mut(products).zip(steps).for_each(|(numbers, &(job, step))| {
            let Some(step) = step else { return };
            let seed = prepare::dropout_seed(job, step);
            for (row, out) in numbers.iter_mut().enumerate() {
                *out = Masks::number(seed, number, row) as i32;
            }
        });
        let count = numbers.len();
        let numbers = Tensor::from_data(TensorData::new(numbers, [count]), device);
        all.clone().select(0, numbers).reshape([steps.len(), products, layer.outputs])
    };
    let Some((_, hidden)) = layers.split_last() else { return Vec::new() };
    hidden.iter().enumerate().map(one).collect()
}
