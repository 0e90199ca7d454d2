//! Large jobs: many blocks a model, level by level, all jobs in the same launches; `kernels/boost_rounds.cu` and
//! `kernels/boost_levels.cu`.
//!
//! The device keeps every job's state, and lists by itself what a level asks for; blocks take what is listed in turn.
//! After a round the host asks which jobs go on, and nothing else.

mod launches;
mod sizes;

use super::arguments::Arguments;
use super::bins::Bins;
use super::threads;
use super::unpack::{Kept, Launched};
use crate::{Table, Task};
use huracan_engine::{Device, DeviceBuffer, EngineError, Stage};
use launches::Launches;
use sizes::Sizes;

/// How work is cut up.
#[derive(Debug, Clone, Copy)]
struct Grain {
    /// Rows of a tile: enough that what a block adds to a histogram in global memory is little beside what it adds in
    /// its shared memory.
    tile: u32,
    /// Most rows of a part that one block searches, without a histogram in global memory.
    few: u32,
}

const GRAIN: Grain = Grain { tile: 4096, few: 2048 };
/// So that small tests meet what large jobs meet.
const EMULATED_GRAIN: Grain = Grain { tile: 1024, few: 300 };

fn grain(stage: &Stage<'_>) -> Grain {
    if stage.device() == Device::Emulated { EMULATED_GRAIN } else { GRAIN }
}

/// Bytes that a task takes on the device, with its rows.
pub fn bytes(stage: &Stage<'_>, task: &Task<'_>, features: usize) -> u64 {
    Sizes::of(task, features, grain(stage)).bytes(task, features)
}

/// Trains the tasks of some sets of rows; `uploaded` is the table on the device, where it had room. Places of the tasks,
/// with what is kept of them; once `wanted`, which is asked before every round, says no, none come back.
pub fn train<T: Kept>(
    stage: &Stage<'_>,
    (table, uploaded): (Table<'_>, Option<&DeviceBuffer<f32>>),
    names: &[String],
    tasks: &[Task<'_>],
    sets: &[Vec<usize>],
    wanted: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<(usize, T)>, EngineError> {
    let first: Vec<Task> = sets.iter().map(|set| tasks[set[0]]).collect();
    let bins = Bins::of_large(stage, table, uploaded, &first, threads(stage))?;
    let arguments = Arguments::of(tasks, sets, names.len());
    let asked: Vec<Task> = sets.iter().flatten().map(|&place| tasks[place]).collect();
    let mut launches = Launches::new(stage, &bins, &arguments, &asked, grain(stage))?;
    let rounds = asked.iter().map(|task| task.params.rounds).max().unwrap_or(0);
    for round in 0..rounds {
        if !wanted() {
            return Ok(Vec::new());
        }
        launches.round(round)?;
        if !launches.any_runs()? {
            break;
        }
    }
    let launched = Launched { tasks, sets, jobs: &arguments.jobs, names, cuts: &bins.known };
    T::of_launch(stage, launches.grown(), &launched)
}
