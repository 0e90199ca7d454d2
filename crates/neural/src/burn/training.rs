//! Trains a batch of jobs from its first to its last epoch.

use ::burn::tensor::Tensor;
use ::burn::tensor::backend::{AutodiffBackend, Backend};
use rayon::prelude::*;

use super::adamw::{AdamW, Rates, clip, per_job};
use super::feed::{BatchData, JobRows, StepRows, masks};
use super::graph;
use super::member::BatchJob;
use super::parameters::{Parameters, to_host, upload_indices};
use super::plan::Batch;
use crate::layers::{self, Layer};
use crate::{Network, NeuralError, NeuralJob, Observer, TrainingState};
use huracan_base::Table;

/// The index of a job among all jobs, and its result.
pub type Outcome = (usize, Result<Network, NeuralError>);

/// A batch that is being trained.
pub struct Training<'a, B: AutodiffBackend> {
    device: B::Device,
    features: &'a [String],
    observer: &'a dyn Observer,
    layers: Vec<Layer>,
    batch_jobs: Vec<BatchJob<'a>>,
    data: BatchData<B::InnerBackend>,
    validation: Vec<StepRows<B::InnerBackend>>,
    parameters: Parameters<B::InnerBackend>,
    best: Parameters<B::InnerBackend>,
    optimiser: AdamW<B::InnerBackend>,
    done: Vec<Outcome>,
}

impl<'a, B: AutodiffBackend> Training<'a, B> {
    /// Uploads everything that the jobs of the batch need. None for a batch without jobs.
    pub fn new(
        device: &B::Device,
        table: Table<'_>,
        features: &'a [String],
        jobs: &'a [NeuralJob],
        batch: &Batch,
        observer: &'a dyn Observer,
    ) -> Option<Self> {
        let job = &jobs[*batch.jobs.first()?];
        let (shape, heads) = (job.params.shape, job.heads.len());
        let layers = layers::layers(shape, table.features, heads);
        let count = layers::count(&layers);
        let mut batch_jobs: Vec<BatchJob<'a>> =
            batch.jobs.par_iter().map(|&index| BatchJob::new(table, &jobs[index], index, &batch.rows)).collect();
        let states = batch_jobs.iter_mut().map(|batch_job| {
            let job = batch_job.job;
            let begin = || {
                let values = batch_job.prepared.initial(job);
                [values.clone(), values, vec![0.0; count], vec![0.0; count]]
            };
            observer.resume_from(job).filter(|state| state.fits(count)).map_or_else(begin, |state| {
                batch_job.progress = state.progress;
                [state.parameters, state.best_parameters, state.first_moments, state.second_moments]
            })
        });
        let mut all = [const { Vec::new() }; 4];
        states.for_each(|state| all.iter_mut().zip(state).for_each(|(all, values)| all.push(values)));
        let [parameters, best, first, second] = all.map(|networks| Parameters::upload(&layers, &networks, device));
        let data = BatchData::upload(batch.rows.upload(table, device), &batch_jobs, job, device);
        let validation = validation(&batch_jobs, heads, device);
        let (optimiser, done) = (AdamW { first, second }, Vec::new());
        let device = device.clone();
        Some(Self {
            device,
            features,
            observer,
            layers,
            batch_jobs,
            data,
            validation,
            parameters,
            best,
            optimiser,
            done,
        })
    }

    /// Trains until no job is running.
    pub fn run(mut self) -> Vec<Outcome> {
        loop {
            let running = self.running();
            if running.is_empty() {
                break;
            }
            if self.observer.is_cancelled() {
                for at in running {
                    let job = self.batch_jobs[at].job.name.clone();
                    self.batch_jobs[at].error = Some(NeuralError::Cancelled { job });
                }
                break;
            }
            if 2 * running.len() < self.batch_jobs.len() {
                self.retain(&running);
            }
            let losses = self.epoch();
            self.add_losses(&losses);
        }
        self.retain(&[]);
        self.done
    }

