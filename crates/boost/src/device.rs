//! Boosting by `kernels/bins.cu` and `kernels/boost*.cu`: twin of `cpu`.
//!
//! Small models are trained by one block each, from first to last tree; large ones by many blocks, level by level. Jobs
//! that the kernels do not know are trained by the CPU: the bits are the same. [`plan`] tells which are which.

mod arguments;
mod binning;
mod bins;
mod blocks;
mod layout;
mod levels;
mod plan;
mod predict;
mod unpack;

pub use binning::bin_on;
pub use plan::{Plan, Plans, plan};
pub use predict::{predict_on, raw_scores, raw_scores_on};

use plan::plan_for;
use unpack::Kept;

use std::sync::atomic::{AtomicUsize, Ordering};

use super::split::ways;
use super::{BoostError, BoostJob, Forest, Table, Task, cpu};
use huracan_engine::memory::Need;
use huracan_engine::{Compute, Device, EngineError, Stage};

/// Threads of a block; the emulated engine does better with few, whose turns cost it time.
const THREADS: u32 = 256;
const EMULATED_THREADS: u32 = 64;

fn threads(stage: &Stage<'_>) -> u32 {
    if stage.device() == Device::Emulated { EMULATED_THREADS } else { THREADS }
}

/// [`cpu::train_while`] on the device of a run, or on the CPU; says who trained what, where a device was asked.
///
/// # Errors
/// Where the device fails and the CPU must not take its place.
pub fn train_on(
    compute: &Compute,
    table: Table<'_>,
    features: &[String],
    jobs: &[BoostJob],
    wanted: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn(&BoostJob) + Sync),
) -> Result<(Vec<Result<Forest, BoostError>>, Plans), EngineError> {
    let tasks: Vec<Task> = jobs.iter().map(Task::own).collect();
    train_tasks_on(compute, table, features, &tasks, wanted, &|task| done(task.job))
}

/// [`train_on`] for tasks, keeping of each model what `T` does.
pub(super) fn train_tasks_on<T: Kept>(
    compute: &Compute,
    table: Table<'_>,
    features: &[String],
    tasks: &[Task<'_>],
    wanted: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn(&Task<'_>) + Sync),
) -> Result<(Vec<Result<T, BoostError>>, Plans), EngineError> {
    // What a device had done before it failed is done again by the CPU, and told once.
    let told = AtomicUsize::new(0);
    let tell = |task: &Task<'_>| {
        told.fetch_add(1, Ordering::Relaxed);
        done(task);
    };
    let tell_more = |task: &Task<'_>| {
        if told.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |told| told.checked_sub(1)).is_err() {
            done(task);
        }
    };
    let by_device = |stage: &Stage<'_>| train_tasks(stage, table, features, tasks, wanted, &tell);
    let by_cpu = || (by_cpu(table, features, tasks, wanted, &tell_more), Plans::default());
    compute.run("boost", by_device, by_cpu)
}

