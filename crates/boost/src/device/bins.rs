//! The bins and codes of many sets of rows, which stay on the device. They are made by `kernels/bins.cu`; for sets of more
//! rows than a block can sort by `kernels/bins_large.cu`, or by the CPU if the device lacks the memory.

mod large;

use rayon::prelude::*;

#[cfg(test)]
pub(super) use large::{DIGITS, PIECE};

use super::layout::{BinRows, Group, LANES, MAX_CUTS, PackRows, Rows};
use crate::bins::Cuts;
use crate::cpu;
use crate::{Table, Task};
use huracan_engine::{DeviceBuffer, EngineError, Kernel, Shape, Stage};

const COLUMNS: Kernel = Kernel { file: "bins", name: "bins_columns", barriers: true };
const PACK: Kernel = Kernel { file: "bins", name: "bins_pack", barriers: false };

/// Shared memory of a key: itself, and where a run of equal keys begins.
const KEY_BYTES: u32 = 4 + 2;

/// The rows of some sets, in bins.
pub struct Bins {
    /// `[sets][features][MAX_CUTS]`.
    pub cuts: DeviceBuffer<f32>,
    /// `[groups][rows][LANES]` for the training rows of each set, then for its validation rows.
    pub codes: DeviceBuffer<u8>,
    /// `[sets][groups]`.
    pub groups: Vec<Group>,
    /// One per set.
    pub rows: Vec<Rows>,
    /// The cuts of each set, on the host.
    pub host_cuts: Vec<Cuts>,
}

/// The rows of some sets that are to be binned.
struct RowSets {
    features: usize,
    sets: Vec<BinRows>,
    /// Rows of the table: the training rows of each set, then its validation rows.
    rows: Vec<u32>,
    /// Number of codes in all columns.
    cells: usize,
}

