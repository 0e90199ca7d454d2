//! What the jobs of a launch are told, and how much they write.

use std::collections::HashMap;

use super::layout::JobArgs;
use crate::objective::Targets;
use crate::quantised::sum;
use crate::{Ensemble, Objective, Task, sample};

/// Most leaves of a task's tree.
pub fn leaf_capacity(Task { job, params }: &Task<'_>) -> usize {
    let by_depth = 1_usize << params.max_depth.min(20);
    by_depth.min(job.train.len()).max(1)
}

/// All jobs of a launch, packed.
#[derive(Default)]
pub struct Arguments {
    pub jobs: Vec<JobArgs>,
    pub labels: Vec<f32>,
    pub weights: Vec<f64>,
    pub sizes: Sizes,
}

/// Where labels and weights of a job lie, by its address and by what scales the weights: tasks of one job share them.
type Known = HashMap<(usize, Option<u64>), (u64, u64)>;

/// Lengths of what the jobs write.
#[derive(Default)]
pub struct Sizes {
    pub scratch_f64: usize,
    pub scratch_u32: usize,
    pub parts: usize,
    pub nodes: usize,
    pub leaves: usize,
    pub trees: usize,
}

impl Arguments {
    /// Of the tasks of some sets of rows, set by set.
    pub fn of(tasks: &[Task<'_>], sets: &[Vec<usize>], features: usize) -> Self {
        let (mut arguments, mut known) = (Self::default(), Known::new());
        for (number, set) in sets.iter().enumerate() {
            set.iter().for_each(|&place| arguments.add(&tasks[place], number, features, &mut known));
        }
        arguments
    }

    /// Adds a task that learns from set number `set` of the launch's rows.
    fn add(&mut self, task: &Task<'_>, set: usize, features: usize, known: &mut Known) {
        let Task { job, params } = task;
        let targets = Targets::of(job, params);
        // What `Targets` scales weights by: binary objectives alone have it.
        let scale = (params.objective == Objective::Binary).then(|| params.scale_pos_weight.to_bits());
        let leaf_capacity = leaf_capacity(task);
        let (rounds, rows, valid) = (params.rounds as usize, job.train.len(), job.valid.len());
        let valid_weights = || job.valid_weights.iter().map(|&weight| f64::from(weight));
        let train_weights = targets.weights().unwrap_or_default();
        let shared = known.entry((std::ptr::from_ref(*job).addr(), scale));
        let (labels_from, weights_from) = *shared.or_insert_with(|| {
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
                Objective::Binary => 0,
                Objective::Huber { .. } => 2,
                _ => 1,
            },
            averaged: u32::from(params.ensemble == Ensemble::Forest),
            rounds: params.rounds,
            max_depth: params.max_depth,
            patience: params.early_stopping,
            min_rounds: params.min_rounds,
            features_a_tree: features_a_tree as u32,
            features_a_node: sample::share_of(features_a_tree, params.colsample_node) as u32,
            weighted: u32::from(!train_weights.is_empty()) + 2 * u32::from(!job.valid_weights.is_empty()),
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
