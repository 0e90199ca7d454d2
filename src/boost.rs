//! Gradient-boosted trees for many small tables at once.

mod forest;
mod job;
mod tree;

pub use forest::Forest;
pub use job::{BoostError, BoostJob, BoostParams, Objective, Table};
pub use tree::{Child, Tree};
