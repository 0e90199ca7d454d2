//! Predictions by `kernels/predict.cu`, the twin of [`crate::raw_scores`].

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;

use super::THREADS;
use super::layout::{LEAF, MISSING_RIGHT, PredictArgs, PredictNode, PredictTree};
use crate::predict::greatest_f32_at_most;
use crate::{Child, PredictJob, Table, Tree};
use huracan_engine::memory::Requirement;
use huracan_engine::{Compute, EngineError, Items, Kernel, Shape, Stage};

const RAW_SCORES: Kernel = Kernel { file: "predict", name: "predict_raw", barriers: true };

/// Threads of a block whose rows lie in shared memory, so that several blocks share a multiprocessor.
const STAGED_THREADS: u32 = 128;
/// That many of them at least; rows with more features stay in the table.
const STAGED_BLOCKS: u32 = 3;

/// [`crate::raw_scores`] on the device of a run, or on the CPU.
///
/// # Errors
/// The device failed and the CPU may not take over.
///
/// # Panics
/// As [`crate::predict`].
pub fn raw_scores_on(
    compute: &Compute,
    table: Table<'_>,
    jobs: &[PredictJob<'_>],
) -> Result<Vec<Vec<f64>>, EngineError> {
    // Without a feature there is nothing for a kernel to read.
    if table.features == 0 {
        return Ok(crate::raw_scores(table, jobs));
    }
    let cost = |job: &PredictJob<'_>| (job.rows.len() * job.forest.trees.len()) as u64;
    let costs: Vec<u64> = jobs.iter().map(cost).collect();
    let items = Items { costs: &costs, memory: memory_needed(table, jobs) };
    let on_device = |stage: &Stage<'_>, own: Range<usize>, (): &mut ()| raw_scores(stage, table, &jobs[own]);
    let parts =
        compute.share("predict", items, (), on_device, |own, (): &mut ()| crate::raw_scores(table, &jobs[own]))?;
    Ok(parts.into_iter().flatten().collect())
}

/// The memory that some jobs need on a device, with the table.
fn memory_needed(table: Table<'_>, jobs: &[PredictJob<'_>]) -> Requirement {
    let bytes = |job: &PredictJob<'_>| {
        let trees = job.forest.trees.iter().map(|tree| 16 * tree.split_feature.len() + 8 * tree.leaf_value.len() + 24);
        (trees.sum::<usize>() + job.rows.len() * (4 + 8 * job.forest.base_score.len()) + 64) as u64
    };
    Requirement { fixed_bytes: size_of_val(table.values) as u64, job_bytes: jobs.iter().map(bytes).max().unwrap_or(0) }
}

/// [`crate::predict`] on the device of a run, or on the CPU.
///
/// # Errors
/// As [`raw_scores_on`].
///
/// # Panics
/// As [`crate::predict`].
pub fn predict_on(compute: &Compute, table: Table<'_>, jobs: &[PredictJob<'_>]) -> Result<Vec<Vec<f64>>, EngineError> {
    let mut predictions = raw_scores_on(compute, table, jobs)?;
    for (rows, job) in predictions.iter_mut().zip(jobs) {
        let objective = job.forest.objective;
        rows.par_chunks_mut(objective.trees_per_round()).for_each(|row| objective.transform(row));
    }
    Ok(predictions)
}

