//! Gradient-boosted trees for many small tables at once.

mod bins;
mod check;
mod codes;
mod cpu;
pub mod device;
mod forest;
mod grow;
mod histogram;
mod importance;
mod job;
mod loss;
mod monotone;
mod objective;
mod predict;
mod quantised;
mod sample;
mod search;
mod split;
#[cfg(target_arch = "x86_64")]
mod split_x86;
mod tree;
mod walk;

pub use bins::Cuts;
pub use cpu::{train, train_by, train_while};
pub use forest::Forest;
pub use importance::{Permuted, contributions, mean_absolute, permutation};
use job::Task;
pub use job::{BoostError, BoostJob, BoostParams, Ensemble, Growth, MOST_CELLS, MOST_CLASSES, Objective};
pub use loss::mean_loss;
pub use predict::{PredictJob, predict, raw_scores};
pub use search::{Chosen, Grid, Search, search_on};
pub use split::{Ways, ways};
pub use tree::{Child, Tree};

pub use huracan_base::Table;

/// Rows from which on threads share the work of one job or node: sums of integers are the same in any order.
const MANY_ROWS: usize = 1 << 15;