impl RowSets {
    fn of(features: usize, sets: &[Task<'_>]) -> Self {
        let mut row_sets = Self { features, sets: Vec::with_capacity(sets.len()), rows: Vec::new(), cells: 0 };
        for Task { job, params } in sets {
            row_sets.sets.push(BinRows {
                rows: row_sets.rows.len() as u64,
                columns: row_sets.cells as u64,
                train_rows: job.train.len() as u32,
                valid_rows: job.valid.len() as u32,
                max_bin: params.max_bin,
                keys: job.train.len().next_power_of_two() as u32,
            });
            row_sets.rows.extend_from_slice(&job.train);
            row_sets.rows.extend_from_slice(&job.valid);
            row_sets.cells += features * (job.train.len() + job.valid.len());
        }
        row_sets
    }
}

/// The columns of all sets, before they are laid out in groups.
struct Columns {
    cuts: DeviceBuffer<f32>,
    codes: DeviceBuffer<u8>,
    host_cuts: Vec<Cuts>,
    /// Whether a training value is missing, `[sets][features]`.
    any_missing: Vec<u32>,
}

impl Bins {
    /// Bins the training and validation rows of `sets`, each given by one of the tasks that share it. The tasks must have been
    /// checked against the table, and have at most as many training rows as a block can sort. `table` is `[rows × features]`.
    pub fn of(
        stage: &Stage<'_>,
        table: &DeviceBuffer<f32>,
        features: usize,
        sets: &[Task<'_>],
        threads: u32,
    ) -> Result<Self, EngineError> {
        let row_sets = RowSets::of(features, sets);
        let columns = Columns::of(stage, table, &row_sets, threads)?;
        Self::packed(stage, features, &row_sets.sets, columns, threads)
    }

    /// [`Self::of`] for sets of any number of rows, with many blocks per set. The CPU bins them if the device lacks the memory
    /// for that, or for the table.
    pub fn of_large(
        stage: &Stage<'_>,
        table: Table<'_>,
        uploaded: Option<&DeviceBuffer<f32>>,
        sets: &[Task<'_>],
        threads: u32,
    ) -> Result<Self, EngineError> {
        let row_sets = RowSets::of(table.features, sets);
        match uploaded {
            Some(values) if large::fits(stage, &row_sets, threads)? => {
                let columns = large::columns(stage, values, &row_sets, threads)?;
                Self::packed(stage, table.features, &row_sets.sets, columns, threads)
            }
            _ => Self::by_cpu(stage, table, sets),
        }
    }

    fn by_cpu(stage: &Stage<'_>, table: Table<'_>, sets: &[Task<'_>]) -> Result<Self, EngineError> {
        let binned: Vec<cpu::Rows> = sets.par_iter().map(|set| cpu::Rows::new(table, set)).collect();
        let (mut host_cuts, mut any_missing) = (Vec::with_capacity(binned.len()), Vec::new());
        let (mut all_cuts, mut codes, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        let groups_per_set = table.features.div_ceil(LANES);
        for (set, cpu::Rows { cuts, train, valid }) in binned.into_iter().enumerate() {
            for (feature, of_feature) in cuts.cuts.iter().enumerate() {
                all_cuts.extend_from_slice(of_feature);
                all_cuts.resize((set * table.features + feature + 1) * MAX_CUTS, 0.0);
                any_missing.push(u32::from(train.locate(feature as u32).0.any_missing));
            }
            let train_codes = codes.len() as u64;
            train.groups.iter().for_each(|group| codes.extend_from_slice(group.codes.as_flattened()));
            let valid_codes = codes.len() as u64;
            valid.groups.iter().for_each(|group| codes.extend_from_slice(group.codes.as_flattened()));
            rows.push(Rows {
                train_codes,
                valid_codes,
                first_group: (set * groups_per_set) as u32,
                groups: groups_per_set as u32,
                features: table.features as u32,
                train_rows: sets[set].job.train.len() as u32,
                valid_rows: sets[set].job.valid.len() as u32,
                padding: 0,
            });
            host_cuts.push(cuts);
        }
        let (groups, _) = layout(table.features, &host_cuts, &any_missing);
        Ok(Self { cuts: stage.upload(&all_cuts)?, codes: stage.upload(&codes)?, groups, rows, host_cuts })
    }

    /// Lays the columns out in groups of features.
    fn packed(
        stage: &Stage<'_>,
        features: usize,
        sets: &[BinRows],
        columns: Columns,
        threads: u32,
    ) -> Result<Self, EngineError> {
        let (groups, orders) = layout(features, &columns.host_cuts, &columns.any_missing);
        let groups_per_set = features.div_ceil(LANES);
        let width = (groups_per_set * LANES) as u64;
        let (mut packed, mut rows, mut codes) = (Vec::new(), Vec::new(), 0_u64);
        for (set, of) in sets.iter().enumerate() {
            let (train_codes, valid_codes) = (codes, codes + width * u64::from(of.train_rows));
            let first_group = (set * groups_per_set) as u32;
            packed.push(PackRows {
                columns: of.columns,
                train_codes,
                valid_codes,
                order: (set * features) as u64,
                group_bins: u64::from(first_group),
                train_rows: of.train_rows,
                valid_rows: of.valid_rows,
                groups: groups_per_set as u32,
                padding: 0,
            });
            rows.push(Rows {
                train_codes,
                valid_codes,
                first_group,
                groups: groups_per_set as u32,
                features: features as u32,
                train_rows: of.train_rows,
                valid_rows: of.valid_rows,
                padding: 0,
            });
            codes = valid_codes + width * u64::from(of.valid_rows);
        }
        let group_bins: Vec<u32> = groups.iter().map(|group| group.bins).collect();
        let most_rows = sets.iter().map(|of| of.train_rows + of.valid_rows).max().unwrap_or(0);
        let blocks = [most_rows.div_ceil(threads / LANES as u32), sets.len() as u32, 1];
        let mut codes = stage.zeros::<u8>(codes as usize)?;
        let (packed, orders, group_bins) = (stage.upload(&packed)?, stage.upload(&orders)?, stage.upload(&group_bins)?);
        // SAFETY: the y-blocks are the sets, of which `packed` has one entry each, and threads beyond a set's last row return.
        // A set's columns hold `[features][train + valid]` codes of `columns.codes`, which has the cells of all sets; `orders`
        // holds a permutation of the features per set, `group_bins` an entry per group of a set; and `codes` has
        // `groups × LANES` codes per row of every set, at the offsets counted above.
        unsafe {
            stage
                .launch(&PACK, Shape { blocks, threads, shared_bytes: 0 })
                .read(&packed)
                .read(&orders)
                .read(&group_bins)
                .value(features as u32)
                .read(&columns.codes)
                .write(&mut codes)
                .run()
        }?;
        Ok(Self { cuts: columns.cuts, codes, groups, rows, host_cuts: columns.host_cuts })
    }
}

impl Columns {
    /// Cuts and codes, by one block per feature of a set.
    fn of(stage: &Stage<'_>, table: &DeviceBuffer<f32>, row_sets: &RowSets, threads: u32) -> Result<Self, EngineError> {
        let most_keys = row_sets.sets.iter().map(|set| set.keys).max().unwrap_or(1);
        let (sets, rows) = (stage.upload(&row_sets.sets)?, stage.resident(&row_sets.rows)?);
        let mut buffers = ColumnBuffers::zeros(stage, row_sets)?;
        let blocks = [row_sets.features as u32, row_sets.sets.len() as u32, 1];
        // SAFETY: the blocks are the features × the sets. Every task has been checked: its rows are in the table, which has
        // `features` values per row, and its `max_bin` is at most 255, so a column has at most MAX_CUTS cuts. `buffers` has
        // MAX_CUTS cuts, a count and a flag per column, and the cells of all columns; a set's keys, a power of two and at least
        // its training rows, fit the shared memory of KEY_BYTES per key, and so does where each of its runs begins, and their end.
        unsafe {
            stage
                .launch(&COLUMNS, Shape { blocks, threads, shared_bytes: most_keys * KEY_BYTES + 4 })
                .read(table)
                .value(row_sets.features as u32)
                .read(&sets)
                .read(&rows)
                .write(&mut buffers.cuts)
                .write(&mut buffers.counts)
                .write(&mut buffers.any_missing)
                .write(&mut buffers.codes)
                .run()
        }?;
        buffers.columns(stage, row_sets)
    }
}

/// What the kernels write for all columns, `[sets][features]`.
struct ColumnBuffers {
    /// `[MAX_CUTS]` per column.
    cuts: DeviceBuffer<f32>,
    counts: DeviceBuffer<u32>,
    any_missing: DeviceBuffer<u32>,
    codes: DeviceBuffer<u8>,
}

impl ColumnBuffers {
    fn zeros(stage: &Stage<'_>, row_sets: &RowSets) -> Result<Self, EngineError> {
        let columns = row_sets.sets.len() * row_sets.features;
        Ok(Self {
            cuts: stage.zeros(columns * MAX_CUTS)?,
            counts: stage.zeros(columns)?,
            any_missing: stage.zeros(columns)?,
            codes: stage.zeros(row_sets.cells)?,
        })
    }

    fn columns(self, stage: &Stage<'_>, row_sets: &RowSets) -> Result<Columns, EngineError> {
        let features = row_sets.features;
        let (found, counts) = (stage.download(&self.cuts)?, stage.download(&self.counts)?);
        let of_column = |column: usize| found[column * MAX_CUTS..][..counts[column] as usize].to_vec();
        let of_set = |set: usize| Cuts { cuts: (set * features..(set + 1) * features).map(of_column).collect() };
        let host_cuts = (0..row_sets.sets.len()).map(of_set).collect();
        Ok(Columns { cuts: self.cuts, codes: self.codes, host_cuts, any_missing: stage.download(&self.any_missing)? })
    }
}

/// The groups of all sets, and the order of the features in them, `[sets][features]`. It is the order of `Codes::layout`, in
/// which features with few bins are neighbours.
fn layout(features: usize, host_cuts: &[Cuts], any_missing: &[u32]) -> (Vec<Group>, Vec<u32>) {
    let (mut groups, mut orders) = (Vec::new(), Vec::new());
    for (set, host_cuts) in host_cuts.iter().enumerate() {
        let order = host_cuts.by_bins();
        for members in order.chunks(LANES) {
            let mut group = Group::EMPTY;
            for (lane, &feature) in members.iter().enumerate() {
                let column = set * features + feature as usize;
                let cuts = host_cuts.cuts[feature as usize].len() as u32;
                group.first_cut[lane] = (column * MAX_CUTS) as u64;
                group.cuts[lane] = cuts;
                group.feature[lane] = feature;
                group.bins = group.bins.max(cuts + 1);
                group.any_missing |= any_missing[column];
            }
            groups.push(group);
        }
        orders.extend(order);
    }
    (groups, orders)
}
