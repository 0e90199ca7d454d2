//! Makes forests, or losses only, from what the kernels wrote.

use rayon::prelude::*;

use super::arguments::Sizes;
use super::layout::{JobArgs, LEAF, Outcome, TreeLeaf, TreeNode, TreeSize};
use crate::bins::Cuts;
use crate::trial::Trial;
use crate::{BoostParams, Child, Forest, Task, Tree};
use huracan_engine::{DeviceBuffer, EngineError, Stage};

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
        let output = HostOutput::download(stage, output)?;
        let forest = |(number, (&index, args)): (usize, (&usize, &JobArgs))| {
            let params = launched.tasks[index].params;
            (index, output.forest(number, args, params, launched.names, &launched.cuts[args.rows as usize]))
        };
        let indices: Vec<usize> = launched.sets.iter().flatten().copied().collect();
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

/// What the kernels wrote, copied to the host.
struct HostOutput {
    nodes: Vec<TreeNode>,
    leaves: Vec<TreeLeaf>,
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
    fn download(stage: &Stage<'_>, output: &OutputBuffers) -> Result<Self, EngineError> {
        Ok(Self {
            nodes: stage.download(&output.nodes)?,
            leaves: stage.download(&output.leaves)?,
            trees: stage.download(&output.trees)?,
            losses: stage.download(&output.losses)?,
            outcomes: stage.download(&output.outcomes)?,
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
            trees: (0..outcome.rounds_kept(params)).map(|round| self.tree(round, job, cuts)).collect(),
            validation_loss: self.losses[first..first + outcome.losses as usize].to_vec(),
        }
    }

    fn tree(&self, round: usize, job: &JobArgs, cuts: &Cuts) -> Tree {
        let size = &self.trees[job.trees as usize + round];
        let nodes = &self.nodes[job.nodes as usize + round * job.node_capacity as usize..][..size.nodes as usize];
        let leaves = &self.leaves[job.leaves as usize + round * job.leaf_capacity as usize..][..size.leaves as usize];
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