    /// Positions of the running jobs in the batch.
    fn running(&self) -> Vec<usize> {
        (0..self.batch_jobs.len()).filter(|&at| self.batch_jobs[at].is_running()).collect()
    }

    /// Takes the steps of an epoch, in which each job has its own order of rows, and then computes the validation losses.
    /// Returns `[jobs, 2 × heads + 1]`: the loss of each head, summed over the training rows and over the validation rows, and
    /// NaN if a parameter is not finite. Waits for the device.
    fn epoch(&mut self) -> Vec<f32> {
        let orders: Vec<Vec<u32>> = self.batch_jobs.par_iter().map(BatchJob::order).collect();
        let (jobs, heads) = (self.batch_jobs.len(), self.heads());
        let batch = self.batch_jobs.first().map_or(1, |batch_job| batch_job.job.params.batch as usize);
        let steps = orders.iter().map(|order| order.len().div_ceil(batch)).max().unwrap_or(0);
        let mut train = Tensor::zeros([jobs, 1, heads], &self.device);
        for step in 0..steps {
            let seen = |order: &'_ Vec<u32>| step * batch..((step + 1) * batch).min(order.len()).max(step * batch);
            let seen: Vec<&[u32]> = orders.iter().map(|order| order.get(seen(order)).unwrap_or(&[])).collect();
            train = train + self.step(step as u64, &seen);
        }
        let mut valid = Tensor::zeros([jobs, 1, heads], &self.device);
        for step_rows in &self.validation {
            valid = valid + graph::losses(&self.layers, &self.parameters, &self.data, step_rows);
        }
        let fault = self.parameters.fault();
        to_host(Tensor::cat([train, valid].into_iter().chain(fault).collect(), 2))
    }

    /// Takes one step of the jobs that have rows in it. Returns the loss of each head, summed over the rows, `[jobs, 1, heads]`.
    fn step(&mut self, number: u64, seen: &[&[u32]]) -> Tensor<B::InnerBackend, 3> {
        let (device, heads) = (&self.device, self.heads());
        let part = |(batch_job, seen): (&'_ BatchJob<'a>, &&'_ [u32])| {
            (batch_job.job, (!seen.is_empty()).then(|| batch_job.steps() + number))
        };
        let steps: Vec<(&NeuralJob, Option<u64>)> = self.batch_jobs.iter().zip(seen).map(part).collect();
        let parts: Vec<JobRows<'_>> = self
            .batch_jobs
            .iter()
            .zip(seen)
            .map(|(batch_job, seen)| JobRows { batch_job, rows: &batch_job.job.train, labels: &batch_job.labels, seen })
            .collect();
        let step_rows = StepRows::upload(&parts, heads, device);
        let masks = match &self.data.masks {
            Some(all) => masks(all, &self.layers, step_rows.rows(), &steps, device),
            None => Vec::new(),
        };
        let each = seen.iter().map(|seen| 1.0 / (seen.len().max(1) * heads) as f32).collect();
        let each = per_job(each, device);
        let (losses, gradient) =
            graph::gradient::<B>(&self.layers, &self.parameters, &self.data, &step_rows, masks, each);
        let gradient = clip(gradient, &self.data.limits);
        let rates = Rates::upload(&steps, device);
        let nothing = || Parameters(Vec::new());
        let parameters = std::mem::replace(&mut self.parameters, nothing());
        let optimiser = std::mem::replace(&mut self.optimiser, AdamW { first: nothing(), second: nothing() });
        (self.optimiser, self.parameters) = optimiser.step(parameters, gradient, &rates);
        losses
    }

