//! Gradient-boosted trees for many small tables at once.

mod bins;
mod codes;
mod cpu;
mod forest;
mod grow;
mod histogram;
mod job;
mod objective;
mod sample;
mod split;
#[cfg(target_arch = "x86_64")]
mod split_x86;
mod tree;

pub use bins::{Cuts, MISSING};
pub use cpu::train;
pub use forest::Forest;
pub use job::{BoostError, BoostJob, BoostParams, MOST_CLASSES, Objective, Table};
pub use tree::{Child, Tree};

/// Rows from which on threads share the work of one job or node: sums of integers are the same in any order.
const MANY_ROWS: usize = 1 << 15;
