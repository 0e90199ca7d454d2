//! The columns of sets with many rows, by many blocks per column: `kernels/bins_large.cu`.

use super::{ColumnBuffers, Columns, RowSets};
use crate::device::layout::{BinRows, LANES, MAX_CUTS};
use huracan_engine::{Device, DeviceBuffer, EngineError, Kernel, Shape, Stage};

const KEYS: Kernel = kernel("bins_large_keys");
const COUNT: Kernel = kernel("bins_large_count");
const OFFSETS: Kernel = kernel("bins_large_offsets");
const SCATTER: Kernel = kernel("bins_large_scatter");
const CUT: Kernel = kernel("bins_large_cut");
const CODES: Kernel = kernel("bins_large_codes");

/// Where the four digits of a key begin, eight bits each.
const SHIFTS: [u32; 4] = [0, 8, 16, 24];
/// Values of a digit.
pub(in crate::device) const DIGITS: usize = 256;
/// Rows of a piece that is transposed in shared memory.
pub(in crate::device) const PIECE: u32 = 64;
/// Keys per warp of a tile.
const SEGMENT: u32 = 512;
/// [`SEGMENT`] of the emulated device: so few that small tests have many tiles.
const EMULATED_SEGMENT: u32 = 96;

const fn kernel(name: &'static str) -> Kernel {
    Kernel { file: "bins_large", name, barriers: true }
}

/// The tiles in which the columns of a set are sorted.
struct Tiles {
    /// Keys per warp.
    segment: u32,
    /// Tiles per column.
    count: u32,
}

impl Tiles {
    fn of(stage: &Stage<'_>, set: &BinRows, threads: u32) -> Self {
        let segment = if stage.device() == Device::Emulated { EMULATED_SEGMENT } else { SEGMENT };
        Self { segment, count: set.train_rows.div_ceil(segment * (threads / 32)) }
    }

    /// Bytes of a column while it is sorted: its keys twice, and its counts.
    fn column_bytes(&self, set: &BinRows) -> u64 {
        8 * u64::from(set.train_rows) + 4 * (self.count as usize * DIGITS) as u64
    }
}

/// Whether the device has memory for the codes by column and by row, and for the keys of one column.
pub fn fits(stage: &Stage<'_>, row_sets: &RowSets, threads: u32) -> Result<bool, EngineError> {
    let keys = row_sets.sets.iter().map(|set| Tiles::of(stage, set, threads).column_bytes(set)).max().unwrap_or(0);
    let by_row = row_sets.rows.len() * row_sets.features.next_multiple_of(LANES);
    let cuts = row_sets.sets.len() * row_sets.features * (4 * MAX_CUTS + 8);
    let bytes = 4 * row_sets.rows.len() + row_sets.cells + by_row + cuts;
    Ok(bytes as u64 + keys <= stage.limits()?.free_bytes / 8 * 7)
}

/// The cuts and codes of all columns, set after set, with as many features at a time as fit a quarter of the free memory. The
/// tasks of the sets must have been checked against the table, whose rows have `row_sets.features` values.
pub fn columns(
    stage: &Stage<'_>,
    table: &DeviceBuffer<f32>,
    row_sets: &RowSets,
    threads: u32,
) -> Result<Columns, EngineError> {
    let rows = stage.resident(&row_sets.rows)?;
    let mut buffers = ColumnBuffers::zeros(stage, row_sets)?;
    for (number, set) in row_sets.sets.iter().enumerate() {
        let tiles = Tiles::of(stage, set, threads);
        let fitting = stage.limits()?.free_bytes / 4 / tiles.column_bytes(set).max(1);
        let width = (fitting.clamp(1, row_sets.features as u64)) as usize;
        let mut work = Work {
            keys: stage.zeros(width * set.train_rows as usize)?,
            sorted: stage.zeros(width * set.train_rows as usize)?,
            counts: stage.zeros(width * tiles.count as usize * DIGITS)?,
        };
        for first in (0..row_sets.features).step_by(width) {
            let batch = ColumnBatch {
                features: row_sets.features as u32,
                first: first as u32,
                columns: width.min(row_sets.features - first) as u32,
                base: (number * row_sets.features + first) as u64,
                threads,
            };
            batch.bin(stage, table, &rows, set, &tiles, &mut work, &mut buffers)?;
        }
    }
    buffers.columns(stage, row_sets)
}

