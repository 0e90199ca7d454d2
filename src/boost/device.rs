//! Boosting by `kernels/bins.cu` and `kernels/boost.cu`: twin of `cpu`.
//!
//! Every set of rows is binned by one block a feature, and every model is trained by one block from first to last tree.
//! Jobs that the kernels do not know, or whose rows are too many for a block, are trained by the CPU: the bits are the
//! same. [`plan`] tells which are which.

mod layout;
mod predict;
mod unpack;

pub use predict::{raw_scores, raw_scores_on};

use std::collections::HashMap;

use super::bins::Cuts;
use super::objective::Targets;
use super::quantised::sum;
use super::{BoostError, BoostJob, BoostParams, Ensemble, Forest, Growth, Objective, Table, cpu, sample};
use crate::engine::memory::Need;
use crate::engine::{Compute, Device, EngineError, Kernel, Shape, Stage};
use layout::{BinRows, Group, JobArgs, LANES, MOST_CUTS, Outcome, PackRows, Part, Rows, TreeLeaf, TreeNode, TreeSize};

const BIN_COLUMNS: Kernel = Kernel { file: "bins", name: "bins_columns", barriers: true };
const PACK_CODES: Kernel = Kernel { file: "bins", name: "bins_pack", barriers: false };
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
            let batch = Batch::new(table.features, jobs, &sets[part]);
            for (place, forest) in batch.train(stage, &values, features)? {
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

/// Most leaves of a job's tree.
fn leaf_capacity(job: &BoostJob) -> usize {
    let by_depth = 1_usize << job.params.max_depth.min(20);
    by_depth.min(job.train.len()).max(1)
}

/// Sets of rows, each with its jobs.
struct Batch<'a> {
    features: usize,
    jobs: &'a [BoostJob],
    sets: &'a [Vec<usize>],
    groups: usize,
}

/// What the CPU needs to know of a batch's bins.
struct Binned {
    cuts: Vec<Cuts>,
    any_missing: Vec<u32>,
}

impl<'a> Batch<'a> {
    fn new(features: usize, jobs: &'a [BoostJob], sets: &'a [Vec<usize>]) -> Self {
        Self { features, jobs, sets, groups: features.div_ceil(LANES) }
    }

