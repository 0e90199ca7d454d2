//! From what the kernels wrote to forests, or to losses alone.

use rayon::prelude::*;

use super::arguments::Sizes;
use super::layout::{JobArgs, LEAF, Outcome, TreeLeaf, TreeNode, TreeSize};
use crate::bins::Cuts;
use crate::search::Try;
use crate::{BoostParams, Child, Forest, Task, Tree};
use huracan_engine::{DeviceBuffer, EngineError, Stage};

/// The tasks of a launch.
pub struct Launched<'a> {
    pub tasks: &'a [Task<'a>],
    /// Places of the tasks by the rows that they share.
    pub sets: &'a [Vec<usize>],
    /// What the launch was told of each task, in the order of the sets.
    pub jobs: &'a [JobArgs],
    pub names: &'a [String],
    /// Of each set.
    pub cuts: &'a [Cuts],
}

/// What is kept of a trained model.
pub trait Kept: Send + Sized {
    /// Of one that the CPU trained.
    fn of(forest: Forest) -> Self;

    /// Of every task of a launch, with its place.
    fn of_launch(stage: &Stage<'_>, grown: &Grown, launched: &Launched<'_>) -> Result<Vec<(usize, Self)>, EngineError>;
}

impl Kept for Forest {
    fn of(forest: Forest) -> Self {
        forest
    }

    fn of_launch(stage: &Stage<'_>, grown: &Grown, launched: &Launched<'_>) -> Result<Vec<(usize, Self)>, EngineError> {
        let told = Told::of(stage, grown)?;
        let forest = |(at, (&place, args)): (usize, (&usize, &JobArgs))| {
            let params = launched.tasks[place].params;
            (place, told.forest(at, args, params, launched.names, &launched.cuts[args.rows as usize]))
        };
        let places: Vec<usize> = launched.sets.iter().flatten().copied().collect();
        Ok(places.par_iter().zip(launched.jobs).enumerate().map(forest).collect())
    }
}

impl Kept for Try {
    fn of(forest: Forest) -> Self {
        let loss = forest.kept_loss().unwrap_or(f64::INFINITY);
        Self { loss, rounds: forest.validation_loss.len() as u64 }
    }

    /// The trees stay on the device.
    fn of_launch(stage: &Stage<'_>, grown: &Grown, launched: &Launched<'_>) -> Result<Vec<(usize, Self)>, EngineError> {
        let (losses, outcomes) = (stage.download(&grown.losses)?, stage.download(&grown.outcomes)?);
        let places = launched.sets.iter().flatten();
        let tried = |(outcome, (&place, job)): (&Outcome, (&usize, &JobArgs))| {
            let of_job = &losses[job.trees as usize..][..outcome.losses as usize];
            let last = outcome.rounds_kept(launched.tasks[place].params).checked_sub(1);
            let loss = last.and_then(|last| of_job.get(last)).copied().unwrap_or(f64::INFINITY);
            (place, Self { loss, rounds: of_job.len() as u64 })
        };
        Ok(outcomes.iter().zip(places.zip(launched.jobs)).map(tried).collect())
    }
}

impl Outcome {
    /// Rounds up to the best one, where rounds are chosen.
    fn rounds_kept(&self, params: &BoostParams) -> usize {
        let chosen = params.early_stopping > 0 && self.losses > 0;
        (if chosen { self.trees.min(self.best_round + 1) } else { self.trees }) as usize
    }
}

/// All that a launch told.
struct Told {
    nodes: Vec<TreeNode>,
    leaves: Vec<TreeLeaf>,
    trees: Vec<TreeSize>,
    losses: Vec<f64>,
    outcomes: Vec<Outcome>,
}

/// What the kernels write of all jobs of a launch.
pub struct Grown {
    pub nodes: DeviceBuffer<TreeNode>,
    pub leaves: DeviceBuffer<TreeLeaf>,
    pub trees: DeviceBuffer<TreeSize>,
    pub losses: DeviceBuffer<f64>,
    pub outcomes: DeviceBuffer<Outcome>,
}

impl Grown {
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

impl Told {
    fn of(stage: &Stage<'_>, grown: &Grown) -> Result<Self, EngineError> {
        Ok(Self {
            nodes: stage.download(&grown.nodes)?,
            leaves: stage.download(&grown.leaves)?,
            trees: stage.download(&grown.trees)?,
            losses: stage.download(&grown.losses)?,
            outcomes: stage.download(&grown.outcomes)?,
        })
    }

    /// The forest of the job at place `at` of the launch.
    fn forest(&self, at: usize, job: &JobArgs, params: &BoostParams, names: &[String], cuts: &Cuts) -> Forest {
        let outcome = &self.outcomes[at];
        let first = job.trees as usize;
        let averaged = job.averaged != 0;
        Forest {
            objective: params.objective,
            features: names.to_vec(),
            // The trees of an averaged forest carry it.
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
