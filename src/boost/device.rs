//! Boosting by `kernels/bins.cu` and `kernels/boost.cu`: twin of `cpu`.
//!
//! Every set of rows is binned by one block a feature, and every model is trained by one block from first to last tree.
//! Jobs that the kernels do not know, or whose rows are too many for a block, are trained by the CPU: the bits are the
//! same. [`plan`] tells which are which.

mod arguments;
mod binning;
mod bins;
mod layout;
mod predict;
mod unpack;

pub use binning::bin_on;
pub use predict::{raw_scores, raw_scores_on};

use std::collections::HashMap;

use super::{BoostError, BoostJob, BoostParams, Forest, Growth, Objective, Table, cpu};
use crate::engine::memory::Need;
use crate::engine::{Compute, Device, DeviceBuffer, EngineError, Kernel, Shape, Stage};
use arguments::Arguments;
use bins::Bins;
use layout::{JobArgs, LANES, MOST_CUTS, Outcome, Part, TreeLeaf, TreeNode, TreeSize};
use unpack::Told;

const TRAIN: Kernel = Kernel { file: "boost", name: "boost_small", barriers: true };

/// Threads of a block; the emulated engine does better with few, whose turns cost it time.
const THREADS: u32 = 256;
const EMULATED_THREADS: u32 = 64;
/// Most training rows of a model that one block trains: their keys are sorted in its shared memory.
const MOST_ROWS: usize = 4096;
/// Most features: one bit each in shared memory.
const MOST_FEATURES: usize = 8192;

/// Who trains a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// One block of the device, from first to last tree.
    Block,
    /// The CPU; says why.
    Cpu(&'static str),
}

/// Who trains a job that has been checked.
pub fn plan(job: &BoostJob, features: usize) -> Plan {
    let BoostParams { objective, growth, .. } = job.params;
    if job.train.len() > MOST_ROWS {
        Plan::Cpu("more rows than a block's shared memory holds")
    } else if features > MOST_FEATURES {
        Plan::Cpu("more features than a block can mark")
    } else if growth != Growth::Level {
        Plan::Cpu("grown by leaf")
    } else if matches!(objective, Objective::Multiclass { .. } | Objective::Quantile { .. }) {
        Plan::Cpu("an objective without a kernel")
    } else if job.params.monotone.iter().any(|&sign| sign != 0) {
        Plan::Cpu("monotone constraints")
    } else {
        Plan::Block
    }
}

