//! Columns of sets of many rows, by many blocks each: `kernels/bins_large.cu`.

use super::{Asked, Columns, Made};
use crate::device::layout::{BinRows, LANES, MOST_CUTS};
use huracan_engine::{Device, DeviceBuffer, EngineError, Kernel, Shape, Stage};

const KEYS: Kernel = kernel("bins_large_keys");
const COUNT: Kernel = kernel("bins_large_count");
const OFFSETS: Kernel = kernel("bins_large_offsets");
const SCATTER: Kernel = kernel("bins_large_scatter");
const CUT: Kernel = kernel("bins_large_cut");
const CODES: Kernel = kernel("bins_large_codes");

/// Digits of eight bits that a key has, and the values of one.
const SHIFTS: [u32; 4] = [0, 8, 16, 24];
const DIGITS: usize = 256;
/// Rows of a piece that is turned in shared memory.
const PIECE: u32 = 64;
/// Keys of a tile for each warp of a block; fewer where small tests are to meet many tiles.
const SEGMENT: u32 = 512;
const EMULATED_SEGMENT: u32 = 96;

const fn kernel(name: &'static str) -> Kernel {
    Kernel { file: "bins_large", name, barriers: true }
}

/// How a set's columns are sorted.
struct Tiles {
    segment: u32,
    /// Tiles of a column.
    count: u32,
}

impl Tiles {
    fn of(stage: &Stage<'_>, set: &BinRows, threads: u32) -> Self {
        let segment = if stage.device() == Device::Emulated { EMULATED_SEGMENT } else { SEGMENT };
        Self { segment, count: set.train_rows.div_ceil(segment * (threads / 32)) }
    }

    /// Bytes of a column that is being sorted: its keys twice, and its counts.
    fn column_bytes(&self, set: &BinRows) -> u64 {
        8 * u64::from(set.train_rows) + 4 * (self.count as usize * DIGITS) as u64
    }
}

/// Whether the codes by column and by row, and one column's keys, have room on the device.
pub fn fits(stage: &Stage<'_>, asked: &Asked, threads: u32) -> Result<bool, EngineError> {
    let keys = asked.places.iter().map(|set| Tiles::of(stage, set, threads).column_bytes(set)).max().unwrap_or(0);
    let by_row = asked.rows.len() * asked.features.next_multiple_of(LANES);
    let cuts = asked.places.len() * asked.features * (4 * MOST_CUTS + 8);
    let bytes = 4 * asked.rows.len() + asked.cells + by_row + cuts;
    Ok(bytes as u64 + keys <= stage.limits()?.free_bytes / 8 * 7)
}

/// Cuts and codes of all columns, set after set, in as many features at a time as have room.
pub fn columns(
    stage: &Stage<'_>,
    table: &DeviceBuffer<f32>,
    asked: &Asked,
    threads: u32,
) -> Result<Columns, EngineError> {
    let rows = stage.upload(&asked.rows)?;
    let mut made = Made::zeros(stage, asked)?;
    for (number, set) in asked.places.iter().enumerate() {
        let tiles = Tiles::of(stage, set, threads);
        let room = stage.limits()?.free_bytes / 4 / tiles.column_bytes(set).max(1);
        let at_once = (room.clamp(1, asked.features as u64)) as usize;
        let mut work = Work {
            keys: stage.zeros(at_once * set.train_rows as usize)?,
            sorted: stage.zeros(at_once * set.train_rows as usize)?,
            counts: stage.zeros(at_once * tiles.count as usize * DIGITS)?,
        };
        for first in (0..asked.features).step_by(at_once) {
            let part = Part {
                features: asked.features as u32,
                first: first as u32,
                columns: at_once.min(asked.features - first) as u32,
                base: (number * asked.features + first) as u64,
                threads,
            };
            part.bin(stage, table, &rows, set, &tiles, &mut work, &mut made)?;
        }
    }
    made.columns(stage, asked)
}

/// Columns that are being sorted.
struct Work {
    /// `[columns][training rows]`.
    keys: DeviceBuffer<u32>,
    sorted: DeviceBuffer<u32>,
    /// `[columns][tiles][DIGITS]`.
    counts: DeviceBuffer<u32>,
}

/// Some features of a set.
struct Part {
    features: u32,
    first: u32,
    columns: u32,
    /// Place of the first column among those of all sets.
    base: u64,
    threads: u32,
}

impl Part {
    #[allow(clippy::too_many_arguments, reason = "what is read, what is worked in, what is made")]
    fn bin(
        &self,
        stage: &Stage<'_>,
        table: &DeviceBuffer<f32>,
        rows: &DeviceBuffer<u32>,
        set: &BinRows,
        tiles: &Tiles,
        work: &mut Work,
        made: &mut Made,
    ) -> Result<(), EngineError> {
        let shape = |x: u32, y: u32| Shape { blocks: [x, y, 1], threads: self.threads, shared_bytes: 0 };
        let train = set.train_rows;
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
            let of_tiles = shape(tiles.count, self.columns);
            unsafe {
                stage
                    .launch(&COUNT, of_tiles)
                    .read(&work.keys)
                    .value(train)
                    .value(tiles.segment)
                    .value(shift)
                    .write(&mut work.counts)
                    .run()
            }?;
            unsafe { stage.launch(&OFFSETS, shape(self.columns, 1)).value(tiles.count).write(&mut work.counts).run() }?;
            unsafe {
                stage
                    .launch(&SCATTER, of_tiles)
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
        unsafe {
            stage
                .launch(&CUT, shape(self.columns, 1))
                .read(&work.keys)
                .value(train)
                .value(set.max_bin)
                .value(self.base)
                .write(&mut made.cuts)
                .write(&mut made.counts)
                .write(&mut made.any_missing)
                .run()
        }?;
        let all = train + set.valid_rows;
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
                .read(&made.cuts)
                .read(&made.counts)
                .value(set.columns)
                .write(&mut made.codes)
                .run()
        }
    }
}
