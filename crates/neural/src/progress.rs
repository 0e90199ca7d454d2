//! How far training has come, and who listens to it.

use serde::{Deserialize, Serialize};

use super::{NeuralError, NeuralJob};

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

    /// What epochs are compared by: the validation loss, or the training loss where there is none.
    pub fn loss(&self) -> f64 {
        self.validation_loss().unwrap_or(self.train_loss)
    }
}

/// The epochs of a job so far, and the best of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    pub epochs: Vec<Epoch>,
    pub best_epoch: usize,
}

impl Progress {
    /// Takes in the next epoch, and says whether it is the best one.
    ///
    /// # Errors
    /// A loss that is no number.
    pub fn add(&mut self, job: &NeuralJob, epoch: Epoch) -> Result<bool, NeuralError> {
        if !epoch.loss().is_finite() || !epoch.train_loss.is_finite() {
            return Err(NeuralError::Diverged { job: job.name.clone(), epoch: self.epochs.len() as u32 });
        }
        let best = self.epochs.get(self.best_epoch).is_none_or(|best| epoch.loss() < best.loss());
        if best {
            self.best_epoch = self.epochs.len();
        }
        self.epochs.push(epoch);
        Ok(best)
    }

    /// Whether no further epoch follows.
    pub fn has_ended(&self, job: &NeuralJob) -> bool {
        let (params, done) = (&job.params, self.epochs.len());
        let idle = done.saturating_sub(self.best_epoch + 1);
        done >= params.epochs as usize || (params.patience > 0 && idle >= params.patience as usize)
    }
}

/// All that training goes on from, after an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub progress: Progress,
    /// Weights and biases, in the order of [`layers`](super::layers), now and after the best epoch.
    pub parameters: Vec<f32>,
    pub best: Vec<f32>,
    /// Moments of the gradient.
    pub first: Vec<f32>,
    pub second: Vec<f32>,
}

impl State {
    /// Whether this is a state of a job with so many parameters.
    pub fn fits(&self, parameters: usize) -> bool {
        let sizes = [&self.parameters, &self.best, &self.first, &self.second].map(Vec::len);
        sizes == [parameters; 4] && self.progress.best_epoch < self.progress.epochs.len()
    }
}

/// Who listens to training. It is asked and told from several threads.
pub trait Observer: Sync {
    /// Once it says no, jobs stop after their epoch at hand.
    fn wants_more(&self) -> bool {
        true
    }

    /// Where a job's training goes on from; none begins it.
    fn state(&self, _job: &NeuralJob) -> Option<State> {
        None
    }

    /// An epoch has ended; `state` makes what training would go on from, which costs a copy of the weights.
    fn epoch(&self, _job: &NeuralJob, _progress: &Progress, _state: &dyn Fn() -> State) {}
}

/// Listens to nothing.
impl Observer for () {}
