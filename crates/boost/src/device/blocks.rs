//! Small jobs: one block trains a whole model (`kernels/boost.cu`).

use super::arguments::{Arguments, leaf_capacity};
use super::bins::Bins;
use super::layout::{KeptTree, LANES, MAX_CUTS, Part, TreeLeaf, TreeNode};
use super::threads;
use super::unpack::{LaunchedTasks, ModelResult, OutputBuffers};
use crate::Task;
use huracan_engine::{DeviceBuffer, EngineError, Kernel, Shape, Stage};

const TRAIN: Kernel = Kernel { file: "boost", name: "boost_small", barriers: true };

/// Bytes that a set of rows and its tasks take on the device.
pub fn bytes(tasks: &[Task<'_>], set: &[usize], features: usize) -> u64 {
    row_bytes(&tasks[set[0]], features) + set.iter().map(|&index| task_bytes(&tasks[index])).sum::<u64>()
}

/// Bytes of a task's rows: their numbers, their codes by column and by row, and the cuts.
pub fn row_bytes(Task { job, .. }: &Task<'_>, features: usize) -> u64 {
    let rows = (job.train.len() + job.valid.len()) as u64;
    rows * (4 + 2 * features.next_multiple_of(LANES) as u64) + features as u64 * (MAX_CUTS as u64 * 4 + 8)
}

/// Bytes that a task takes besides its rows: labels, weights, scores and gradients, and the trees of all rounds.
pub fn task_bytes(task: &Task<'_>) -> u64 {
    let (rows, capacity) = ((task.job.train.len() + task.job.valid.len()) as u64, leaf_capacity(task) as u64);
    // All trees, and once more those that are kept.
    let round =
        2 * capacity * (size_of::<TreeNode>() + size_of::<TreeLeaf>()) as u64 + 40 + size_of::<KeptTree>() as u64;
    rows * 64 + capacity * 2 * size_of::<Part>() as u64 + u64::from(task.params.rounds) * round
}

/// Trains the tasks of some sets of rows, one block per model; bins and codes are shared within a set. The tasks must have been
/// checked against the table, `[rows × features]`, and planned for a block. Returns the index and the result of each task.
pub fn train<T: ModelResult>(
    stage: &Stage<'_>,
    table: &DeviceBuffer<f32>,
    features: usize,
    names: &[String],
    tasks: &[Task<'_>],
    sets: &[Vec<usize>],
) -> Result<Vec<(usize, T)>, EngineError> {
    let threads = threads(stage);
    let first: Vec<Task> = sets.iter().map(|set| tasks[set[0]]).collect();
    let bins = Bins::of(stage, table, features, &first, threads)?;
    let arguments = Arguments::of(tasks, sets, features);
    let Arguments { jobs: args, labels, weights, sizes } = &arguments;
    let (jobs, rows, groups) = (stage.upload(args)?, stage.upload(&bins.rows)?, stage.upload(&bins.groups)?);
    let (labels, weights) = (stage.upload(labels)?, stage.upload(weights)?);
    let (mut scratch_f64, mut scratch_u32) =
        (stage.zeros::<f64>(sizes.scratch_f64)?, stage.zeros::<u32>(sizes.scratch_u32)?);
    let mut parts = stage.zeros::<Part>(sizes.parts)?;
    let mut output = OutputBuffers::new(stage, sizes, args.len())?;
    // SAFETY: a block per job. `Arguments` gives each job its offsets and counts the lengths: labels and weights of all its
    // rows (weights are read only where `weighted` says so), 3 numbers per training row and 2 per validation row, 4 words per
    // training row. Every node has a row (except a root for which none was drawn), and `max_depth` limits the levels. So a
    // level has at most `leaf_capacity` nodes, of which two levels are kept in `parts`, and a tree at most `leaf_capacity`
    // leaves and one split fewer. Nodes, leaves, tree sizes and losses have room for all rounds. The job's set, its groups,
    // cuts and codes are those of `bins`, and the plan limits the features to the bits of MARK_WORDS.
    unsafe {
        stage
            .launch(&TRAIN, Shape::one_block_each(args.len(), threads, 0))
            .read(&jobs)
            .read(&rows)
            .read(&groups)
            .read(&bins.cuts)
            .read(&bins.codes)
            .read(&labels)
            .read(&weights)
            .write(&mut scratch_f64)
            .write(&mut scratch_u32)
            .write(&mut parts)
            .write(&mut output.nodes)
            .write(&mut output.leaves)
            .write(&mut output.trees)
            .write(&mut output.losses)
            .write(&mut output.outcomes)
            .run()
    }?;
    T::from_launch(stage, &output, &LaunchedTasks { tasks, sets, jobs: args, names, cuts: &bins.host_cuts })
}
