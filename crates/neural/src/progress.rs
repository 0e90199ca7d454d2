//! The progress of training: epochs, the state that training can resume from, and the observer.

use serde::{Deserialize, Serialize};

use super::{NeuralError, NeuralJob};

/// The losses of one epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Mean over training rows and heads, with dropout and smoothed labels, while the weights change.
    pub train_loss: f64,
    /// Mean over the validation rows per head, for value heads in standard deviations of the training labels. Empty without
    /// validation rows.
    pub validation_losses: Vec<f64>,
}

impl Epoch {
    /// Mean validation loss over heads; none without validation rows.
    pub fn validation_loss(&self) -> Option<f64> {
        let losses = &self.validation_losses;
        (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64)
    }

    /// The loss that epochs are compared by: the validation loss, or the training loss if there is none.
    pub fn loss(&self) -> f64 {
        self.validation_loss().unwrap_or(self.train_loss)
    }
}

/// The epochs of a job so far, and the best of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// All epochs, in their order.
    pub epochs: Vec<Epoch>,
    /// Index of the best epoch, the first one of equal ones.
    pub best_epoch: usize,
}

impl Progress {
    /// Adds the next epoch, and returns whether it is the best one.
    ///
    /// # Errors
    /// [`NeuralError::Diverged`] if a loss is not finite.
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

    /// Whether training has ended: after the last epoch, or by early stopping.
    pub fn has_ended(&self, job: &NeuralJob) -> bool {
        let (params, done) = (&job.params, self.epochs.len());
        let idle = done.saturating_sub(self.best_epoch + 1);
        done >= params.epochs as usize || (params.patience > 0 && idle >= params.patience as usize)
    }
}

/// The state after an epoch, from which training can resume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingState {
    /// The epochs so far.
    pub progress: Progress,
    /// Weights and biases, at the places that [`Network::layers`](super::Network::layers) gives.
    pub parameters: Vec<f32>,
    /// The parameters after the best epoch.
    #[serde(rename = "best")]
    pub best_parameters: Vec<f32>,
    /// First moments of the gradient.
    #[serde(rename = "first")]
    pub first_moments: Vec<f32>,
    /// Second moments of the gradient.
    #[serde(rename = "second")]
    pub second_moments: Vec<f32>,
}

impl TrainingState {
    /// Whether this is a state of a network with this many parameters.
    pub(crate) fn fits(&self, parameters: usize) -> bool {
        let sizes = [&self.parameters, &self.best_parameters, &self.first_moments, &self.second_moments].map(Vec::len);
        sizes == [parameters; 4] && self.progress.best_epoch < self.progress.epochs.len()
    }
}

/// Follows training, and can cancel or resume it. It is called from several threads.
pub trait Observer: Sync {
    /// Whether training is cancelled: jobs end after their current epoch.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// The state from which a job resumes; none starts it from the beginning.
    fn resume_from(&self, _job: &NeuralJob) -> Option<TrainingState> {
        None
    }

    /// Called after every epoch of a job. `state` makes the state to resume from, at the cost of a copy of the parameters.
    fn on_epoch(&self, _job: &NeuralJob, _progress: &Progress, _state: &dyn Fn() -> TrainingState) {}
}

/// Does nothing.
impl Observer for () {}
