//! Makes forests, or losses only, from what the kernels wrote.

use rayon::prelude::*;

use super::THREADS;
use super::arguments::Sizes;
use super::layout::{JobArgs, KeptTree, LEAF, Outcome, TreeLeaf, TreeNode, TreeSize};
use crate::bins::Cuts;
use crate::trial::Trial;
use crate::{BoostParams, Child, Forest, Task, Tree};
use huracan_engine::{DeviceBuffer, EngineError, Kernel, Shape, Stage};

const KEEP: Kernel = Kernel { file: "boost_rounds", name: "boost_rounds_keep", barriers: false };

/// Threads of a warp.
const WARP: usize = 32;

/// The tasks of a launch.
pub struct LaunchedTasks<'a> {
    /// All tasks of the batch, of which the launch trains some.
    pub tasks: &'a [Task<'a>],
    /// Indices of the launched tasks, by set of rows.
    pub sets: &'a [Vec<usize>],
    /// Arguments of the launched tasks, set by set.
    pub jobs: &'a [JobArgs],
    /// Names of the features.
    pub names: &'a [String],
    /// The cuts of each set.
    pub cuts: &'a [Cuts],
}

/// What is kept of a trained model.
pub trait ModelResult: Send + Sized {
    /// The result of a model that the CPU trained.
    fn from_forest(forest: Forest) -> Self;

    /// The results of all tasks of a launch, each with the index of its task.
    fn from_launch(
        stage: &Stage<'_>,
        output: &OutputBuffers,
        launched: &LaunchedTasks<'_>,
    ) -> Result<Vec<(usize, Self)>, EngineError>;
}

impl ModelResult for Forest {
    fn from_forest(forest: Forest) -> Self {
        forest
    }

    fn from_launch(
        stage: &Stage<'_>,
        output: &OutputBuffers,
        launched: &LaunchedTasks<'_>,
    ) -> Result<Vec<(usize, Self)>, EngineError> {
        let indices: Vec<usize> = launched.sets.iter().flatten().copied().collect();
        let output = HostOutput::download(stage, output, launched, &indices)?;
        let forest = |(number, (&index, args)): (usize, (&usize, &JobArgs))| {
            let params = launched.tasks[index].params;
            (index, output.forest(number, args, params, launched.names, &launched.cuts[args.rows as usize]))
        };
        Ok(indices.par_iter().zip(launched.jobs).enumerate().map(forest).collect())
    }
}

impl ModelResult for Trial {
    fn from_forest(forest: Forest) -> Self {
        Self::from(forest)
    }

    /// Downloads the losses only; the trees stay on the device.
    fn from_launch(
        stage: &Stage<'_>,
        output: &OutputBuffers,
        launched: &LaunchedTasks<'_>,
    ) -> Result<Vec<(usize, Self)>, EngineError> {
        let (losses, outcomes) = (stage.download(&output.losses)?, stage.download(&output.outcomes)?);
        let indices = launched.sets.iter().flatten();
        let trial = |(outcome, (&index, job)): (&Outcome, (&usize, &JobArgs))| {
            let own_losses = &losses[job.trees as usize..][..outcome.losses as usize];
            let last = outcome.rounds_kept(launched.tasks[index].params).checked_sub(1);
            let loss = last.and_then(|last| own_losses.get(last)).copied().unwrap_or(f64::INFINITY);
            (index, Self { loss, rounds: own_losses.len() as u64 })
        };
        Ok(outcomes.iter().zip(indices.zip(launched.jobs)).map(trial).collect())
    }
}

impl Outcome {
    /// Number of rounds that are kept: up to the best one, if early stopping chooses rounds.
    fn rounds_kept(&self, params: &BoostParams) -> usize {
        let chosen = params.early_stopping > 0 && self.losses > 0;
        (if chosen { self.trees.min(self.best_round + 1) } else { self.trees }) as usize
    }
}

/// What of the kernels' results is kept, copied to the host.
struct HostOutput {
    /// Nodes and leaves of the kept trees.
    nodes: Vec<TreeNode>,
    leaves: Vec<TreeLeaf>,
    /// The kept trees of all jobs, and the first of each job.
    kept: Vec<KeptTree>,
    first: Vec<usize>,
    trees: Vec<TreeSize>,
    losses: Vec<f64>,
    outcomes: Vec<Outcome>,
}

/// What the kernels write for all jobs of a launch, at the places in their [`JobArgs`].
pub struct OutputBuffers {
    /// Inner nodes of all trees.
    pub nodes: DeviceBuffer<TreeNode>,
    /// Leaves of all trees.
    pub leaves: DeviceBuffer<TreeLeaf>,
    /// One per job and round.
    pub trees: DeviceBuffer<TreeSize>,
    /// Validation losses, one per job and round.
    pub losses: DeviceBuffer<f64>,
    /// One per job.
    pub outcomes: DeviceBuffer<Outcome>,
}