/// [`crate::raw_scores`] on the device of `stage`, with the same bits.
///
/// # Errors
/// The device failed, or has too little memory.
///
/// # Panics
/// As [`crate::predict`]; if the table has no features.
pub fn raw_scores(stage: &Stage<'_>, table: Table<'_>, jobs: &[PredictJob<'_>]) -> Result<Vec<Vec<f64>>, EngineError> {
    assert!(table.features > 0, "a table without features is for the CPU");
    jobs.iter().for_each(|job| job.assert_fits(table));
    let parts = stage.batches(memory_needed(table, jobs), jobs.len())?;
    let values = stage.resident(table.values)?;
    let mut all = Vec::with_capacity(jobs.len());
    for part in parts {
        let jobs = &jobs[part];
        let mut packed = PackedForests::default();
        jobs.iter().for_each(|job| packed.add(job));
        let most_rows = jobs.iter().map(|job| job.rows.len()).max().unwrap_or(0);
        packed.close();
        // The values of a block's rows, one feature after the other; each begins in another bank.
        let staged_bytes = table.features as u64 * u64::from(STAGED_THREADS + 1) * 4;
        let staged = staged_bytes <= u64::from(stage.limits()?.shared_bytes / STAGED_BLOCKS);
        let mut shape = Shape::one_thread_each(most_rows, if staged { STAGED_THREADS } else { THREADS });
        shape.shared_bytes = if staged { staged_bytes as u32 } else { 0 };
        shape.blocks[1] = jobs.len() as u32;
        let (args, trees, nodes) =
            (stage.upload(&packed.jobs)?, stage.upload(&packed.trees)?, stage.upload(&packed.nodes)?);
        let (leaves, bases, rows) =
            (stage.upload(&packed.leaves)?, stage.upload(&packed.bases)?, stage.resident(&packed.rows)?);
        let mut scores = stage.zeros::<f64>(packed.scores)?;
        // SAFETY: the y-blocks are the jobs, and threads beyond a job's last row return. `assert_fits` has found the rows in the
        // table, whose rows have `features` values, at least one; the splits on these features; and every child in its tree. `packed` has
        // the trees, nodes, leaves and base scores of all forests at the offsets of the jobs and trees, with one base score
        // per class, and a node after the last; `scores` has `rows × classes` entries per job. If `staged`, the launch has
        // shared memory for the features of a block's rows.
        unsafe {
            stage
                .launch(&RAW_SCORES, shape)
                .read(&values)
                .value(table.features as u32)
                .value(u32::from(staged))
                .read(&args)
                .read(&trees)
                .read(&nodes)
                .read(&leaves)
                .read(&bases)
                .read(&rows)
                .write(&mut scores)
                .run()
        }?;
        let scores = stage.download(&scores)?;
        let job_scores = |(job, args): (&PredictJob<'_>, &PredictArgs)| {
            scores[args.scores as usize..][..job.rows.len() * args.classes as usize].to_vec()
        };
        all.par_extend(jobs.par_iter().zip(&packed.jobs).map(job_scores));
    }
    Ok(all)
}

/// The forests and rows of some jobs, packed into arrays.
#[derive(Default)]
struct PackedForests {
    jobs: Vec<PredictArgs>,
    trees: Vec<PredictTree>,
    nodes: Vec<PredictNode>,
    leaves: Vec<f64>,
    bases: Vec<f64>,
    rows: Vec<u32>,
    /// Where rows begin, by where they lie on the host.
    places: HashMap<(*const u32, usize), u64>,
    scores: usize,
}

impl PackedForests {
    fn add(&mut self, job: &PredictJob<'_>) {
        let forest = job.forest;
        let classes = forest.base_score.len();
        // Jobs often share their rows: the heads of a fold, and all models that predict a whole table.
        let place = self.rows.len() as u64;
        let rows = *self.places.entry((job.rows.as_ptr(), job.rows.len())).or_insert(place);
        if rows == place {
            self.rows.extend_from_slice(job.rows);
        }
        self.jobs.push(PredictArgs {
            trees: self.trees.len() as u64,
            base: self.bases.len() as u64,
            rows,
            scores: self.scores as u64,
            shared_by: forest.divisor(),
            tree_count: forest.trees.len() as u32,
            classes: classes as u32,
            row_count: job.rows.len() as u32,
            padding: 0,
        });
        forest.trees.iter().for_each(|tree| self.add_tree(tree));
        self.bases.extend_from_slice(&forest.base_score);
        self.scores += job.rows.len() * classes;
    }

    /// Adds the node after the last tree's, which trees without nodes read.
    fn close(&mut self) {
        self.nodes.push(PredictNode { cut: 0.0, feature: 0, left: LEAF, right: LEAF });
    }

    fn add_tree(&mut self, tree: &Tree) {
        let child = |child: Child| match child {
            Child::Node(node) => node,
            Child::Leaf(leaf) => leaf | LEAF,
        };
        self.trees.push(PredictTree {
            nodes: self.nodes.len() as u64,
            leaves: self.leaves.len() as u64,
            root: if tree.split_feature.is_empty() { LEAF } else { 0 },
            padding: 0,
        });
        self.nodes.extend((0..tree.split_feature.len()).map(|node| PredictNode {
            cut: greatest_f32_at_most(tree.threshold[node]),
            feature: tree.split_feature[node] | if tree.missing_left[node] { 0 } else { MISSING_RIGHT },
            left: child(tree.left[node]),
            right: child(tree.right[node]),
        }));
        self.leaves.extend_from_slice(&tree.leaf_value);
    }
}
