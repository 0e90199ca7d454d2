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
pub use predict::{raw_scores, raw_scores_on};

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{BoostError, BoostJob, Forest, Table, cpu};
use crate::engine::memory::Need;
use crate::engine::{Compute, Device, EngineError, Stage};

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
    // What a device had done before it failed is done again by the CPU, and told once.
    let told = AtomicUsize::new(0);
    let tell = |job: &BoostJob| {
        told.fetch_add(1, Ordering::Relaxed);
        done(job);
    };
    let tell_more = |job: &BoostJob| {
        if told.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |told| told.checked_sub(1)).is_err() {
            done(job);
        }
    };
    let by_device = |stage: &Stage<'_>| {
        let forests = train(stage, table, features, jobs, wanted, &tell)?;
        let plans = Plans::of(jobs, &forests, table.features);
        Ok((forests, plans))
    };
    let by_cpu = || (cpu::train_while(table, features, jobs, wanted, &tell_more), Plans::default());
    compute.run("boost", by_device, by_cpu)
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
    let mut results: Vec<Option<Result<Forest, BoostError>>> = jobs.iter().map(|_| None).collect();
    let (mut small, mut large, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (place, job) in jobs.iter().enumerate() {
        match job.check(&job.params, table) {
            Err(error) => {
                done(job);
                results[place] = Some(Err(error));
            }
            Ok(()) => match plan(job, table.features) {
                Plan::Block => small.push(place),
                Plan::Levels => large.push(place),
                Plan::Cpu(_) => others.push(place),
            },
        }
    }
    let mut keep = |forests: Vec<(usize, Forest)>| {
        for (place, forest) in forests {
            done(&jobs[place]);
            results[place] = Some(Ok(forest));
        }
    };
    let sets = sets(jobs, &small);
    // Small jobs cannot do without the table there; large ones can, if it takes too much of the memory.
    let uploads = !sets.is_empty() || (!large.is_empty() && has_room(stage, table)?);
    let values = uploads.then(|| stage.upload(table.values)).transpose()?;
    if let Some(values) = values.as_ref().filter(|_| !sets.is_empty()) {
        let most = sets.iter().map(|set| blocks::bytes(jobs, set, table.features)).max();
        for part in stage.parts(Need { fixed_bytes: 0, job_bytes: most.unwrap_or(0) }, sets.len())? {
            if !wanted() {
                break;
            }
            keep(blocks::train(stage, values, features, jobs, &sets[part])?);
        }
    }
    // Those that share rows stand together, and come into the same part where they can.
    let large = self::sets(jobs, &large).concat();
    let most = large.iter().map(|&place| levels::bytes(stage, &jobs[place], table.features)).max();
    for part in stage.parts(Need { fixed_bytes: 0, job_bytes: most.unwrap_or(0) }, large.len())? {
        if !wanted() {
            break;
        }
        let sets = self::sets(jobs, &large[part]);
        keep(levels::train(stage, (table, values.as_ref()), features, jobs, &sets, wanted)?);
    }
    let rest = others.iter().map(|&place| &jobs[place]);
    for (&place, result) in others.iter().zip(cpu::train_these(table, features, rest, wanted, done)) {
        results[place] = Some(result);
    }
    let missing = |job: &BoostJob| Err(BoostError::Stopped { job: job.name.clone() });
    Ok(results.into_iter().zip(jobs).map(|(result, job)| result.unwrap_or_else(|| missing(job))).collect())
}

/// Whether the table may lie on the device beside what large jobs take: at most half of its free memory.
fn has_room(stage: &Stage<'_>, table: Table<'_>) -> Result<bool, EngineError> {
    Ok(size_of_val(table.values) as u64 <= stage.limits()?.free_bytes / 2)
}

/// Places of jobs by the rows that they learn from: heads and configurations of one symbol and fold share their bins.
fn sets(jobs: &[BoostJob], places: &[usize]) -> Vec<Vec<usize>> {
    cpu::sets(places.iter().map(|&place| (place, &jobs[place], &jobs[place].params)))
}
