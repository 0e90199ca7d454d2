//! The memory that a large job takes on the device.

use super::{Grain, SIDE_WORDS};
use crate::Task;
use crate::device::arguments::leaf_capacity;
use crate::device::layout::{
    Found, GROUP_BINS, JobArgs, KeptTree, LANES, LevelArgs, LevelPart, MARK_WORDS, MAX_CUTS, Outcome, Split, State,
    Tile, TreeLeaf, TreeNode, TreeSize,
};

/// Lengths of buffers for one job, or their sums over many jobs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sizes {
    /// Histograms per level.
    pub slots: usize,
    /// Best splits of a level: one per node, and one per group of every histogram.
    pub found: usize,
    /// Nodes of a level that are split.
    pub splits: usize,
    /// Words of all histograms, including those of the parents.
    pub words: usize,
    /// Tiles of training rows.
    pub train_tiles: usize,
    /// Tiles of validation rows.
    pub valid_tiles: usize,
    /// Most tiles of rows whose histograms are built.
    pub builds: usize,
    /// Most searches for a best split.
    pub searches: usize,
    /// Most tiles of rows that are divided.
    pub split_tiles: usize,
}

impl Sizes {
    /// The lengths for one task.
    pub fn of(task: &Task<'_>, features: usize, Grain { tile, few }: Grain) -> Self {
        let Task { job, params } = task;
        let (rows, tile) = (job.train.len(), tile as usize);
        let (capacity, groups) = (leaf_capacity(task), features.div_ceil(LANES));
        // Two siblings have histograms if one of them has more than `few` rows and may be split in turn.
        let pairs = if params.max_depth < 2 { 0 } else { 1_usize << (params.max_depth - 2).min(20) };
        let slots = (2 * pairs.min(rows / (few as usize + 1))).max(1);
        Self {
            slots,
            found: capacity + slots * groups,
            splits: capacity,
            words: 2 * slots * groups * GROUP_BINS * LANES,
            train_tiles: rows.div_ceil(tile),
            valid_tiles: job.valid.len().div_ceil(tile),
            // Each of the disjoint ranges of rows has at most one tile that is not full.
            builds: rows / tile + slots,
            searches: capacity + slots * groups,
            split_tiles: rows / tile + capacity,
        }
    }

    /// Adds the lengths of another job.
    pub fn add(&mut self, other: &Self) {
        self.slots += other.slots;
        self.found += other.found;
        self.splits += other.splits;
        self.words += other.words;
        self.train_tiles += other.train_tiles;
        self.valid_tiles += other.valid_tiles;
        self.builds += other.builds;
        self.searches += other.searches;
        self.split_tiles += other.split_tiles;
    }

    /// Bytes of a task with these lengths, including its rows, its labels, and the trees of all rounds.
    pub fn bytes(&self, task: &Task<'_>, features: usize) -> u64 {
        let Task { job, params } = task;
        let of = |count: usize, bytes: usize| count as u64 * bytes as u64;
        let (train, valid, capacity) = (job.train.len(), job.valid.len(), leaf_capacity(task));
        let codes = of(train + valid, features.next_multiple_of(LANES)) + of(features, MAX_CUTS * 4 + 16);
        // A label and a weight per row; 3 numbers and 4 words per training row, 2 numbers per validation row.
        let rows = of(train, 4 + 8 + 24 + 16) + of(valid, 4 + 8 + 16);
        let level = of(2 * capacity, size_of::<LevelPart>())
            + of(self.found, size_of::<Found>())
            + of(self.splits, size_of::<Split>())
            + of(self.words, 8);
        let tiles = self.train_tiles + self.valid_tiles + self.builds + self.slots + self.searches + self.split_tiles;
        let lists = of(tiles, size_of::<Tile>())
            + of(self.train_tiles + self.split_tiles, 4)
            + of(self.split_tiles * SIDE_WORDS, 4);
        // All trees, and once more those that are kept.
        let tree = of(2 * capacity, size_of::<TreeNode>() + size_of::<TreeLeaf>())
            + (size_of::<TreeSize>() + size_of::<KeptTree>()) as u64
            + 8;
        let whole = size_of::<JobArgs>() + size_of::<LevelArgs>() + size_of::<State>() + size_of::<Outcome>();
        codes + rows + level + lists + u64::from(params.rounds) * tree + of(1, whole + 4 * MARK_WORDS + 4)
    }
}
