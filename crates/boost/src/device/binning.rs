//! Binning alone, to be measured by itself.

use super::bins::Bins;
use super::layout::MOST_CUTS;
use super::{Plan, plan, threads};
use crate::{BoostJob, Cuts, Table, Task, cpu};
use huracan_engine::memory::Need;
use huracan_engine::{Compute, EngineError, Stage};

/// Bins the rows of every job, as training does first, on the device of a run or on the CPU: the cuts of each. The CPU bins all
/// of them where any is the CPU's to train. They must have been checked.
///
/// # Errors
/// Where the device fails and the CPU must not take its place.
pub fn bin_on(compute: &Compute, table: Table<'_>, jobs: &[BoostJob]) -> Result<Vec<Cuts>, EngineError> {
    compute.run("bins", |stage| bin(stage, table, jobs), || cpu::bin(table, jobs))
}

fn bin(stage: &Stage<'_>, table: Table<'_>, jobs: &[BoostJob]) -> Result<Vec<Cuts>, EngineError> {
    let plans: Vec<Plan> = jobs.iter().map(|job| plan(job, table.features)).collect();
    if plans.iter().any(|plan| matches!(plan, Plan::Cpu(_))) {
        return Ok(cpu::bin(table, jobs));
    }
    let values = stage.upload(table.values)?;
    let cells = |job: &BoostJob| ((job.train.len() + job.valid.len()) * table.features) as u64;
    // Codes by columns and by rows, and the cuts of each feature.
    let most = jobs.iter().map(cells).max().unwrap_or(0);
    let need = Need { fixed_bytes: 1 << 20, job_bytes: 3 * most + (table.features * MOST_CUTS * 4) as u64 };
    let mut cuts = Vec::with_capacity(jobs.len());
    for part in stage.parts(need, jobs.len())? {
        let sets: Vec<Task> = jobs[part].iter().map(Task::own).collect();
        let bins = if plans.contains(&Plan::Levels) {
            Bins::of_large(stage, table, Some(&values), &sets, threads(stage))?
        } else {
            Bins::of(stage, &values, table.features, &sets, threads(stage))?
        };
        cuts.extend(bins.known);
    }
    Ok(cuts)
}