impl OutputBuffers {
    /// Buffers of the lengths that `sizes` counts, for `jobs` jobs.
    pub fn new(stage: &Stage<'_>, sizes: &Sizes, jobs: usize) -> Result<Self, EngineError> {
        Ok(Self {
            nodes: stage.zeros(sizes.nodes)?,
            leaves: stage.zeros(sizes.leaves)?,
            trees: stage.zeros(sizes.trees)?,
            losses: stage.zeros(sizes.trees)?,
            outcomes: stage.zeros(jobs)?,
        })
    }
}

impl HostOutput {
    /// `indices` are those of the launched tasks, in the order of their jobs.
    fn download(
        stage: &Stage<'_>,
        output: &OutputBuffers,
        launched: &LaunchedTasks<'_>,
        indices: &[usize],
    ) -> Result<Self, EngineError> {
        let (outcomes, trees) = (stage.download(&output.outcomes)?, stage.download(&output.trees)?);
        let losses = stage.download(&output.losses)?;
        let (mut kept, mut first, mut ends) = (Vec::new(), Vec::with_capacity(indices.len()), (0_u64, 0_u64));
        for ((outcome, job), &index) in outcomes.iter().zip(launched.jobs).zip(indices) {
            first.push(kept.len());
            for round in 0..outcome.rounds_kept(launched.tasks[index].params) {
                let size: &TreeSize = &trees[job.trees as usize + round];
                kept.push(KeptTree {
                    from_node: job.nodes + round as u64 * u64::from(job.node_capacity),
                    to_node: ends.0,
                    from_leaf: job.leaves + round as u64 * u64::from(job.leaf_capacity),
                    to_leaf: ends.1,
                    nodes: size.nodes,
                    leaves: size.leaves,
                });
                ends = (ends.0 + u64::from(size.nodes), ends.1 + u64::from(size.leaves));
            }
        }
        let (list, mut nodes, mut leaves) =
            (stage.upload(&kept)?, stage.zeros(ends.0 as usize)?, stage.zeros(ends.1 as usize)?);
        let shape = Shape::one_thread_each(kept.len() * WARP, THREADS);
        // SAFETY: a warp per kept tree; further ones return. The kernels wrote as many nodes and leaves as a tree's size says
        // at its place among those of all rounds, and both new buffers have room for those of all kept trees.
        unsafe {
            stage
                .launch(&KEEP, shape)
                .read(&list)
                .value(kept.len() as u32)
                .read(&output.nodes)
                .read(&output.leaves)
                .write(&mut nodes)
                .write(&mut leaves)
                .run()
        }?;
        Ok(Self {
            nodes: stage.download(&nodes)?,
            leaves: stage.download(&leaves)?,
            kept,
            first,
            trees,
            losses,
            outcomes,
        })
    }

    /// The forest of job `number` of the launch.
    fn forest(&self, number: usize, job: &JobArgs, params: &BoostParams, names: &[String], cuts: &Cuts) -> Forest {
        let outcome = &self.outcomes[number];
        let first = job.trees as usize;
        let averaged = job.averaged != 0;
        Forest {
            objective: params.objective,
            features: names.to_vec(),
            // The trees of an averaged forest include it.
            base_score: vec![if averaged { 0.0 } else { job.base }],
            averaged,
            trees: (0..outcome.rounds_kept(params)).map(|round| self.tree(number, round, job, cuts)).collect(),
            validation_loss: self.losses[first..first + outcome.losses as usize].to_vec(),
        }
    }

    /// The tree of a round of job `number`.
    fn tree(&self, number: usize, round: usize, job: &JobArgs, cuts: &Cuts) -> Tree {
        let (size, kept) = (&self.trees[job.trees as usize + round], &self.kept[self.first[number] + round]);
        let nodes = &self.nodes[kept.to_node as usize..][..kept.nodes as usize];
        let leaves = &self.leaves[kept.to_leaf as usize..][..kept.leaves as usize];
        let base = if job.averaged != 0 { job.base } else { 0.0 };
        let value = |value: f32| if job.averaged != 0 { f64::from(value) + base } else { f64::from(value) };
        let weight = |hessian: i32| f64::from(hessian) * size.hessian_unit;
        let child = |number: u32| if number & LEAF != 0 { Child::Leaf(number & !LEAF) } else { Child::Node(number) };
        Tree {
            split_feature: nodes.iter().map(|node| node.feature).collect(),
            threshold: nodes.iter().map(|node| cuts.threshold(node.feature as usize, node.bin as usize)).collect(),
            missing_left: nodes.iter().map(|node| node.missing_left != 0).collect(),
            left: nodes.iter().map(|node| child(node.left)).collect(),
            right: nodes.iter().map(|node| child(node.right)).collect(),
            split_gain: nodes.iter().map(|node| node.gain).collect(),
            node_value: nodes.iter().map(|node| value(node.value)).collect(),
            node_weight: nodes.iter().map(|node| weight(node.hessian)).collect(),
            node_count: nodes.iter().map(|node| node.count).collect(),
            leaf_value: leaves.iter().map(|leaf| value(leaf.value)).collect(),
            leaf_weight: leaves.iter().map(|leaf| weight(leaf.hessian)).collect(),
            leaf_count: leaves.iter().map(|leaf| leaf.count).collect(),
        }
    }
}
