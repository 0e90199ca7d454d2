//! Bins and codes of many sets of rows, left on the device: made by `kernels/bins.cu`; where a set has more rows than a block
//! can sort by `kernels/bins_large.cu`, or by the CPU if the device has no room for that.

mod large;

use rayon::prelude::*;

use super::layout::{BinRows, Group, LANES, MOST_CUTS, PackRows, Rows};
use crate::bins::Cuts;
use crate::cpu;
use crate::{Table, Task};
use huracan_engine::{DeviceBuffer, EngineError, Kernel, Shape, Stage};

const COLUMNS: Kernel = Kernel { file: "bins", name: "bins_columns", barriers: true };
const PACK: Kernel = Kernel { file: "bins", name: "bins_pack", barriers: false };

/// The rows of some sets, in bins.
pub struct Bins {
    /// `[sets][features][MOST_CUTS]`.
    pub cuts: DeviceBuffer<f32>,
    pub codes: DeviceBuffer<u8>,
    /// `[sets][groups]`.
    pub groups: Vec<Group>,
    /// One a set.
    pub rows: Vec<Rows>,
    /// Cuts of each set, as the CPU has them.
    pub known: Vec<Cuts>,
}

/// The rows of some sets.
struct Asked {
    features: usize,
    places: Vec<BinRows>,
    /// Of the table: each set's training rows, then its validation rows.
    rows: Vec<u32>,
    /// Codes of all columns.
    cells: usize,
}

