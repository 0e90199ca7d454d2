//! From what the kernels wrote to forests.

use rayon::prelude::*;

use super::arguments::Sizes;
use super::layout::{JobArgs, LEAF, Outcome, TreeLeaf, TreeNode, TreeSize};
use crate::boost::bins::Cuts;
use crate::boost::{BoostJob, BoostParams, Child, Forest, Tree};
use crate::engine::{DeviceBuffer, EngineError, Stage};

/// All that a launch told.
pub struct Told {
    pub nodes: Vec<TreeNode>,
    pub leaves: Vec<TreeLeaf>,
    pub trees: Vec<TreeSize>,
    pub losses: Vec<f64>,
    pub outcomes: Vec<Outcome>,
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

    pub fn told(&self, stage: &Stage<'_>) -> Result<Told, EngineError> {
        Ok(Told {
            nodes: stage.download(&self.nodes)?,
            leaves: stage.download(&self.leaves)?,
            trees: stage.download(&self.trees)?,
            losses: stage.download(&self.losses)?,
            outcomes: stage.download(&self.outcomes)?,
        })
    }
}

impl Told {
    /// The forests of the jobs of some sets, each with its place; `args` are the jobs' in the order of the sets, `cuts` the
    /// sets'.
    pub fn forests(
        &self,
        jobs: &[BoostJob],
        sets: &[Vec<usize>],
        args: &[JobArgs],
        names: &[String],
        cuts: &[Cuts],
    ) -> Vec<(usize, Forest)> {
        let places: Vec<usize> = sets.iter().flatten().copied().collect();
        let forest = |(at, (&place, args)): (usize, (&usize, &JobArgs))| {
            (place, self.forest(at, args, &jobs[place].params, names, &cuts[args.rows as usize]))
        };
        places.par_iter().zip(args).enumerate().map(forest).collect()
    }

    /// The forest of the job at place `at` of the launch.
    fn forest(&self, at: usize, job: &JobArgs, params: &BoostParams, names: &[String], cuts: &Cuts) -> Forest {
        let outcome = &self.outcomes[at];
        let first = job.trees as usize;
        let chosen = params.early_stopping > 0 && outcome.losses > 0;
        let kept = if chosen { outcome.trees.min(outcome.best_round + 1) } else { outcome.trees };
        let averaged = job.averaged != 0;
        Forest {
            objective: params.objective,
            features: names.to_vec(),
            // The trees of an averaged forest carry it.
            base_score: vec![if averaged { 0.0 } else { job.base }],
            averaged,
            trees: (0..kept as usize).map(|round| self.tree(round, job, cuts)).collect(),
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
