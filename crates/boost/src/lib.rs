//! Gradient-boosted trees and random forests, trained for many small tables at once.

mod bins;
mod check;
mod codes;
mod cpu;
pub mod device;
mod forest;
mod grow;
mod histogram;
mod importance;
mod instructions;
mod job;
mod loss;
mod monotone;
mod objective;
mod packed;
mod penalties;
mod predict;
mod prefetch;
mod quantised;
mod sample;
mod search;
mod split;
mod tree;
mod trial;
mod walk;

pub use bins::{Cuts, ZERO_THRESHOLD};
pub use cpu::{train, train_with};
pub use forest::Forest;
pub use importance::{PermutationImportance, contributions, mean_absolute_contributions, permutation_importance};
pub use instructions::{InstructionSet, instruction_sets};
use job::Task;
pub use job::{BoostError, BoostJob, BoostParams, Ensemble, Growth, MAX_CELLS, MAX_CLASSES, Objective};
pub use loss::mean_loss;
pub use packed::PackedForest;
pub use predict::{PredictJob, predict, raw_scores};
pub use search::{Grid, Search, SearchOutcome, search_on};
pub use tree::{Child, Tree};

pub use huracan_base::Table;

/// Fewest rows for which threads share the work of one job or node. Sums of integers are the same in any order.
const MIN_SHARED_ROWS: usize = 1 << 15;
