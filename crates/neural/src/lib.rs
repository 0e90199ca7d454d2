//! Neural networks, trained for all symbols, folds and seeds at once.
//!
//! A network sees a row of features and the bars before it, [`Shape::window`] in all, and has several heads: win_long,
//! win_short and edge_bps together. On the CPU a job stays in one core's cache from its first batch to its last, and jobs
//! share the cores: a job gives the same network alone and among any others. On a GPU all jobs take each step together
//! ([`Backend`]).

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
pub use burn::headers as cuda_headers;
pub use error::NeuralError;
pub use job::{Head, NeuralJob, NeuralParams};
pub use layers::{Layer, Shape, Skip, initial};
pub use network::Network;
pub use progress::{Epoch, Observer, Progress, State};
pub use scaler::Scaler;
pub use train::{Backend, train};
