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

use std::collections::HashMap;

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
    compute.run(
        "boost",
        |stage| Ok((train(stage, table, features, jobs, wanted, done)?, Plans::of(jobs, table.features))),
        || (cpu::train_while(table, features, jobs, wanted, done), Plans::default()),
    )
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
    if !sets.is_empty() {
        let values = stage.upload(table.values)?;
        let most = sets.iter().map(|set| blocks::bytes(jobs, set, table.features)).max();
        for part in stage.parts(Need { fixed_bytes: 0, job_bytes: most.unwrap_or(0) }, sets.len())? {
            if !wanted() {
                break;
            }
            keep(blocks::train(stage, &values, features, jobs, &sets[part])?);
        }
    }
    // Those that share rows stand together, and come into the same part where they can.
    let large = self::sets(jobs, &large).concat();
    let most = large.iter().map(|&place| levels::bytes(stage, &jobs[place], table.features)).max();
    for part in stage.parts(Need { fixed_bytes: 0, job_bytes: most.unwrap_or(0) }, large.len())? {
        if !wanted() {
            break;
        }
        keep(levels::train(stage, table, features, jobs, &self::sets(jobs, &large[part]), wanted)?);
    }
    let rest: Vec<BoostJob> = others.iter().map(|&place| jobs[place].clone()).collect();
    for (place, result) in others.into_iter().zip(cpu::train_while(table, features, &rest, wanted, done)) {
        results[place] = Some(result);
    }
    let missing = |job: &BoostJob| Err(BoostError::Stopped { job: job.name.clone() });
    Ok(results.into_iter().zip(jobs).map(|(result, job)| result.unwrap_or_else(|| missing(job))).collect())
}

/// Places of jobs by the rows that they learn from: heads and configurations of one symbol and fold share their bins.
fn sets(jobs: &[BoostJob], places: &[usize]) -> Vec<Vec<usize>> {
    let mut sets: HashMap<cpu::BinsOf<'_>, Vec<usize>> = HashMap::new();
    for &place in places {
        let job = &jobs[place];
        sets.entry((&job.train, &job.valid, job.params.max_bin)).or_default().push(place);
    }
    let mut sets: Vec<Vec<usize>> = sets.into_values().collect();
    sets.sort_unstable();
    sets
}
