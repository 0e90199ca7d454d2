//! The arguments of the jobs of a launch, and the sizes of what the jobs write.

use std::collections::HashMap;

use rayon::prelude::*;

use super::layout::{BINARY, HUBER, JobArgs, REGRESSION, TRAIN_WEIGHTS, VALID_WEIGHTS};
use crate::objective::Targets;
use crate::quantised::sum;
use crate::{Ensemble, Objective, Task, sample};

/// Tasks whose targets are made by all cores at a time.
const TARGETS_AT_A_TIME: usize = 256;

/// Most leaves of a tree of this task.
pub fn leaf_capacity(Task { job, params }: &Task<'_>) -> usize {
    let by_depth = 1_usize << params.max_depth.min(20);
    by_depth.min(job.train.len()).max(1)
}

/// All jobs of a launch, packed.
#[derive(Default)]
pub struct Arguments {
    /// One per task, set by set.
    pub jobs: Vec<JobArgs>,
    /// Labels of all jobs, at [`JobArgs::labels`]: those of the training rows, then those of the validation rows.
    pub labels: Vec<f32>,
    /// Weights of all jobs, at [`JobArgs::weights`], in the same order; see [`JobArgs::weighted`].
    pub weights: Vec<f64>,
    /// Lengths of the buffers that the jobs write.
    pub sizes: Sizes,
}

/// Where the labels and weights of a job begin, by its address and by the factor of its weights: tasks of one job share them.
type Shared = HashMap<(usize, Option<u64>), (u64, u64)>;

/// Lengths of the buffers that the jobs write: the sums over all jobs.
#[derive(Default)]
pub struct Sizes {
    /// 3 per training row and 2 per validation row.
    pub scratch_f64: usize,
    /// 4 per training row.
    pub scratch_u32: usize,
    /// Two levels of [`leaf_capacity`] per job.
    pub parts: usize,
    /// [`JobArgs::node_capacity`] per round.
    pub nodes: usize,
    /// [`JobArgs::leaf_capacity`] per round.
    pub leaves: usize,
    /// One per round.
    pub trees: usize,
}

impl Arguments {
    /// The arguments of the tasks of some sets of rows, set by set.
    pub fn of(tasks: &[Task<'_>], sets: &[Vec<usize>], features: usize) -> Self {
        let (mut arguments, mut shared) = (Self::default(), Shared::new());
        let launched: Vec<(usize, &Task<'_>)> = sets
            .iter()
            .enumerate()
            .flat_map(|(number, set)| set.iter().map(move |&index| (number, &tasks[index])))
            .collect();
        // They sum over all rows of each task, and may hold its weights.
        for some in launched.chunks(TARGETS_AT_A_TIME) {
            let targets: Vec<Targets<'_>> =
                some.par_iter().map(|(_, task)| Targets::of(task.job, task.params)).collect();
            for ((number, task), targets) in some.iter().zip(&targets) {
                arguments.add(task, targets, *number, features, &mut shared);
            }
        }
        arguments
    }

    /// Adds a task whose rows are set number `set` of the launch.
    fn add(&mut self, task: &Task<'_>, targets: &Targets<'_>, set: usize, features: usize, shared: &mut Shared) {
        let Task { job, params } = task;
        // The factor by which `Targets` scales weights; only binary objectives have one.
        let scale = (params.objective == Objective::Binary).then(|| params.scale_pos_weight.to_bits());
        let leaf_capacity = leaf_capacity(task);
        let (rounds, rows, valid) = (params.rounds as usize, job.train.len(), job.valid.len());
        let valid_weights = || job.valid_weights.iter().map(|&weight| f64::from(weight));
        let train_weights = targets.weights().unwrap_or_default();
        let entry = shared.entry((std::ptr::from_ref(*job).addr(), scale));
        let (labels_from, weights_from) = *entry.or_insert_with(|| {
            let from = (self.labels.len() as u64, self.weights.len() as u64);
            self.labels.extend_from_slice(&job.train_labels);
            self.labels.extend_from_slice(&job.valid_labels);
            self.weights.extend_from_slice(train_weights);
            self.weights.extend(valid_weights());
            from
        });
        let features_a_tree = sample::share_of(features, params.colsample);
        let sizes = &mut self.sizes;
        self.jobs.push(JobArgs {
            seed: params.seed,
            labels: labels_from,
            weights: weights_from,
            scratch_f64: sizes.scratch_f64 as u64,
            scratch_u32: sizes.scratch_u32 as u64,
            parts: sizes.parts as u64,
            nodes: sizes.nodes as u64,
            leaves: sizes.leaves as u64,
            trees: sizes.trees as u64,
            base: targets.base_scores()[0],
            rate: params.rate(),
            l2: params.l2,
            min_child_hessian: params.min_child_hessian,
            min_split_gain: params.min_split_gain,
            subsample: params.subsample,
            delta: if let Objective::Huber { delta } = params.objective { delta } else { 0.0 },
            valid_total: if job.valid_weights.is_empty() {
                valid as f64
            } else {
                sum(&valid_weights().collect::<Vec<_>>())
            },
            rows: set as u32,
            objective: match params.objective {
                Objective::Binary => BINARY,
                Objective::Huber { .. } => HUBER,
                // `plan` leaves the last two to the CPU.
                Objective::Regression | Objective::Multiclass { .. } | Objective::Quantile { .. } => REGRESSION,
            },
            averaged: u32::from(params.ensemble == Ensemble::Forest),
            rounds: params.rounds,
            max_depth: params.max_depth,
            patience: params.early_stopping,
            min_rounds: params.min_rounds,
            features_a_tree: features_a_tree as u32,
            features_a_node: sample::share_of(features_a_tree, params.colsample_node) as u32,
            weighted: TRAIN_WEIGHTS * u32::from(!train_weights.is_empty())
                + VALID_WEIGHTS * u32::from(!job.valid_weights.is_empty()),
            node_capacity: (leaf_capacity - 1).max(1) as u32,
            leaf_capacity: leaf_capacity as u32,
        });
        sizes.scratch_f64 += 3 * rows + 2 * valid;
        sizes.scratch_u32 += 4 * rows;
        sizes.parts += 2 * leaf_capacity;
        sizes.nodes += rounds * (leaf_capacity - 1).max(1);
        sizes.leaves += rounds * leaf_capacity;
        sizes.trees += rounds;
    }
}