    fn train(
        &self,
        stage: &Stage<'_>,
        values: &crate::engine::DeviceBuffer<f32>,
        names: &[String],
    ) -> Result<Vec<(usize, Forest)>, EngineError> {
        let threads = if stage.device() == Device::Emulated { EMULATED_THREADS } else { THREADS };
        let first = |set: &Vec<usize>| &self.jobs[set[0]];
        // Bins: one block a feature of a set.
        let (mut rows, mut bin_rows, mut columns, mut most_keys) = (Vec::new(), Vec::new(), 0_u64, 1_usize);
        for job in self.sets.iter().map(first) {
            let keys = job.train.len().next_power_of_two();
            most_keys = most_keys.max(keys);
            bin_rows.push(BinRows {
                rows: rows.len() as u64,
                columns,
                train_rows: job.train.len() as u32,
                valid_rows: job.valid.len() as u32,
                max_bin: job.params.max_bin,
                keys: keys as u32,
            });
            rows.extend_from_slice(&job.train);
            rows.extend_from_slice(&job.valid);
            columns += (self.features * (job.train.len() + job.valid.len())) as u64;
        }
        let all_columns = self.sets.len() * self.features;
        let on_device = (stage.upload(&bin_rows)?, stage.upload(&rows)?);
        let mut cuts = stage.zeros::<f32>(all_columns * MOST_CUTS)?;
        let (mut cut_counts, mut any_missing) = (stage.zeros::<u32>(all_columns)?, stage.zeros::<u32>(all_columns)?);
        let mut column_codes = stage.zeros::<u8>(columns as usize)?;
        let blocks = [self.features as u32, self.sets.len() as u32, 1];
        stage
            .launch(&BIN_COLUMNS, Shape { blocks, threads, shared_bytes: (most_keys * 8) as u32 })
            .read(values)
            .value(self.features as u32)
            .read(&on_device.0)
            .read(&on_device.1)
            .write(&mut cuts)
            .write(&mut cut_counts)
            .write(&mut any_missing)
            .write(&mut column_codes)
            .run()?;
        let binned = self.binned(&stage.download(&cuts)?, &stage.download(&cut_counts)?, stage.download(&any_missing)?);

        // Features with few bins stand together, as on the CPU.
        let (groups, orders) = self.layout(&binned);
        let group_bins: Vec<u32> = groups.iter().map(|group| group.bins).collect();
        let width = (self.groups * LANES) as u64;
        let (mut packed, mut set_rows, mut codes, mut most_rows) = (Vec::new(), Vec::new(), 0_u64, 0_u32);
        for (number, of) in bin_rows.iter().enumerate() {
            let valid_codes = codes + width * u64::from(of.train_rows);
            let (first_group, groups) = ((number * self.groups) as u32, self.groups as u32);
            packed.push(PackRows {
                columns: of.columns,
                train_codes: codes,
                valid_codes,
                order: (number * self.features) as u64,
                group_bins: u64::from(first_group),
                train_rows: of.train_rows,
                valid_rows: of.valid_rows,
                groups,
                padding: 0,
            });
            set_rows.push(Rows {
                train_codes: codes,
                valid_codes,
                first_group,
                groups,
                features: self.features as u32,
                train_rows: of.train_rows,
                valid_rows: of.valid_rows,
                padding: 0,
            });
            codes = valid_codes + width * u64::from(of.valid_rows);
            most_rows = most_rows.max(of.train_rows + of.valid_rows);
        }
        let mut row_codes = stage.zeros::<u8>(codes as usize)?;
        let (packed, orders, group_bins) = (stage.upload(&packed)?, stage.upload(&orders)?, stage.upload(&group_bins)?);
        let blocks = [most_rows.div_ceil(threads / LANES as u32), self.sets.len() as u32, 1];
        stage
            .launch(&PACK_CODES, Shape { blocks, threads, shared_bytes: 0 })
            .read(&packed)
            .read(&orders)
            .read(&group_bins)
            .value(self.features as u32)
            .read(&column_codes)
            .write(&mut row_codes)
            .run()?;
        drop(column_codes);

        // Trees: one block a job.
        let mut arguments = Arguments::default();
        for (number, set) in self.sets.iter().enumerate() {
            set.iter().for_each(|&place| arguments.add(&self.jobs[place], number, self.features));
        }
        let Arguments { jobs, labels, weights, sizes } = &arguments;
        let (jobs_there, rows_there, groups_there) =
            (stage.upload(jobs)?, stage.upload(&set_rows)?, stage.upload(&groups)?);
        let (labels, weights) = (stage.upload(labels)?, stage.upload(weights)?);
        let (mut scratch_f64, mut scratch_u32) =
            (stage.zeros::<f64>(sizes.scratch_f64)?, stage.zeros::<u32>(sizes.scratch_u32)?);
        let mut parts = stage.zeros::<Part>(sizes.parts)?;
        let (mut nodes, mut leaves) = (stage.zeros::<TreeNode>(sizes.nodes)?, stage.zeros::<TreeLeaf>(sizes.leaves)?);
        let (mut trees, mut losses) = (stage.zeros::<TreeSize>(sizes.trees)?, stage.zeros::<f64>(sizes.trees)?);
        let mut outcomes = stage.zeros::<Outcome>(jobs.len())?;
        stage
            .launch(&TRAIN, Shape::one_block_each(jobs.len(), threads, 0))
            .read(&jobs_there)
            .read(&rows_there)
            .read(&groups_there)
            .read(&cuts)
            .read(&row_codes)
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
        let told = unpack::Told {
            nodes: stage.download(&nodes)?,
            leaves: stage.download(&leaves)?,
            trees: stage.download(&trees)?,
            losses: stage.download(&losses)?,
            outcomes: stage.download(&outcomes)?,
        };
        let places =
            self.sets.iter().enumerate().flat_map(|(number, set)| set.iter().map(move |&place| (number, place)));
        Ok(places
            .zip(jobs)
            .enumerate()
            .map(|(at, ((set, place), job))| {
                (place, told.forest(at, job, &self.jobs[place].params, names, &binned.cuts[set]))
            })
            .collect())
    }

