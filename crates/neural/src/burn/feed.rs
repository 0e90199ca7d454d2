//! What goes up to the device: once for a batch of jobs, and for every step.

use ::burn::tensor::backend::Backend;
use ::burn::tensor::{Bool, Int, Tensor, TensorData};
use rayon::prelude::*;

use super::adamw::limits;
use super::member::Member;
use super::rows::FARTHEST;
use crate::dropout::Masks;
use crate::layers::Layer;
use crate::{Head, NeuralJob, prepare};

/// What stays the same from the first to the last step.
pub struct Fixed<B: Backend> {
    /// `[rows × features]`, the first row missing.
    pub table: Tensor<B, 2>,
    /// Of each job's features, `[jobs, 1, features]`.
    pub mean: Tensor<B, 3>,
    pub scale: Tensor<B, 3>,
    /// First rows that may be seen, `[jobs, 1, 1]`.
    pub first: Tensor<B, 3, Int>,
    /// Distances of a window's bars from its last, `[1, 1, bars]`.
    pub bars: Tensor<B, 3, Int>,
    /// Whether a head says a probability, `[1, 1, heads]`.
    pub binary: Tensor<B, 3, Bool>,
    /// Largest norms of the gradients, `[jobs, 1, 1]`.
    pub limits: Tensor<B, 3>,
    /// All masks, `[Masks::COUNT × width]`; none without dropout.
    pub masks: Option<Tensor<B, 2>>,
}

impl<B: Backend> Fixed<B> {
    pub fn upload(table: Tensor<B, 2>, members: &[Member<'_>], job: &NeuralJob, device: &B::Device) -> Self {
        let (count, features) = (members.len(), table.dims()[1]);
        let columns = |of: &dyn Fn(&Member<'_>) -> Vec<f32>| {
            Tensor::from_data(TensorData::new(members.iter().flat_map(of).collect(), [count, 1, features]), device)
        };
        let mean = |member: &Member<'_>| {
            member.prepared.scaler.mean.iter().map(|mean| mean.clamp(-FARTHEST, FARTHEST)).collect()
        };
        let first: Vec<i32> = members.iter().map(Member::first).collect();
        let (bars, heads) = (job.params.shape.window as i32, job.heads.len());
        let distances: Vec<i32> = (1 - bars..=0).collect();
        let binary: Vec<bool> = job.heads.iter().map(|head| *head == Head::Binary).collect();
        let jobs: Vec<&NeuralJob> = members.iter().map(|member| member.job).collect();
        let masks = (job.params.dropout > 0.0).then(|| {
            let width = job.params.shape.width;
            let masks = Masks::new(width, job.params.dropout);
            Tensor::from_data(TensorData::new(masks.values, [Masks::COUNT, width]), device)
        });
        Self {
            table,
            mean: columns(&mean),
            scale: columns(&|member| member.prepared.scaler.scale.clone()),
            first: Tensor::from_data(TensorData::new(first, [count, 1, 1]), device),
            bars: Tensor::from_data(TensorData::new(distances, [1, 1, bars as usize]), device),
            binary: Tensor::from_data(TensorData::new(binary, [1, 1, heads]), device),
            limits: limits(&jobs, device),
            masks,
        }
    }
}

/// One job's part of a step.
pub struct Part<'a> {
    pub member: &'a Member<'a>,
    /// Rows of the table, their labels `[rows × heads]`, and which of them the step sees.
    pub rows: &'a [u32],
    pub labels: &'a [f32],
    pub seen: &'a [u32],
}

/// The rows of one step. Jobs of fewer rows than others are filled up with rows of no weight.
pub struct Feed<B: Backend> {
    /// On the device, `[jobs, rows]`.
    pub places: Tensor<B, 2, Int>,
    /// `[jobs, rows, heads]`.
    pub labels: Tensor<B, 3>,
    /// 1, or 0 for a row that fills up, `[jobs, rows, 1]`.
    pub weights: Tensor<B, 3>,
}

impl<B: Backend> Feed<B> {
    pub fn upload(parts: &[Part<'_>], heads: usize, device: &B::Device) -> Self {
        let (jobs, rows) = (parts.len(), parts.iter().map(|part| part.seen.len()).max().unwrap_or(0).max(1));
        let (mut places, mut weights) = (vec![0; jobs * rows], vec![0.0; jobs * rows]);
        let mut labels = vec![0.0; jobs * rows * heads];
        let of_jobs = (places.par_chunks_mut(rows), weights.par_chunks_mut(rows), labels.par_chunks_mut(rows * heads));
        of_jobs.into_par_iter().zip(parts).for_each(|((places, weights, labels), part)| {
            for (at, &seen) in part.seen.iter().enumerate() {
                let seen = seen as usize;
                places[at] = part.member.row(part.rows[seen]);
                weights[at] = 1.0_f32;
                labels[at * heads..][..heads].copy_from_slice(&part.labels[seen * heads..][..heads]);
            }
        });
        Self {
            places: Tensor::from_data(TensorData::new(places, [jobs, rows]), device),
            labels: Tensor::from_data(TensorData::new(labels, [jobs, rows, heads]), device),
            weights: Tensor::from_data(TensorData::new(weights, [jobs, rows, 1]), device),
        }
    }

    pub fn rows(&self) -> usize {
        self.places.dims()[1]
    }
}

/// The masks of a step for each layer but the heads', `[jobs, rows × bars, outputs]`, where `steps` are those that the jobs
/// have made; none for a job that stands still.
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