fn by_cpu<T: Kept>(
    table: Table<'_>,
    features: &[String],
    tasks: &[Task<'_>],
    wanted: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn(&Task<'_>) + Sync),
) -> Vec<Result<T, BoostError>> {
    cpu::train_for(ways()[0], table, features, tasks, wanted, &|task, forest| {
        done(task);
        forest.map(T::of)
    })
}

/// [`cpu::train_while`] on the device at the service of `stage`: the same forests, bit for bit. A launch that has begun
/// ends; once `wanted` says no, no other one begins.
///
/// # Errors
/// [`EngineError`] where the device fails; what it was to do can then be asked of the CPU.
pub fn train(
    stage: &Stage<'_>,
    table: Table<'_>,
    features: &[String],
    jobs: &[BoostJob],
    wanted: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn(&BoostJob) + Sync),
) -> Result<Vec<Result<Forest, BoostError>>, EngineError> {
    let tasks: Vec<Task> = jobs.iter().map(Task::own).collect();
    Ok(train_tasks(stage, table, features, &tasks, wanted, &|task| done(task.job))?.0)
}

fn train_tasks<T: Kept>(
    stage: &Stage<'_>,
    table: Table<'_>,
    features: &[String],
    tasks: &[Task<'_>],
    wanted: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn(&Task<'_>) + Sync),
) -> Result<(Vec<Result<T, BoostError>>, Plans), EngineError> {
    let mut results: Vec<Option<Result<T, BoostError>>> = tasks.iter().map(|_| None).collect();
    let mut plans = Plans::default();
    let (mut small, mut large, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (place, task) in tasks.iter().enumerate() {
        match task.job.check(task.params, table) {
            Err(error) => {
                done(task);
                results[place] = Some(Err(error));
            }
            Ok(()) => match plan_for(*task, table.features) {
                Plan::Block => small.push(place),
                Plan::Levels => large.push(place),
                Plan::Cpu(_) => others.push(place),
            },
        }
    }
    let mut keep = |plan: Plan, trained: Vec<(usize, T)>| {
        for (place, kept) in trained {
            done(&tasks[place]);
            plans.add(plan);
            results[place] = Some(Ok(kept));
        }
    };
    if !wanted() {
        (small, large) = (Vec::new(), Vec::new());
    }
    // Small jobs cannot do without the table there; large ones can, if it takes too much of the memory.
    let uploads = !small.is_empty() || (!large.is_empty() && has_room(stage, table)?);
    let values = uploads.then(|| stage.upload(table.values)).transpose()?;
    if let Some(values) = values.as_ref().filter(|_| !small.is_empty()) {
        let sets = apart(sets(tasks, &small), tasks, stage.limits()?.free_bytes / SETS, table.features);
        let most = sets.iter().map(|set| blocks::bytes(tasks, set, table.features)).max();
        for part in stage.parts(Need { fixed_bytes: 0, job_bytes: most.unwrap_or(0) }, sets.len())? {
            if !wanted() {
                break;
            }
            keep(Plan::Block, blocks::train(stage, values, features, tasks, &sets[part])?);
        }
    }
    // Those that share rows stand together, and come into the same part where they can.
    let large = self::sets(tasks, &large).concat();
    let most = large.iter().map(|&place| levels::bytes(stage, &tasks[place], table.features)).max();
    for part in stage.parts(Need { fixed_bytes: 0, job_bytes: most.unwrap_or(0) }, large.len())? {
        if !wanted() {
            break;
        }
        let sets = self::sets(tasks, &large[part]);
        keep(Plan::Levels, levels::train(stage, (table, values.as_ref()), features, tasks, &sets, wanted)?);
    }
    let rest: Vec<Task> = others.iter().map(|&place| tasks[place]).collect();
    for (place, result) in others.into_iter().zip(by_cpu(table, features, &rest, wanted, done)) {
        if result.is_ok() {
            plans.add(plan_for(tasks[place], table.features));
        }
        results[place] = Some(result);
    }
    let missing = |task: &Task<'_>| Err(BoostError::Stopped { job: task.job.name.clone() });
    let results = results.into_iter().zip(tasks).map(|(result, task)| result.unwrap_or_else(|| missing(task)));
    Ok((results.collect(), plans))
}

/// Share of the free memory that a set may take, where it can be helped: parts are then about equal.
const SETS: u64 = 8;

/// Sets of more tasks than so many bytes hold, as a search makes them, become several sets of the same rows. Those are binned
/// for each again, and so take half of a piece at most.
fn apart(sets: Vec<Vec<usize>>, tasks: &[Task<'_>], most_bytes: u64, features: usize) -> Vec<Vec<usize>> {
    let mut out = Vec::with_capacity(sets.len());
    for set in sets {
        let of_rows = blocks::row_bytes(&tasks[set[0]], features);
        let most_bytes = most_bytes.max(2 * of_rows);
        let (mut piece, mut bytes) = (Vec::new(), of_rows);
        for place in set {
            let more = blocks::task_bytes(&tasks[place]);
            if bytes + more > most_bytes && !piece.is_empty() {
                out.push(std::mem::take(&mut piece));
                bytes = of_rows;
            }
            bytes += more;
            piece.push(place);
        }
        out.push(piece);
    }
    out
}

/// Whether the table may lie on the device beside what large jobs take: at most half of its free memory.
fn has_room(stage: &Stage<'_>, table: Table<'_>) -> Result<bool, EngineError> {
    Ok(size_of_val(table.values) as u64 <= stage.limits()?.free_bytes / 2)
}

/// Places of jobs by the rows that they learn from: heads and configurations of one symbol and fold share their bins.
fn sets(tasks: &[Task<'_>], places: &[usize]) -> Vec<Vec<usize>> {
    cpu::sets(places.iter().map(|&place| (place, tasks[place])))
}
