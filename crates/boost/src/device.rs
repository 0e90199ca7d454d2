//! Training by `kernels/bins*.cu` and `kernels/boost*.cu`, the twin of [`cpu`].
//!
//! A small model is trained by one block, from its first to its last tree; a large one by many blocks, level by level. Jobs
//! that the kernels do not support are trained by the CPU. All give the same bits. [`plan`] decides.

mod arguments;
mod batch;
mod binning;
mod bins;
mod blocks;
mod layout;
mod levels;
mod plan;
mod predict;
#[cfg(test)]
mod twins;
mod unpack;

pub use binning::bin_on;
pub use plan::{Plan, Plans, plan};
pub use predict::{predict_on, raw_scores, raw_scores_on};

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use batch::Batch;
use plan::plan_for;
use unpack::ModelResult;

use super::penalties::absolute;
use super::{BoostError, BoostJob, BoostParams, Forest, Table, Task, cpu};
use huracan_engine::{Compute, Device, EngineError, Items, Stage};

/// Into so many pieces the small models are cut for each of several devices, if they are in fewer sets.
const PIECES_PER_DEVICE: usize = 4;

/// Threads per block.
const THREADS: u32 = 256;
/// [`THREADS`] of the emulated device, which is faster with few of them.
const EMULATED_THREADS: u32 = 64;

fn threads(stage: &Stage<'_>) -> u32 {
    if stage.device() == Device::Emulated { EMULATED_THREADS } else { THREADS }
}

/// Trains every job of a batch, on the device of a run or on the CPU. The results are in the order of the jobs. Also returns
/// how many models were trained by what, if a device was used.
///
/// `features` are the names of the table's columns; `done` is called after each job, from any thread. Once `keep_going`
/// returns false, no tree is started on the CPU and no launch on the device, and unfinished jobs end with
/// [`BoostError::Cancelled`].
///
/// # Errors
/// The device failed and the CPU may not take over.
pub fn train_on(
    compute: &Compute,
    table: Table<'_>,
    features: &[String],
    jobs: &[BoostJob],
    keep_going: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn(&BoostJob) + Sync),
) -> Result<(Vec<Result<Forest, BoostError>>, Plans), EngineError> {
    let tasks: Vec<Task> = jobs.iter().map(Task::own).collect();
    train_tasks_on(compute, table, features, &tasks, keep_going, &|task| done(task.job))
}

/// [`train_on`] for tasks, of which it keeps the results `T`.
pub(super) fn train_tasks_on<T: ModelResult>(
    compute: &Compute,
    table: Table<'_>,
    features: &[String],
    tasks: &[Task<'_>],
    keep_going: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn(&Task<'_>) + Sync),
) -> Result<(Vec<Result<T, BoostError>>, Plans), EngineError> {
    let params = absolute(tasks);
    let absolute: Vec<Task> = tasks.iter().zip(&params).map(|(task, params)| Task { job: task.job, params }).collect();
    // If a device fails, another one or the CPU repeats what it did; `done` is called only once for it.
    let reported: Vec<AtomicBool> = tasks.iter().map(|_| AtomicBool::new(false)).collect();
    let done = |index: usize| {
        if !reported[index].swap(true, Ordering::Relaxed) {
            done(&tasks[index]);
        }
    };
    let batch = Batch { table, names: features, tasks: &absolute, keep_going, done: &done };
    let devices = compute.devices_left();
    if devices == 0 {
        let all: Vec<usize> = (0..tasks.len()).collect();
        return Ok((batch.in_order(batch.on_cpu(&all)), Plans::default()));
    }
    let (mut sorted, mut plans) = (batch.sort(), Plans::default());
    if devices > 1 {
        sorted.small = batch.pieces(sorted.small, PIECES_PER_DEVICE * devices);
    }
    let on_cpu = |indices: Vec<usize>| (batch.on_cpu(&indices), false);
    let costs: Vec<u64> = sorted.small.iter().map(|set| batch.cost(set)).collect();
    let items = Items { costs: &costs, memory: batch.small_memory(&sorted.small) };
    let on_device =
        |stage: &Stage<'_>, own: Range<usize>, (): &mut ()| Ok((batch.small(stage, &sorted.small[own])?, true));
    let mut parts =
        compute.share("boost", items, (), on_device, |own, (): &mut ()| on_cpu(sorted.small[own].concat()))?;
    let costs: Vec<u64> = sorted.large.iter().map(|&index| batch.cost(&[index])).collect();
    let items = Items { costs: &costs, memory: batch.large_memory(compute.device(), &sorted.large) };
    let on_device =
        |stage: &Stage<'_>, own: Range<usize>, (): &mut ()| Ok((batch.large(stage, &sorted.large[own])?, true));
    parts.extend(compute.share("boost", items, (), on_device, |own, (): &mut ()| on_cpu(sorted.large[own].to_vec()))?);
    parts.push((batch.on_cpu(&sorted.others), true));
    let mut results = sorted.faults;
    for (trained, as_planned) in parts {
        let counted = trained.iter().filter(|(_, result)| as_planned && result.is_ok());
        counted.for_each(|&(index, _)| plans.add(plan_for(absolute[index], table.features)));
        results.extend(trained);
    }
    // What the CPU did in place of a lost device is not what was planned.
    let plans = if compute.fallback_reason().is_some() { Plans::default() } else { plans };
    Ok((batch.in_order(results), plans))
}

/// [`train_on`] on the device of `stage`, without falling back to the CPU. The forests have the same bits as the CPU's.
///
/// # Errors
/// The device failed, or has too little memory.
pub fn train(
    stage: &Stage<'_>,
    table: Table<'_>,
    features: &[String],
    jobs: &[BoostJob],
    keep_going: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn(&BoostJob) + Sync),
) -> Result<Vec<Result<Forest, BoostError>>, EngineError> {
    let params: Vec<BoostParams> = jobs.iter().map(|job| job.params.absolute(job)).collect();
    let tasks: Vec<Task> = jobs.iter().zip(&params).map(|(job, params)| Task { job, params }).collect();
    let batch = Batch { table, names: features, tasks: &tasks, keep_going, done: &|index| done(&jobs[index]) };
    let sorted = batch.sort();
    let mut results = sorted.faults;
    results.extend(batch.small(stage, &sorted.small)?);
    results.extend(batch.large(stage, &sorted.large)?);
    results.extend(batch.on_cpu(&sorted.others));
    Ok(batch.in_order(results))
}

/// Groups the tasks with these indices into sets that have the same rows: see [`cpu::sets`].
fn sets(tasks: &[Task<'_>], indices: &[usize]) -> Vec<Vec<usize>> {
    cpu::sets(indices.iter().map(|&index| (index, tasks[index])))
}
