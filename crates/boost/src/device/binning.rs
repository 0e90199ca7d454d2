//! Binning without training, for measurements.

use std::ops::Range;

use super::bins::Bins;
use super::layout::MAX_CUTS;
use super::{Plan, plan, threads};
use crate::{BoostJob, Cuts, Table, Task, cpu};
use huracan_engine::memory::Requirement;
use huracan_engine::{Compute, EngineError, Items, Stage};

/// Bins the rows of every job, on the device of a run or on the CPU, as training does at first. Returns the cuts of each job. If
/// the CPU would train any of a device's jobs, it bins all of these.
///
/// # Errors
/// The device failed and the CPU may not take over.
///
/// # Panics
/// A job cannot be trained on the table: see [`BoostJob::check`].
pub fn bin_on(compute: &Compute, table: Table<'_>, jobs: &[BoostJob]) -> Result<Vec<Cuts>, EngineError> {
    for job in jobs {
        if let Err(fault) = job.check(&job.params, table) {
            panic!("only jobs that can be trained are binned: {fault}");
        }
    }
    let costs: Vec<u64> = jobs.iter().map(|job| (job.train.len() + job.valid.len()) as u64).collect();
    let items = Items { costs: &costs, memory: memory_needed(table, jobs) };
    let on_device = |stage: &Stage<'_>, own: Range<usize>, (): &mut ()| bin(stage, table, &jobs[own]);
    Ok(compute.share("bins", items, (), on_device, |own, (): &mut ()| cpu::bin(table, &jobs[own]))?.concat())
}

/// The memory that some jobs need on a device; the table besides.
fn memory_needed(table: Table<'_>, jobs: &[BoostJob]) -> Requirement {
    let cells = |job: &BoostJob| ((job.train.len() + job.valid.len()) * table.features) as u64;
    // Codes by column and by row, and the cuts of each feature.
    let most = jobs.iter().map(cells).max().unwrap_or(0);
    Requirement { fixed_bytes: 1 << 20, job_bytes: 3 * most + (table.features * MAX_CUTS * 4) as u64 }
}

fn bin(stage: &Stage<'_>, table: Table<'_>, jobs: &[BoostJob]) -> Result<Vec<Cuts>, EngineError> {
    let plans: Vec<Plan> = jobs.iter().map(|job| plan(job, table.features)).collect();
    if plans.iter().any(|plan| matches!(plan, Plan::Cpu(_))) {
        return Ok(cpu::bin(table, jobs));
    }
    let values = stage.resident(table.values)?;
    let mut cuts = Vec::with_capacity(jobs.len());
    for part in stage.batches(memory_needed(table, jobs), jobs.len())? {
        let sets: Vec<Task> = jobs[part].iter().map(Task::own).collect();
        let bins = if plans.contains(&Plan::Levels) {
            Bins::of_large(stage, table, Some(&values), &sets, threads(stage))?
        } else {
            Bins::of(stage, &values, table.features, &sets, threads(stage))?
        };
        cuts.extend(bins.host_cuts);
    }
    Ok(cuts)
}
