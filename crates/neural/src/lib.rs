//! Neural networks, trained for all symbols, folds and seeds at once.
//!
//! A network reads the features of a window of bars, [`Shape::window`] in all and the row's own last, and has several heads,
//! such as win_long, win_short and edge_bps. On the CPU, a job stays in the cache of one core from its first to its last
//! batch, and jobs share the cores: a job results in the same network whatever the other jobs are. On a GPU, all jobs take
//! each step together (see [`Backend`]).

mod adamw;
#[cfg(feature = "burn")]
mod burn;
mod cores;
mod dropout;
mod error;
mod job;
mod layers;
mod loss;
mod matrix;
mod network;
mod prepare;
mod progress;
mod scaler;
mod step;
mod train;
mod windows;

#[cfg(test)]
mod tests;

#[cfg(feature = "burn")]
pub use burn::{headers as cuda_headers, keep_kernels};
pub use error::NeuralError;
pub use job::{Head, NeuralJob, NeuralParams};
pub use layers::{Layer, Shape, Skip, initial_parameters};
pub use network::Network;
pub use progress::{Epoch, Observer, Progress, TrainingState};
pub use scaler::Scaler;
pub use train::{Backend, train};