    /// Adds the losses of an epoch, keeps the best parameters, and calls the observer.
    fn add_losses(&mut self, losses: &[f32]) {
        let (jobs, heads) = (self.batch_jobs.len(), self.heads());
        let running = self.running();
        let mut best = vec![false; jobs];
        for &at in &running {
            let losses = &losses[at * (2 * heads + 1)..][..2 * heads + 1];
            best[at] = self.batch_jobs[at].add(&losses[..heads], &losses[heads..2 * heads], losses[2 * heads]);
        }
        if best.iter().any(|&best| best) {
            let best = per_job(best.into_iter().map(|best| f32::from(u8::from(best))).collect(), &self.device)
                .greater_elem(0.5);
            let old = std::mem::replace(&mut self.best, Parameters(Vec::new()));
            let values = old.0.into_iter().zip(&self.parameters.0);
            let newer = values.map(|(old, new)| old.mask_where(best.clone().expand(new.shape()), new.clone()));
            self.best = Parameters(newer.collect());
        }
        for at in running {
            let batch_job = &self.batch_jobs[at];
            if batch_job.error.is_none() {
                self.observer.on_epoch(batch_job.job, &batch_job.progress, &|| self.state(at));
            }
        }
    }

    /// The state from which a job can resume. Waits for the device.
    fn state(&self, at: usize) -> TrainingState {
        let jobs = upload_indices(&[at], &self.device);
        let own = |values: &Parameters<B::InnerBackend>| values.select(&jobs).download(&self.layers).swap_remove(0);
        TrainingState {
            progress: self.batch_jobs[at].progress.clone(),
            parameters: own(&self.parameters),
            best_parameters: own(&self.best),
            first_moments: own(&self.optimiser.first),
            second_moments: own(&self.optimiser.second),
        }
    }

    /// Removes all jobs from the batch except those at the ascending positions `retained`, and records the results of the removed
    /// ones.
    fn retain(&mut self, retained: &[usize]) {
        let gone: Vec<usize> = (0..self.batch_jobs.len()).filter(|at| retained.binary_search(at).is_err()).collect();
        let mut best = match gone.is_empty() {
            true => Vec::new(),
            false => self.best.select(&upload_indices(&gone, &self.device)).download(&self.layers),
        }
        .into_iter();
        let batch_jobs = std::mem::take(&mut self.batch_jobs);
        for (at, batch_job) in batch_jobs.into_iter().enumerate() {
            if retained.binary_search(&at).is_ok() {
                self.batch_jobs.push(batch_job);
            } else {
                let index = batch_job.index;
                self.done.push((index, batch_job.result(self.features, best.next().unwrap_or_default())));
            }
        }
        let Some(first) = self.batch_jobs.first() else { return };
        let jobs = upload_indices(retained, &self.device);
        for values in [&mut self.parameters, &mut self.best, &mut self.optimiser.first, &mut self.optimiser.second] {
            *values = values.select(&jobs);
        }
        self.data = BatchData::upload(self.data.table.clone(), &self.batch_jobs, first.job, &self.device);
        self.validation = validation(&self.batch_jobs, self.heads(), &self.device);
    }

    fn heads(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }
}

/// The validation rows of all jobs, in steps of the batch size.
fn validation<B: Backend>(batch_jobs: &[BatchJob<'_>], heads: usize, device: &B::Device) -> Vec<StepRows<B>> {
    let rows = batch_jobs.iter().map(|batch_job| batch_job.job.valid.len()).max().unwrap_or(0) as u32;
    let batch = batch_jobs.first().map_or(1, |batch_job| batch_job.job.params.batch);
    let one = |from: u32| {
        let seen: Vec<u32> = (from..rows.min(from + batch)).collect();
        let part = |batch_job| {
            let batch_job: &BatchJob<'_> = batch_job;
            let left = (batch_job.job.valid.len() as u32).saturating_sub(from) as usize;
            (batch_job, left.min(seen.len()))
        };
        let parts: Vec<JobRows<'_>> = batch_jobs
            .iter()
            .map(part)
            .map(|(batch_job, count)| JobRows {
                batch_job,
                rows: &batch_job.job.valid,
                labels: &batch_job.prepared.valid_labels,
                seen: &seen[..count],
            })
            .collect();
        StepRows::upload(&parts, heads, device)
    };
    (0..rows).step_by(batch as usize).map(one).collect()
}
