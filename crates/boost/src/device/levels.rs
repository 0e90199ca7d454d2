//! Large jobs: many blocks per model, level by level, with all jobs in the same launches (`kernels/boost_rounds.cu` and
//! `kernels/boost_levels.cu`).
//!
//! The device keeps the state of every job, and makes the lists of a level's work by itself; blocks take entries of a list in
//! turn. After a round, the host reads which jobs continue, and nothing else.

mod launches;
mod sizes;

use super::arguments::Arguments;
use super::bins::Bins;
use super::threads;
use super::unpack::{LaunchedTasks, ModelResult};
use crate::{Table, Task};
use huracan_engine::{Device, DeviceBuffer, EngineError, Stage};
#[cfg(test)]
pub(super) use launches::LISTS;
use launches::Launches;
use sizes::Sizes;

/// The sizes of pieces of work.
#[derive(Debug, Clone, Copy)]
struct Grain {
    /// Rows per tile: so many that a block adds far more in its shared memory than to a histogram in global memory.
    tile: u32,
    /// Most rows of a node that one block searches, without a histogram in global memory.
    few: u32,
}

const GRAIN: Grain = Grain { tile: 4096, few: 2048 };
/// Most rows of a tile, and rows whose sides of a split are in one word.
pub(super) const MAX_TILE: u32 = 4096;
pub(super) const SIDES: u32 = u32::BITS;
/// Words of the sides of a tile.
const SIDE_WORDS: usize = (MAX_TILE / SIDES) as usize;
const _: () = assert!(GRAIN.tile <= MAX_TILE && EMULATED_GRAIN.tile <= MAX_TILE);
/// [`GRAIN`] of the emulated device: so small that small tests run the same steps as large jobs.
const EMULATED_GRAIN: Grain = Grain { tile: 1024, few: 300 };

fn grain(device: Device) -> Grain {
    if device == Device::Emulated { EMULATED_GRAIN } else { GRAIN }
}

/// Bytes that a task takes on the device, including its rows.
pub fn bytes(device: Device, task: &Task<'_>, features: usize) -> u64 {
    Sizes::of(task, features, grain(device)).bytes(task, features)
}

/// Trains the tasks of some sets of rows. The tasks must have been checked against the table and planned for levels; `uploaded`
/// is the table on the device, if it fitted. Returns the index and the result of each task. `keep_going` is called before
/// every round; once it returns false, no results are returned.
pub fn train<T: ModelResult>(
    stage: &Stage<'_>,
    (table, uploaded): (Table<'_>, Option<&DeviceBuffer<f32>>),
    names: &[String],
    tasks: &[Task<'_>],
    sets: &[Vec<usize>],
    keep_going: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<(usize, T)>, EngineError> {
    let first: Vec<Task> = sets.iter().map(|set| tasks[set[0]]).collect();
    let bins = Bins::of_large(stage, table, uploaded, &first, threads(stage))?;
    let arguments = Arguments::of(tasks, sets, table.features);
    let own_tasks: Vec<Task> = sets.iter().flatten().map(|&index| tasks[index]).collect();
    let mut launches = Launches::new(stage, &bins, &arguments, &own_tasks, grain(stage.device()))?;
    let rounds = own_tasks.iter().map(|task| task.params.rounds).max().unwrap_or(0);
    for round in 0..rounds {
        if !keep_going() {
            return Ok(Vec::new());
        }
        launches.round(round)?;
        if !launches.any_running()? {
            break;
        }
    }
    let launched = LaunchedTasks { tasks, sets, jobs: &arguments.jobs, names, cuts: &bins.host_cuts };
    T::from_launch(stage, launches.output(), &launched)
}
