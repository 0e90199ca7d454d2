//! AdamW for all jobs at once, each with its own norm, rate and number of steps. See [`crate::adamw`].

use ::burn::tensor::backend::Backend;
use ::burn::tensor::{Tensor, TensorData};

use super::parameters::Parameters;
use crate::NeuralJob;
use crate::adamw::{BETA_1, BETA_2, EPSILON, bias_corrections, one_cycle};
use crate::prepare;

/// The moments of the gradients.
pub struct AdamW<B: Backend> {
    /// First moments.
    pub first: Parameters<B>,
    /// Second moments.
    pub second: Parameters<B>,
}

/// The factors of each job's next step, `[jobs, 1, 1]`.
pub struct Rates<B: Backend> {
    /// 1, or 0 for a job that takes no step.
    moves: Tensor<B, 3>,
    /// The factor of weight decay.
    kept: Tensor<B, 3>,
    /// The learning rate, times the bias correction of the first moment.
    rate: Tensor<B, 3>,
    /// The bias correction of the second moment.
    second_correction: Tensor<B, 3>,
}

impl<B: Backend> Rates<B> {
    /// The factors for jobs that have taken so many steps; none for a job that takes no step.
    pub fn upload(jobs: &[(&NeuralJob, Option<u64>)], device: &B::Device) -> Self {
        let one = |&(job, step): &(&NeuralJob, Option<u64>)| {
            let Some(step) = step else { return [0.0, 1.0, 0.0, 1.0] };
            let params = &job.params;
            let steps = u64::from(params.epochs) * prepare::steps_per_epoch(job);
            let rate = one_cycle(params.learning_rate, step, steps);
            let [first, second] = bias_corrections(step + 1);
            [1.0, 1.0 - rate * params.weight_decay as f32, rate * first, second]
        };
        Self::of(&jobs.iter().map(one).collect::<Vec<_>>(), device)
    }

    /// The factors of one job with a constant rate, for the step that makes it so many steps.
    #[cfg(test)]
    pub fn constant(rate: f32, decay: f64, steps: u64, device: &B::Device) -> Self {
        let [first, second] = bias_corrections(steps);
        Self::of(&[[1.0, 1.0 - rate * decay as f32, rate * first, second]], device)
    }

    fn of(values: &[[f32; 4]], device: &B::Device) -> Self {
        let column = |at: usize| per_job(values.iter().map(|values| values[at]).collect(), device);
        Self { moves: column(0), kept: column(1), rate: column(2), second_correction: column(3) }
    }
}

impl<B: Backend> AdamW<B> {
    /// Takes one step against the gradient. Biases do not decay.
    pub fn step(self, parameters: Parameters<B>, gradient: Parameters<B>, rates: &Rates<B>) -> (Self, Parameters<B>) {
        let moves = |share: f32| rates.moves.clone() * share;
        let (mut firsts, mut seconds, mut moved) = (Vec::new(), Vec::new(), Vec::new());
        let moments = self.first.0.into_iter().zip(self.second.0);
        let values = parameters.0.into_iter().zip(gradient.0);
        for (number, ((parameter, slope), (first, second))) in values.zip(moments).enumerate() {
            let square = slope.clone() * slope.clone();
            let first = (slope - first.clone()) * moves(1.0 - BETA_1) + first;
            let second = (square - second.clone()) * moves(1.0 - BETA_2) + second;
            let deviation = (second.clone() * rates.second_correction.clone()).sqrt() + EPSILON;
            let step = first.clone() * rates.rate.clone() / deviation;
            let is_weights = number % 2 == 0;
            let kept = if is_weights { parameter * rates.kept.clone() } else { parameter };
            moved.push(kept - step);
            firsts.push(first);
            seconds.push(second);
        }
        (Self { first: Parameters(firsts), second: Parameters(seconds) }, Parameters(moved))
    }
}

/// Shortens each job's gradient to a norm of at most its `limit`, `[jobs, 1, 1]`.
pub fn clip<B: Backend>(gradient: Parameters<B>, limit: &Tensor<B, 3>) -> Parameters<B> {
    let Some(squares) = gradient.sum(|slope| slope.clone() * slope) else { return gradient };
    // With a norm of 0 the quotient is infinite, and becomes 1.
    let share = at_most(limit.clone() / squares.sqrt(), 1.0);
    gradient.map(|slope| slope * share.clone())
}

/// Values clamped to at most `limit`. Burn's own `clamp` does not compile for CUDA when it is fused (burn-cubecl-fusion 0.21
/// mixes vectors and scalars in it).
pub fn at_most<B: Backend>(values: Tensor<B, 3>, limit: f32) -> Tensor<B, 3> {
    let above = values.clone().greater_elem(limit);
    values.mask_fill(above, limit)
}

/// The largest norm of each job's gradient, `[jobs, 1, 1]`.
pub fn limits<B: Backend>(jobs: &[&NeuralJob], device: &B::Device) -> Tensor<B, 3> {
    let limit = |job: &&NeuralJob| if job.params.clip_norm > 0.0 { job.params.clip_norm as f32 } else { f32::MAX };
    per_job(jobs.iter().map(limit).collect(), device)
}

/// One number per job, `[jobs, 1, 1]`.
pub fn per_job<B: Backend>(values: Vec<f32>, device: &B::Device) -> Tensor<B, 3> {
    let jobs = values.len();
    Tensor::from_data(TensorData::new(values, [jobs, 1, 1]), device)
}