    fn binned(&self, cuts: &[f32], counts: &[u32], any_missing: Vec<u32>) -> Binned {
        let of_column = |column: usize| cuts[column * MOST_CUTS..][..counts[column] as usize].to_vec();
        let of_set =
            |set: usize| Cuts { cuts: (set * self.features..(set + 1) * self.features).map(of_column).collect() };
        Binned { cuts: (0..self.sets.len()).map(of_set).collect(), any_missing }
    }

    /// Groups of all sets, and the order of features that they make, `[sets][features]`.
    fn layout(&self, binned: &Binned) -> (Vec<Group>, Vec<u32>) {
        let (mut groups, mut orders) = (Vec::new(), Vec::new());
        for (set, Cuts { cuts }) in binned.cuts.iter().enumerate() {
            let mut order: Vec<u32> = (0..self.features as u32).collect();
            order.sort_by_key(|&feature| cuts[feature as usize].len());
            for features in order.chunks(LANES) {
                let mut group = Group::EMPTY;
                for (lane, &feature) in features.iter().enumerate() {
                    let column = set * self.features + feature as usize;
                    group.first_cut[lane] = (column * MOST_CUTS) as u64;
                    group.cuts[lane] = cuts[feature as usize].len() as u32;
                    group.feature[lane] = feature;
                    group.bins = group.bins.max(cuts[feature as usize].len() as u32 + 1);
                    group.any_missing |= binned.any_missing[column];
                }
                groups.push(group);
            }
            orders.extend(order);
        }
        (groups, orders)
    }
}

/// What the jobs of a launch are told, packed.
#[derive(Default)]
struct Arguments {
    jobs: Vec<JobArgs>,
    labels: Vec<f32>,
    weights: Vec<f64>,
    sizes: Sizes,
}

/// Lengths of what the jobs write.
#[derive(Default)]
struct Sizes {
    scratch_f64: usize,
    scratch_u32: usize,
    parts: usize,
    nodes: usize,
    leaves: usize,
    trees: usize,
}

impl Arguments {
    fn add(&mut self, job: &BoostJob, set: usize, features: usize) {
        let params = &job.params;
        let targets = Targets::of(job, params);
        let leaf_capacity = leaf_capacity(job);
        let (rounds, rows, valid) = (params.rounds as usize, job.train.len(), job.valid.len());
        let valid_weights: Vec<f64> = job.valid_weights.iter().map(|&weight| f64::from(weight)).collect();
        let train_weights = targets.weights().unwrap_or_default();
        let features_a_tree = sample::share_of(features, params.colsample);
        let sizes = &mut self.sizes;
        self.jobs.push(JobArgs {
            seed: params.seed,
            labels: self.labels.len() as u64,
            weights: self.weights.len() as u64,
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
            valid_total: if valid_weights.is_empty() { valid as f64 } else { sum(&valid_weights) },
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
            weighted: u32::from(!train_weights.is_empty()) + 2 * u32::from(!valid_weights.is_empty()),
            node_capacity: (leaf_capacity - 1).max(1) as u32,
            leaf_capacity: leaf_capacity as u32,
        });
        self.labels.extend_from_slice(&job.train_labels);
        self.labels.extend_from_slice(&job.valid_labels);
        self.weights.extend_from_slice(train_weights);
        self.weights.extend(valid_weights);
        sizes.scratch_f64 += 3 * rows + 2 * valid;
        sizes.scratch_u32 += 4 * rows;
        sizes.parts += 2 * leaf_capacity;
        sizes.nodes += rounds * (leaf_capacity - 1).max(1);
        sizes.leaves += rounds * leaf_capacity;
        sizes.trees += rounds;
    }
}