impl Asked {
    fn of(features: usize, sets: &[Task<'_>]) -> Self {
        let mut asked = Self { features, places: Vec::with_capacity(sets.len()), rows: Vec::new(), cells: 0 };
        for Task { job, params } in sets {
            asked.places.push(BinRows {
                rows: asked.rows.len() as u64,
                columns: asked.cells as u64,
                train_rows: job.train.len() as u32,
                valid_rows: job.valid.len() as u32,
                max_bin: params.max_bin,
                keys: job.train.len().next_power_of_two() as u32,
            });
            asked.rows.extend_from_slice(&job.train);
            asked.rows.extend_from_slice(&job.valid);
            asked.cells += features * (job.train.len() + job.valid.len());
        }
        asked
    }
}

/// Columns of all sets, each by itself.
struct Columns {
    cuts: DeviceBuffer<f32>,
    codes: DeviceBuffer<u8>,
    known: Vec<Cuts>,
    /// Whether a training value is missing, `[sets][features]`.
    any_missing: Vec<u32>,
}

impl Bins {
    /// Bins the training and validation rows of `sets`, each given by one of the tasks that share it. `table` is
    /// `[rows × features]`.
    pub fn of(
        stage: &Stage<'_>,
        table: &DeviceBuffer<f32>,
        features: usize,
        sets: &[Task<'_>],
        threads: u32,
    ) -> Result<Self, EngineError> {
        let asked = Asked::of(features, sets);
        let columns = Columns::of(stage, table, &asked, threads)?;
        Self::packed(stage, features, &asked.places, columns, threads)
    }

    /// [`Self::of`] for sets of any number of rows, by many blocks each; by the CPU where the device has no room for that, or
    /// had none for the table.
    pub fn of_large(
        stage: &Stage<'_>,
        table: Table<'_>,
        uploaded: Option<&DeviceBuffer<f32>>,
        sets: &[Task<'_>],
        threads: u32,
    ) -> Result<Self, EngineError> {
        let asked = Asked::of(table.features, sets);
        match uploaded {
            Some(values) if large::fits(stage, &asked, threads)? => {
                let columns = large::columns(stage, values, &asked, threads)?;
                Self::packed(stage, table.features, &asked.places, columns, threads)
            }
            _ => Self::by_cpu(stage, table, sets),
        }
    }

    fn by_cpu(stage: &Stage<'_>, table: Table<'_>, sets: &[Task<'_>]) -> Result<Self, EngineError> {
        let made: Vec<cpu::Rows> = sets.par_iter().map(|set| cpu::Rows::new(table, set)).collect();
        let (mut known, mut any_missing) = (Vec::with_capacity(made.len()), Vec::new());
        let (mut all_cuts, mut codes, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        let a_set = table.features.div_ceil(LANES);
        for (set, cpu::Rows { cuts, train, valid }) in made.into_iter().enumerate() {
            for (feature, of_feature) in cuts.cuts.iter().enumerate() {
                all_cuts.extend_from_slice(of_feature);
                all_cuts.resize((set * table.features + feature + 1) * MOST_CUTS, 0.0);
                any_missing.push(u32::from(train.place(feature as u32).0.any_missing));
            }
            let train_codes = codes.len() as u64;
            train.groups.iter().for_each(|group| codes.extend_from_slice(group.codes.as_flattened()));
            let valid_codes = codes.len() as u64;
            valid.groups.iter().for_each(|group| codes.extend_from_slice(group.codes.as_flattened()));
            rows.push(Rows {
                train_codes,
                valid_codes,
                first_group: (set * a_set) as u32,
                groups: a_set as u32,
                features: table.features as u32,
                train_rows: sets[set].job.train.len() as u32,
                valid_rows: sets[set].job.valid.len() as u32,
                padding: 0,
            });
            known.push(cuts);
        }
        let (groups, _) = layout(table.features, &known, &any_missing);
        Ok(Self { cuts: stage.upload(&all_cuts)?, codes: stage.upload(&codes)?, groups, rows, known })
    }

    /// Lays the columns out in groups of features.
    fn packed(
        stage: &Stage<'_>,
        features: usize,
        places: &[BinRows],
        columns: Columns,
        threads: u32,
    ) -> Result<Self, EngineError> {
        let (groups, orders) = layout(features, &columns.known, &columns.any_missing);
        let a_set = features.div_ceil(LANES);
        let width = (a_set * LANES) as u64;
        let (mut packed, mut rows, mut codes) = (Vec::new(), Vec::new(), 0_u64);
        for (set, of) in places.iter().enumerate() {
            let (train_codes, valid_codes) = (codes, codes + width * u64::from(of.train_rows));
            let first_group = (set * a_set) as u32;
            packed.push(PackRows {
                columns: of.columns,
                train_codes,
                valid_codes,
                order: (set * features) as u64,
                group_bins: u64::from(first_group),
                train_rows: of.train_rows,
                valid_rows: of.valid_rows,
                groups: a_set as u32,
                padding: 0,
            });
            rows.push(Rows {
                train_codes,
                valid_codes,
                first_group,
                groups: a_set as u32,
                features: features as u32,
                train_rows: of.train_rows,
                valid_rows: of.valid_rows,
                padding: 0,
            });
            codes = valid_codes + width * u64::from(of.valid_rows);
        }
        let group_bins: Vec<u32> = groups.iter().map(|group| group.bins).collect();
        let most_rows = places.iter().map(|of| of.train_rows + of.valid_rows).max().unwrap_or(0);
        let blocks = [most_rows.div_ceil(threads / LANES as u32), places.len() as u32, 1];
        let mut codes = stage.zeros::<u8>(codes as usize)?;
        let (packed, orders, group_bins) = (stage.upload(&packed)?, stage.upload(&orders)?, stage.upload(&group_bins)?);
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
        Ok(Self { cuts: columns.cuts, codes, groups, rows, known: columns.known })
    }
}

impl Columns {
    /// Cuts and codes: one block a feature of a set.
    fn of(stage: &Stage<'_>, table: &DeviceBuffer<f32>, asked: &Asked, threads: u32) -> Result<Self, EngineError> {
        let most_keys = asked.places.iter().map(|of| of.keys).max().unwrap_or(1);
        let (sets, rows) = (stage.upload(&asked.places)?, stage.upload(&asked.rows)?);
        let mut made = Made::zeros(stage, asked)?;
        let blocks = [asked.features as u32, asked.places.len() as u32, 1];
        unsafe {
            stage
                .launch(&COLUMNS, Shape { blocks, threads, shared_bytes: most_keys * size_of::<u64>() as u32 })
                .read(table)
                .value(asked.features as u32)
                .read(&sets)
                .read(&rows)
                .write(&mut made.cuts)
                .write(&mut made.counts)
                .write(&mut made.any_missing)
                .write(&mut made.codes)
                .run()
        }?;
        made.columns(stage, asked)
    }
}

/// What kernels write of all columns, `[sets][features]`.
struct Made {
    /// `[MOST_CUTS]` a column.
    cuts: DeviceBuffer<f32>,
    counts: DeviceBuffer<u32>,
    any_missing: DeviceBuffer<u32>,
    codes: DeviceBuffer<u8>,
}

impl Made {
    fn zeros(stage: &Stage<'_>, asked: &Asked) -> Result<Self, EngineError> {
        let columns = asked.places.len() * asked.features;
        Ok(Self {
            cuts: stage.zeros(columns * MOST_CUTS)?,
            counts: stage.zeros(columns)?,
            any_missing: stage.zeros(columns)?,
            codes: stage.zeros(asked.cells)?,
        })
    }

    fn columns(self, stage: &Stage<'_>, asked: &Asked) -> Result<Columns, EngineError> {
        let features = asked.features;
        let (found, counts) = (stage.download(&self.cuts)?, stage.download(&self.counts)?);
        let of_column = |column: usize| found[column * MOST_CUTS..][..counts[column] as usize].to_vec();
        let of_set = |set: usize| Cuts { cuts: (set * features..(set + 1) * features).map(of_column).collect() };
        let known = (0..asked.places.len()).map(of_set).collect();
        Ok(Columns { cuts: self.cuts, codes: self.codes, known, any_missing: stage.download(&self.any_missing)? })
    }
}

/// Groups of all sets, and the order of features that they make, `[sets][features]`: twin of `Codes::layout`, where features
/// with few bins stand together.
fn layout(features: usize, known: &[Cuts], any_missing: &[u32]) -> (Vec<Group>, Vec<u32>) {
    let (mut groups, mut orders) = (Vec::new(), Vec::new());
    for (set, known) in known.iter().enumerate() {
        let order = known.by_bins();
        for members in order.chunks(LANES) {
            let mut group = Group::EMPTY;
            for (lane, &feature) in members.iter().enumerate() {
                let column = set * features + feature as usize;
                let cuts = known.cuts[feature as usize].len() as u32;
                group.first_cut[lane] = (column * MOST_CUTS) as u64;
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