/// [`cpu::train_while`] on the device of a run, or on the CPU.
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
) -> Result<Vec<Result<Forest, BoostError>>, EngineError> {
    compute.run(
        "boost",
        |stage| train(stage, table, features, jobs, wanted, done),
        || cpu::train_while(table, features, jobs, wanted, done),
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
    // Heads and configurations of one symbol and fold learn from the same rows: their bins are made once.
    let mut sets: HashMap<cpu::BinsOf<'_>, Vec<usize>> = HashMap::new();
    let mut others = Vec::new();
    for (place, job) in jobs.iter().enumerate() {
        match job.check(&job.params, table) {
            Err(error) => {
                done(job);
                results[place] = Some(Err(error));
            }
            Ok(()) if plan(job, table.features) == Plan::Block => {
                sets.entry((&job.train, &job.valid, job.params.max_bin)).or_default().push(place);
            }
            Ok(()) => others.push(place),
        }
    }
    let mut sets: Vec<Vec<usize>> = sets.into_values().collect();
    sets.sort_unstable();
    if !sets.is_empty() {
        let values = stage.upload(table.values)?;
        let need = Need {
            fixed_bytes: 0,
            job_bytes: sets.iter().map(|set| bytes(jobs, set, table.features)).max().unwrap_or(0),
        };
        for part in stage.parts(need, sets.len())? {
            if !wanted() {
                break;
            }
            for (place, forest) in train_sets(stage, &values, features, jobs, &sets[part])? {
                done(&jobs[place]);
                results[place] = Some(Ok(forest));
            }
        }
    }
    let rest: Vec<BoostJob> = others.iter().map(|&place| jobs[place].clone()).collect();
    for (place, result) in others.into_iter().zip(cpu::train_while(table, features, &rest, wanted, done)) {
        results[place] = Some(result);
    }
    let missing = |job: &BoostJob| Err(BoostError::Stopped { job: job.name.clone() });
    Ok(results.into_iter().zip(jobs).map(|(result, job)| result.unwrap_or_else(|| missing(job))).collect())
}

/// Bytes that a set of rows and its jobs take on the device.
fn bytes(jobs: &[BoostJob], set: &[usize], features: usize) -> u64 {
    let job = &jobs[set[0]];
    let rows = (job.train.len() + job.valid.len()) as u64;
    let of_rows =
        rows * (4 + 2 * features.next_multiple_of(LANES) as u64) + features as u64 * (MOST_CUTS as u64 * 4 + 8);
    let of_jobs = set.iter().map(|&place| {
        let capacity = leaf_capacity(&jobs[place]) as u64;
        let a_round = capacity * (size_of::<TreeNode>() + size_of::<TreeLeaf>()) as u64 + 40;
        rows * 64 + capacity * 2 * size_of::<Part>() as u64 + u64::from(jobs[place].params.rounds) * a_round
    });
    of_rows + of_jobs.sum::<u64>()
}

/// Threads of a block.
fn threads(stage: &Stage<'_>) -> u32 {
    if stage.device() == Device::Emulated { EMULATED_THREADS } else { THREADS }
}

/// Most leaves of a job's tree.
fn leaf_capacity(job: &BoostJob) -> usize {
    let by_depth = 1_usize << job.params.max_depth.min(20);
    by_depth.min(job.train.len()).max(1)
}

/// Trains the jobs of some sets of rows: bins and codes are shared, and one block trains a model. Places of the jobs, with
/// their forests.
fn train_sets(
    stage: &Stage<'_>,
    table: &DeviceBuffer<f32>,
    names: &[String],
    jobs: &[BoostJob],
    sets: &[Vec<usize>],
) -> Result<Vec<(usize, Forest)>, EngineError> {
    let threads = threads(stage);
    let first: Vec<&BoostJob> = sets.iter().map(|set| &jobs[set[0]]).collect();
    let bins = Bins::of(stage, table, names.len(), &first, threads)?;
    let mut arguments = Arguments::default();
    for (number, set) in sets.iter().enumerate() {
        set.iter().for_each(|&place| arguments.add(&jobs[place], number, names.len()));
    }
    let Arguments { jobs: args, labels, weights, sizes } = &arguments;
    let (jobs_there, rows, groups) = (stage.upload(args)?, stage.upload(&bins.rows)?, stage.upload(&bins.groups)?);
    let (labels, weights) = (stage.upload(labels)?, stage.upload(weights)?);
    let (mut scratch_f64, mut scratch_u32) =
        (stage.zeros::<f64>(sizes.scratch_f64)?, stage.zeros::<u32>(sizes.scratch_u32)?);
    let mut parts = stage.zeros::<Part>(sizes.parts)?;
    let (mut nodes, mut leaves) = (stage.zeros::<TreeNode>(sizes.nodes)?, stage.zeros::<TreeLeaf>(sizes.leaves)?);
    let (mut trees, mut losses) = (stage.zeros::<TreeSize>(sizes.trees)?, stage.zeros::<f64>(sizes.trees)?);
    let mut outcomes = stage.zeros::<Outcome>(args.len())?;
    stage
        .launch(&TRAIN, Shape::one_block_each(args.len(), threads, 0))
        .read(&jobs_there)
        .read(&rows)
        .read(&groups)
        .read(&bins.cuts)
        .read(&bins.codes)
        .read(&labels)
        .read(&weights)
        .write(&mut scratch_f64)
        .write(&mut scratch_u32)
        .write(&mut parts)
        .write(&mut nodes)
        .write(&mut leaves)
        .write(&mut trees)
        .write(&mut losses)
        .write(&mut outcomes)
        .run()?;
    let told = Told {
        nodes: stage.download(&nodes)?,
        leaves: stage.download(&leaves)?,
        trees: stage.download(&trees)?,
        losses: stage.download(&losses)?,
        outcomes: stage.download(&outcomes)?,
    };
    let forest = |(place, (at, args)): (&usize, (usize, &JobArgs))| {
        (*place, told.forest(at, args, &jobs[*place].params, names, &bins.known[args.rows as usize]))
    };
    Ok(sets.iter().flatten().zip(args.iter().enumerate()).map(forest).collect())
}
