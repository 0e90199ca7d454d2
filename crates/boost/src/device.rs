//! Training by `kernels/bins*.cu` and `kernels/boost*.cu`, the twin of [`cpu`].
//!
//! A small model is trained by one block, from its first to its last tree; a large one by many blocks, level by level. Jobs
//! that the kernels do not support are trained by the CPU. All give the same bits. [`plan`] decides.

mod arguments;
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

use plan::plan_for;
use unpack::ModelResult;

use std::sync::atomic::{AtomicUsize, Ordering};

use super::instructions::instruction_sets;
use super::penalties::absolute;
use super::{BoostError, BoostJob, Forest, Table, Task, cpu};
use huracan_engine::memory::Requirement;
use huracan_engine::{Compute, Device, EngineError, Stage};

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
    // If the device fails, another attempt or the CPU repeats what was done; `done` is called only once for it.
    let reported = AtomicUsize::new(0);
    let attempt = || {
        let (before, own) = (reported.load(Ordering::Relaxed), AtomicUsize::new(0));
        let reported = &reported;
        move |task: &Task<'_>| {
            // As many as earlier attempts reported are not reported again.
            if own.fetch_add(1, Ordering::Relaxed) >= before {
                reported.fetch_add(1, Ordering::Relaxed);
                done(task);
            }
        }
    };
    let by_device = |stage: &Stage<'_>| train_tasks(stage, table, features, tasks, keep_going, &attempt());
    let by_cpu = || (by_cpu(table, features, tasks, keep_going, &attempt()), Plans::default());
    compute.run("boost", by_device, by_cpu)
}

fn by_cpu<T: ModelResult>(
    table: Table<'_>,
    features: &[String],
    tasks: &[Task<'_>],
    keep_going: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn(&Task<'_>) + Sync),
) -> Vec<Result<T, BoostError>> {
    cpu::train_tasks(instruction_sets()[0], table, features, tasks, keep_going, &|task, forest| {
        done(task);
        forest.map(T::from_forest)
    })
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
    let tasks: Vec<Task> = jobs.iter().map(Task::own).collect();
    Ok(train_tasks(stage, table, features, &tasks, keep_going, &|task| done(task.job))?.0)
}

fn train_tasks<T: ModelResult>(
    stage: &Stage<'_>,
    table: Table<'_>,
    features: &[String],
    tasks: &[Task<'_>],
    keep_going: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn(&Task<'_>) + Sync),
) -> Result<(Vec<Result<T, BoostError>>, Plans), EngineError> {
    let params = absolute(tasks);
    let tasks: Vec<Task> = tasks.iter().zip(&params).map(|(task, params)| Task { job: task.job, params }).collect();
    let tasks = tasks.as_slice();
    let mut results: Vec<Option<Result<T, BoostError>>> = tasks.iter().map(|_| None).collect();
    let mut plans = Plans::default();
    let (mut small, mut large, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (index, task) in tasks.iter().enumerate() {
        match task.job.check(task.params, table) {
            Err(error) => {
                done(task);
                results[index] = Some(Err(error));
            }
            Ok(()) => match plan_for(*task, table.features) {
                Plan::Block => small.push(index),
                Plan::Levels => large.push(index),
                Plan::Cpu(_) => others.push(index),
            },
        }
    }
    let mut keep = |plan: Plan, trained: Vec<(usize, T)>| {
        for (index, result) in trained {
            done(&tasks[index]);
            plans.add(plan);
            results[index] = Some(Ok(result));
        }
    };
    if !keep_going() {
        (small, large) = (Vec::new(), Vec::new());
    }
    // Small jobs need the table on the device; large ones do without it if it would take too much memory.
    let uploads = !small.is_empty() || (!large.is_empty() && table_fits(stage, table)?);
    let values = uploads.then(|| stage.resident(table.values)).transpose()?;
    if let Some(values) = values.as_ref().filter(|_| !small.is_empty()) {
        let max_bytes = stage.limits()?.free_bytes / SETS_PER_MEMORY;
        let sets = split_large_sets(sets(tasks, &small), tasks, max_bytes, table.features);
        let most = sets.iter().map(|set| blocks::bytes(tasks, set, table.features)).max();
        for batch in stage.batches(Requirement { fixed_bytes: 0, job_bytes: most.unwrap_or(0) }, sets.len())? {
            if !keep_going() {
                break;
            }
            keep(Plan::Block, blocks::train(stage, values, table.features, features, tasks, &sets[batch])?);
        }
    }
    // Tasks of one set are neighbours, so they are in the same batch if possible.
    let large = self::sets(tasks, &large).concat();
    let most = large.iter().map(|&index| levels::bytes(stage, &tasks[index], table.features)).max();
    for batch in stage.batches(Requirement { fixed_bytes: 0, job_bytes: most.unwrap_or(0) }, large.len())? {
        if !keep_going() {
            break;
        }
        let sets = self::sets(tasks, &large[batch]);
        keep(Plan::Levels, levels::train(stage, (table, values.as_deref()), features, tasks, &sets, keep_going)?);
    }
    let rest: Vec<Task> = others.iter().map(|&index| tasks[index]).collect();
    for (index, result) in others.into_iter().zip(by_cpu(table, features, &rest, keep_going, done)) {
        if result.is_ok() {
            plans.add(plan_for(tasks[index], table.features));
        }
        results[index] = Some(result);
    }
    let missing = |task: &Task<'_>| Err(BoostError::Cancelled { job: task.job.name.clone() });
    let results = results.into_iter().zip(tasks).map(|(result, task)| result.unwrap_or_else(|| missing(task)));
    Ok((results.collect(), plans))
}

/// How many sets should fit the free memory, at least: batches are then of about equal size.
const SETS_PER_MEMORY: u64 = 8;

/// Splits sets whose tasks take more than `max_bytes`, as those of a search do, into several sets of the same rows. Each of them
/// bins the rows again; the rows may take at most half of its memory.
fn split_large_sets(sets: Vec<Vec<usize>>, tasks: &[Task<'_>], max_bytes: u64, features: usize) -> Vec<Vec<usize>> {
    let mut out = Vec::with_capacity(sets.len());
    for set in sets {
        let row_bytes = blocks::row_bytes(&tasks[set[0]], features);
        let max_bytes = max_bytes.max(2 * row_bytes);
        let (mut piece, mut bytes) = (Vec::new(), row_bytes);
        for index in set {
            let more = blocks::task_bytes(&tasks[index]);
            if bytes + more > max_bytes && !piece.is_empty() {
                out.push(std::mem::take(&mut piece));
                bytes = row_bytes;
            }
            bytes += more;
            piece.push(index);
        }
        out.push(piece);
    }
    out
}

/// Whether the table may be on the device beside the large jobs: it takes at most half of the free memory.
fn table_fits(stage: &Stage<'_>, table: Table<'_>) -> Result<bool, EngineError> {
    Ok(size_of_val(table.values) as u64 <= stage.limits()?.free_bytes / 2)
}

/// Groups the tasks with these indices into sets that have the same rows: see [`cpu::sets`].
fn sets(tasks: &[Task<'_>], indices: &[usize]) -> Vec<Vec<usize>> {
    cpu::sets(indices.iter().map(|&index| (index, tasks[index])))
}
