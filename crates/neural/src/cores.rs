//! Training on the CPU: one core trains a job from its first to its last step.

use rayon::prelude::*;

use super::adamw::{AdamW, clip, one_cycle};
use super::layers::{self, Layer};
use super::loss;
use super::prepare::{self, Prepared};
use super::progress::{Epoch, Observer, Progress, TrainingState};
use super::step::{self, Workspace};
use super::windows::Windows;
use super::{Network, NeuralError, NeuralJob};
use huracan_base::Table;

/// Trains `jobs`; the results are in the same order.
pub fn train(
    table: Table<'_>,
    features: &[String],
    jobs: &[NeuralJob],
    observer: &dyn Observer,
) -> Vec<Result<Network, NeuralError>> {
    let one = |work: &mut Workspace, job: &NeuralJob| {
        job.check(table, features)?;
        Training::new(table, job, observer.resume_from(job)).run(features, work, observer)
    };
    jobs.par_iter().map_init(Workspace::default, one).collect()
}

/// A network that is being trained.
struct Training<'a> {
    job: &'a NeuralJob,
    layers: Vec<Layer>,
    prepared: Prepared,
    windows: Windows,
    progress: Progress,
    parameters: Vec<f32>,
    /// The parameters after the best epoch.
    best: Vec<f32>,
    optimiser: AdamW,
    /// Steps taken so far.
    step: u64,
}

impl<'a> Training<'a> {
    fn new(table: Table<'_>, job: &'a NeuralJob, state: Option<TrainingState>) -> Self {
        let (shape, heads) = (job.params.shape, job.heads.len());
        let layers = layers::layers(shape, table.features, heads);
        let prepared = Prepared::of(table, job);
        let rows: Vec<u32> = job.train.iter().chain(&job.valid).copied().collect();
        let windows = Windows::of(table, &prepared.scaler, shape.window, job.rows.start, &rows);
        let count = layers::count(&layers);
        let (progress, parameters, best, moments) = match state.filter(|state| state.fits(count)) {
            Some(state) => {
                let moments = (state.first_moments, state.second_moments);
                (state.progress, state.parameters, state.best_parameters, moments)
            }
            None => {
                let initial = prepared.initial(job);
                (Progress::default(), initial.clone(), initial, (vec![0.0; count], vec![0.0; count]))
            }
        };
        let step = progress.epochs.len() as u64 * prepare::steps_per_epoch(job);
        let optimiser = AdamW::new(moments, step, job.params.weight_decay);
        Self { job, layers, prepared, windows, progress, parameters, best, optimiser, step }
    }

    fn run(
        mut self,
        features: &[String],
        work: &mut Workspace,
        observer: &dyn Observer,
    ) -> Result<Network, NeuralError> {
        let job = self.job;
        while !self.progress.has_ended(job) {
            if observer.is_cancelled() {
                return Err(NeuralError::Cancelled { job: job.name.clone() });
            }
            let train_loss = self.epoch(self.progress.epochs.len() as u32, work);
            let epoch = Epoch { train_loss, validation_losses: self.validate(work) };
            if self.progress.add(job, epoch)? {
                self.best.copy_from_slice(&self.parameters);
            }
            observer.on_epoch(job, &self.progress, &|| self.state());
        }
        Ok(Network {
            shape: job.params.shape,
            heads: job.heads.clone(),
            features: features.to_vec(),
            scaler: self.prepared.scaler,
            label_scaler: self.prepared.label_scaler,
            parameters: self.best,
            progress: self.progress,
        })
    }

    fn state(&self) -> TrainingState {
        let (first, second) = self.optimiser.moments();
        TrainingState {
            progress: self.progress.clone(),
            parameters: self.parameters.clone(),
            best_parameters: self.best.clone(),
            first_moments: first.to_vec(),
            second_moments: second.to_vec(),
        }
    }

    /// Takes the steps of an epoch, which has its own order of rows. Returns the mean loss over rows and heads.
    fn epoch(&mut self, number: u32, work: &mut Workspace) -> f64 {
        let (job, heads) = (self.job, self.job.heads.len());
        let params = &job.params;
        let order = prepare::order(job, number);
        let steps = u64::from(params.epochs) * prepare::steps_per_epoch(job);
        let mut losses = vec![0.0; heads];
        let mut rows = Vec::with_capacity(params.batch as usize);
        for positions in order.chunks(params.batch as usize) {
            rows.clear();
            rows.extend(positions.iter().map(|&position| job.train[position as usize]));
            self.windows.gather(&rows, &mut work.inputs);
            work.labels.clear();
            for &position in positions {
                work.labels.extend_from_slice(&self.prepared.train_labels[position as usize * heads..][..heads]);
            }
            let seed = (params.dropout > 0.0).then(|| prepare::dropout_seed(job, self.step));
            let dropout = seed.map(|seed| (params.dropout, seed));
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

    /// Mean loss of each head over the validation rows; empty if there are none.
    fn validate(&self, work: &mut Workspace) -> Vec<f64> {
        let (job, heads) = (self.job, self.job.heads.len());
        if job.valid.is_empty() {
            return Vec::new();
        }
        let batch = job.params.batch as usize;
        let mut losses = vec![0.0; heads];
        for (rows, labels) in job.valid.chunks(batch).zip(self.prepared.valid_labels.chunks(batch * heads)) {
            self.windows.gather(rows, &mut work.inputs);
            let scores = step::forward(&self.layers, &self.parameters, work, rows.len(), None);
            loss::losses(&job.heads, scores, labels, &mut losses);
        }
        losses.iter().map(|loss| loss / job.valid.len() as f64).collect()
    }
}
