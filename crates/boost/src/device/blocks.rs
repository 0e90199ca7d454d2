//! Small jobs: one block trains a whole model, `kernels/boost.cu`.

use super::arguments::{Arguments, leaf_capacity};
use super::bins::Bins;
use super::layout::{LANES, MOST_CUTS, Part, TreeLeaf, TreeNode};
use super::threads;
use super::unpack::{Grown, Kept, Launched};
use crate::Task;
use huracan_engine::{DeviceBuffer, EngineError, Kernel, Shape, Stage};

const TRAIN: Kernel = Kernel { file: "boost", name: "boost_small", barriers: true };

/// Bytes that a set of rows and its tasks take on the device.
pub fn bytes(tasks: &[Task<'_>], set: &[usize], features: usize) -> u64 {
    row_bytes(&tasks[set[0]], features) + set.iter().map(|&place| task_bytes(&tasks[place])).sum::<u64>()
}

/// Bytes of a task's rows: their places, codes by columns and by rows, and cuts.
pub fn row_bytes(Task { job, .. }: &Task<'_>, features: usize) -> u64 {
    let rows = (job.train.len() + job.valid.len()) as u64;
    rows * (4 + 2 * features.next_multiple_of(LANES) as u64) + features as u64 * (MOST_CUTS as u64 * 4 + 8)
}

/// Bytes that a task takes besides: labels, weights, scores and gradients of its rows, and all rounds of trees.
pub fn task_bytes(task: &Task<'_>) -> u64 {
    let (rows, capacity) = ((task.job.train.len() + task.job.valid.len()) as u64, leaf_capacity(task) as u64);
    let a_round = capacity * (size_of::<TreeNode>() + size_of::<TreeLeaf>()) as u64 + 40;
    rows * 64 + capacity * 2 * size_of::<Part>() as u64 + u64::from(task.params.rounds) * a_round
}

/// Trains the tasks of some sets of rows: bins and codes are shared, and one block trains a model. Places of the tasks,
/// with what is kept of them.
pub fn train<T: Kept>(
    stage: &Stage<'_>,
    table: &DeviceBuffer<f32>,
    names: &[String],
    tasks: &[Task<'_>],
    sets: &[Vec<usize>],
) -> Result<Vec<(usize, T)>, EngineError> {
    let threads = threads(stage);
    let first: Vec<Task> = sets.iter().map(|set| tasks[set[0]]).collect();
    let bins = Bins::of(stage, table, names.len(), &first, threads)?;
    let arguments = Arguments::of(tasks, sets, names.len());
    let Arguments { jobs: args, labels, weights, sizes } = &arguments;
    let (jobs_there, rows, groups) = (stage.upload(args)?, stage.upload(&bins.rows)?, stage.upload(&bins.groups)?);
    let (labels, weights) = (stage.upload(labels)?, stage.upload(weights)?);
    let (mut scratch_f64, mut scratch_u32) =
        (stage.zeros::<f64>(sizes.scratch_f64)?, stage.zeros::<u32>(sizes.scratch_u32)?);
    let mut parts = stage.zeros::<Part>(sizes.parts)?;
    let mut grown = Grown::new(stage, sizes, args.len())?;
    unsafe {
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
            .write(&mut grown.nodes)
            .write(&mut grown.leaves)
            .write(&mut grown.trees)
            .write(&mut grown.losses)
            .write(&mut grown.outcomes)
            .run()
    }?;
    T::of_launch(stage, &grown, &Launched { tasks, sets, jobs: args, names, cuts: &bins.known })
}