/// Working memory for the columns that are sorted at a time.
struct Work {
    /// `[columns][training rows]`.
    keys: DeviceBuffer<u32>,
    sorted: DeviceBuffer<u32>,
    /// `[columns][tiles][DIGITS]`.
    counts: DeviceBuffer<u32>,
}

/// Features of a set that are binned together.
struct ColumnBatch {
    /// Features of the table.
    features: u32,
    /// The first feature of the batch.
    first: u32,
    /// Features in the batch.
    columns: u32,
    /// Number of the first column among those of all sets.
    base: u64,
    threads: u32,
}

impl ColumnBatch {
    #[allow(clippy::too_many_arguments, reason = "input, working memory and output of one call")]
    fn bin(
        &self,
        stage: &Stage<'_>,
        table: &DeviceBuffer<f32>,
        rows: &DeviceBuffer<u32>,
        set: &BinRows,
        tiles: &Tiles,
        work: &mut Work,
        buffers: &mut ColumnBuffers,
    ) -> Result<(), EngineError> {
        let shape = |x: u32, y: u32| Shape { blocks: [x, y, 1], threads: self.threads, shared_bytes: 0 };
        let train = set.train_rows;
        // SAFETY: a block takes PIECE training rows, the last one fewer. The set's rows begin at `set.rows` and are in the
        // table, as the check of its task found; `first + columns` is at most `features`, the values per row. `work.keys`
        // has at least `columns × train` entries.
        unsafe {
            stage
                .launch(&KEYS, shape(train.div_ceil(PIECE), 1))
                .read(table)
                .value(self.features)
                .read(rows)
                .value(set.rows)
                .value(train)
                .value(self.first)
                .value(self.columns)
                .write(&mut work.keys)
                .run()
        }?;
        for shift in SHIFTS {
            let tile_shape = shape(tiles.count, self.columns);
            // SAFETY: the blocks are the tiles × the columns of the batch. Both key buffers have at least `columns × train`
            // entries, of which a tile reads those below `train` only; `work.counts` has DIGITS entries per tile and column.
            unsafe {
                stage
                    .launch(&COUNT, tile_shape)
                    .read(&work.keys)
                    .value(train)
                    .value(tiles.segment)
                    .value(shift)
                    .write(&mut work.counts)
                    .run()
            }?;
            // SAFETY: a block per column goes through its `tiles.count × DIGITS` entries of `work.counts`.
            unsafe { stage.launch(&OFFSETS, shape(self.columns, 1)).value(tiles.count).write(&mut work.counts).run() }?;
            // SAFETY: as for COUNT. The offsets are sums of the counts of all `train` keys of a column, so each key gets a
            // place below `train` of its column in `work.sorted`.
            unsafe {
                stage
                    .launch(&SCATTER, tile_shape)
                    .read(&work.keys)
                    .value(train)
                    .value(tiles.segment)
                    .value(shift)
                    .read(&work.counts)
                    .write(&mut work.sorted)
                    .run()
            }?;
            std::mem::swap(&mut work.keys, &mut work.sorted);
        }
        // SAFETY: a block per column reads its `train` sorted keys. `buffers` has MAX_CUTS cuts, a count and a flag per column
        // of all sets, of which this batch has those from `base` on; with `max_bin` at most 255 there are no more cuts.
        unsafe {
            stage
                .launch(&CUT, shape(self.columns, 1))
                .read(&work.keys)
                .value(train)
                .value(set.max_bin)
                .value(self.base)
                .write(&mut buffers.cuts)
                .write(&mut buffers.counts)
                .write(&mut buffers.any_missing)
                .run()
        }?;
        let all = train + set.valid_rows;
        // SAFETY: as for KEYS, with the set's training and validation rows. Cuts and counts are those just written; the set's
        // codes, `[features][all]`, begin at `set.columns` of `buffers.codes`, which has the cells of all sets.
        unsafe {
            stage
                .launch(&CODES, shape(all.div_ceil(PIECE), 1))
                .read(table)
                .value(self.features)
                .read(rows)
                .value(set.rows)
                .value(all)
                .value(self.first)
                .value(self.columns)
                .value(self.base)
                .read(&buffers.cuts)
                .read(&buffers.counts)
                .value(set.columns)
                .write(&mut buffers.codes)
                .run()
        }
    }
}
