//! The launches of a round, and the buffers that stay on the device between them.

use super::{Grain, SIDE_WORDS, Sizes};
use crate::Task;
use crate::device::arguments::Arguments;
use crate::device::bins::Bins;
use crate::device::layout::{Found, Group, JobArgs, LANES, LevelArgs, LevelPart, MARK_WORDS, Rows, Split, State, Tile};
use crate::device::threads;
use crate::device::unpack::OutputBuffers;
use huracan_engine::{DeviceBuffer, EngineError, Kernel, Shape, Stage};

const fn rounds(name: &'static str, barriers: bool) -> Kernel {
    Kernel { file: "boost_rounds", name, barriers }
}

const fn levels(name: &'static str, barriers: bool) -> Kernel {
    Kernel { file: "boost_levels", name, barriers }
}

const BEGIN: Kernel = rounds("boost_rounds_begin", true);
const GRADIENTS: Kernel = rounds("boost_rounds_gradients", true);
const QUANTISE: Kernel = rounds("boost_rounds_quantise", true);
const DRAW: Kernel = rounds("boost_rounds_draw", true);
const SCORE: Kernel = rounds("boost_rounds_score", false);
const VALID: Kernel = rounds("boost_rounds_valid", true);
const LOSSES: Kernel = rounds("boost_rounds_losses", true);
const END: Kernel = rounds("boost_rounds_end", false);
const ROOT: Kernel = levels("boost_levels_root", false);
const CLEAR: Kernel = levels("boost_levels_clear", false);
const BUILD: Kernel = levels("boost_levels_build", true);
const SEARCH: Kernel = levels("boost_levels_search", true);
const DECIDE: Kernel = levels("boost_levels_decide", true);
const COUNT: Kernel = levels("boost_levels_count", true);
const PLACE: Kernel = levels("boost_levels_place", true);
const MOVE: Kernel = levels("boost_levels_move", true);

/// Blocks per multiprocessor for lists of work, of which blocks take entries in turn: as many as fit at a time.
const BLOCKS_PER_MULTIPROCESSOR: usize = 8;
/// Number of lists of work.
pub(in crate::device) const LISTS: usize = 4;

/// The jobs of a launch, with everything that they need on the device.
///
/// The safety of its launches rests on the lengths of the buffers, which `new` chooses:
///
/// - `jobs`, `level_jobs`, `states`, `running` and the outcomes have one entry per job; `rows` and `groups` those of `bins`.
///   The tasks have been checked, and [`Arguments`] gives each job its offsets into `labels`, `weights` (read only where
///   `weighted` says so), the scratch buffers (3 numbers per training row and 2 per validation row; 4 words per training
///   row), `parts`, and into nodes, leaves, tree sizes and losses, with room for all rounds. A job stops after its last round.
/// - A tile is a range of rows of its job. `train_tiles` has `first_tile` of each job where its tiles begin, `drawn_rows` one
///   entry per tile; `drawn` has MARK_WORDS words per job, and the plan limits the features to their bits.
/// - Every node has a row (or is a root for which none was drawn), and `max_depth` limits the levels. So a level has at most
///   `leaf_capacity` nodes, of which two levels are kept, and a tree has at most `leaf_capacity` leaves and one split fewer.
/// - [`Sizes`] has room for every entry that kernels add to a list: see there. Entries name jobs, nodes, histograms and ranges
///   of rows that exist. Kernels read only as many entries as `lengths` says.
pub struct Launches<'a> {
    stage: &'a Stage<'a>,
    bins: &'a Bins,
    grain: Grain,
    threads: u32,
    /// Blocks for lists of work.
    list_shape: Shape,
    jobs_count: usize,
    /// Groups of features.
    groups_count: u32,
    max_depth: u32,
    jobs: DeviceBuffer<JobArgs>,
    level_jobs: DeviceBuffer<LevelArgs>,
    rows: DeviceBuffer<Rows>,
    groups: DeviceBuffer<Group>,
    labels: DeviceBuffer<f32>,
    weights: DeviceBuffer<f64>,
    train_tiles: DeviceBuffer<Tile>,
    valid_tiles: DeviceBuffer<Tile>,
    states: DeviceBuffer<State>,
    running: DeviceBuffer<u32>,
    /// Features of the current tree, `[jobs][MARK_WORDS]`.
    drawn: DeviceBuffer<u32>,
    /// Number of rows of the current tree, per tile.
    drawn_rows: DeviceBuffer<u32>,
    scratch_f64: DeviceBuffer<f64>,
    scratch_u32: DeviceBuffer<u32>,
    parts: DeviceBuffer<LevelPart>,
    found: DeviceBuffer<Found>,
    splits: DeviceBuffer<Split>,
    histograms: DeviceBuffer<u64>,
    lengths: DeviceBuffer<u32>,
    builds: DeviceBuffer<Tile>,
    clears: DeviceBuffer<Tile>,
    searches: DeviceBuffer<Tile>,
    split_tiles: DeviceBuffer<Tile>,
    lefts: DeviceBuffer<u32>,
    sides: DeviceBuffer<u32>,
    output: OutputBuffers,
}

impl<'a> Launches<'a> {
    /// Uploads and allocates everything. `tasks` are those of `arguments`, in the same order, and `bins` has their sets of rows.
    pub fn new(
        stage: &'a Stage<'a>,
        bins: &'a Bins,
        arguments: &Arguments,
        tasks: &[Task<'_>],
        grain: Grain,
    ) -> Result<Self, EngineError> {
        let features = bins.rows.first().map_or(0, |rows| rows.features as usize);
        let mut sizes = Sizes::default();
        let (mut level_jobs, mut train_tiles, mut valid_tiles) = (Vec::new(), Vec::new(), Vec::new());
        for (number, task) in tasks.iter().enumerate() {
            let own = Sizes::of(task, features, grain);
            level_jobs.push(LevelArgs {
                found: sizes.found as u64,
                splits: sizes.splits as u64,
                histograms: sizes.words as u64,
                slots: own.slots as u32,
                first_tile: sizes.train_tiles as u32,
            });
            sizes.add(&own);
            train_tiles.extend(tiles(number, task.job.train.len(), grain.tile));
            valid_tiles.extend(tiles(number, task.job.valid.len(), grain.tile));
        }
        let job_sizes = &arguments.sizes;
        let threads = threads(stage);
        let list_blocks = stage.limits()?.multiprocessors as usize * BLOCKS_PER_MULTIPROCESSOR;
        Ok(Self {
            stage,
            bins,
            grain,
            threads,
            list_shape: Shape::one_block_each(list_blocks, threads, 0),
            jobs_count: tasks.len(),
            groups_count: features.div_ceil(LANES) as u32,
            max_depth: tasks.iter().map(|task| task.params.max_depth).max().unwrap_or(0),
            jobs: stage.upload(&arguments.jobs)?,
            level_jobs: stage.upload(&level_jobs)?,
            rows: stage.upload(&bins.rows)?,
            groups: stage.upload(&bins.groups)?,
            labels: stage.upload(&arguments.labels)?,
            weights: stage.upload(&arguments.weights)?,
            train_tiles: stage.upload(&train_tiles)?,
            valid_tiles: stage.upload(&valid_tiles)?,
            states: stage.zeros(tasks.len())?,
            running: stage.zeros(tasks.len())?,
            drawn: stage.zeros(tasks.len() * MARK_WORDS)?,
            drawn_rows: stage.zeros(sizes.train_tiles)?,
            scratch_f64: stage.zeros(job_sizes.scratch_f64)?,
            scratch_u32: stage.zeros(job_sizes.scratch_u32)?,
            parts: stage.zeros(job_sizes.parts)?,
            found: stage.zeros(sizes.found)?,
            splits: stage.zeros(sizes.splits)?,
            histograms: stage.zeros(sizes.words)?,
            lengths: stage.zeros(LISTS)?,
            builds: stage.zeros(sizes.builds)?,
            clears: stage.zeros(sizes.slots)?,
            searches: stage.zeros(sizes.searches)?,
            split_tiles: stage.zeros(sizes.split_tiles)?,
            lefts: stage.zeros(sizes.split_tiles)?,
            sides: stage.zeros(sizes.split_tiles * SIDE_WORDS)?,
            output: OutputBuffers::new(stage, job_sizes, tasks.len())?,
        })
    }

    /// Grows a tree of every running job.
    pub fn round(&mut self, round: u32) -> Result<(), EngineError> {
        self.open(round)?;
        for depth in 0..self.max_depth {
            self.search(round, depth)?;
            self.decide(round, depth)?;
            self.divide(round, depth)?;
        }
        // The nodes of the last level become leaves.
        self.decide(round, self.max_depth)?;
        self.close(round)
    }

    /// Computes gradients, draws rows and features, and makes the root.
    fn open(&mut self, round: u32) -> Result<(), EngineError> {
        let (stage, tile_shape) = (self.stage, Shape::one_block_each(self.train_tiles.len(), self.threads, 0));
        // SAFETY: a block per job writes its state and its MARK_WORDS words of `drawn`.
        unsafe {
            stage
                .launch(&BEGIN, Shape::one_block_each(self.jobs_count, self.threads, 0))
                .read(&self.jobs)
                .read(&self.rows)
                .value(round)
                .write(&mut self.drawn)
                .write(&mut self.states)
                .run()
        }?;
        // SAFETY: a block per tile of training rows reads their labels and weights, and writes their numbers in `scratch_f64`
        // and the state of their job.
        unsafe {
            stage
                .launch(&GRADIENTS, tile_shape)
                .read(&self.jobs)
                .read(&self.rows)
                .read(&self.train_tiles)
                .read(&self.labels)
                .read(&self.weights)
                .value(round)
                .write(&mut self.scratch_f64)
                .write(&mut self.states)
                .run()
        }?;
        // SAFETY: as for GRADIENTS; also the rows' words in `scratch_u32`, and the tile's entry of `drawn_rows`.
        unsafe {
            stage
                .launch(&QUANTISE, tile_shape)
                .read(&self.jobs)
                .read(&self.rows)
                .read(&self.train_tiles)
                .value(round)
                .write(&mut self.scratch_f64)
                .write(&mut self.scratch_u32)
                .write(&mut self.drawn_rows)
                .write(&mut self.states)
                .run()
        }?;
        // SAFETY: as for QUANTISE. A block adds up `drawn_rows` from `first_tile` of its job to its own tile: the rows that are
        // drawn before its own, so it lists at most as many rows as the job has.
        unsafe {
            stage
                .launch(&DRAW, tile_shape)
                .read(&self.jobs)
                .read(&self.level_jobs)
                .read(&self.rows)
                .read(&self.train_tiles)
                .value(round)
                .read(&self.drawn_rows)
                .read(&self.states)
                .write(&mut self.scratch_u32)
                .run()
        }?;
        // SAFETY: a thread per job, and those beyond `jobs_count` return. Each writes one part and the state of its job, and adds
        // at most one histogram, the tiles of its rows, and one search per group to the lists.
        unsafe {
            stage
                .launch(&ROOT, Shape::one_thread_each(self.jobs_count, self.threads))
                .read(&self.jobs)
                .value(self.jobs_count as u32)
                .read(&self.rows)
                .value(self.grain.tile)
                .value(self.grain.few)
                .write(&mut self.parts)
                .write(&mut self.states)
                .write(&mut self.lengths)
                .write(&mut self.builds)
                .write(&mut self.clears)
                .write(&mut self.searches)
                .run()
        }
    }

    /// Finds the best splits of a level.
    fn search(&mut self, round: u32, depth: u32) -> Result<(), EngineError> {
        let stage = self.stage;
        // SAFETY: blocks take the entries of `clears`, which name histograms of jobs, and set their groups to 0.
        unsafe {
            stage
                .launch(&CLEAR, self.list_shape)
                .read(&self.level_jobs)
                .value(self.groups_count)
                .value(depth)
                .read(&self.lengths)
                .read(&self.clears)
                .write(&mut self.histograms)
                .run()
        }?;
        // SAFETY: blocks take the entries of `builds`: a job, one of its histograms, and a range of its drawn rows, whose codes
        // are at most their group's `bins`.
        unsafe {
            stage
                .launch(&BUILD, self.list_shape)
                .read(&self.jobs)
                .read(&self.level_jobs)
                .read(&self.rows)
                .read(&self.groups)
                .read(&self.bins.codes)
                .read(&self.drawn)
                .value(self.groups_count)
                .value(depth)
                .read(&self.lengths)
                .read(&self.builds)
                .write(&mut self.scratch_u32)
                .write(&mut self.histograms)
                .run()
        }?;
        // SAFETY: blocks take the entries of `searches`: a node of the level, and a group if it has a histogram. They read its
        // rows or its histogram and those of parent and sibling, and write one entry of `found`: that of the node, or after
        // the `leaf_capacity` nodes that of its histogram and group.
        unsafe {
            stage
                .launch(&SEARCH, self.list_shape)
                .read(&self.jobs)
                .read(&self.level_jobs)
                .read(&self.rows)
                .read(&self.groups)
                .read(&self.bins.codes)
                .read(&self.drawn)
                .value(round)
                .value(depth)
                .read(&self.parts)
                .read(&self.states)
                .read(&self.searches)
                .write(&mut self.scratch_u32)
                .write(&mut self.lengths)
                .write(&mut self.histograms)
                .write(&mut self.found)
                .run()
        }
    }

    /// Makes nodes and leaves of a level.
    fn decide(&mut self, round: u32, depth: u32) -> Result<(), EngineError> {
        // SAFETY: a block per job goes through the nodes of the level and what was found for them. It writes nodes and leaves of
        // this round, one entry of `splits` per split, and the tiles of the split nodes' rows.
        unsafe {
            self.stage
                .launch(&DECIDE, Shape::one_block_each(self.jobs_count, self.threads, 0))
                .read(&self.jobs)
                .read(&self.level_jobs)
                .read(&self.rows)
                .read(&self.groups)
                .read(&self.bins.cuts)
                .value(round)
                .value(depth)
                .value(self.grain.tile)
                .read(&self.parts)
                .read(&self.found)
                .write(&mut self.splits)
                .write(&mut self.output.nodes)
                .write(&mut self.output.leaves)
                .write(&mut self.states)
                .write(&mut self.lengths)
                .write(&mut self.split_tiles)
                .run()
        }
    }

    /// Makes the children of a level, and moves their rows.
    fn divide(&mut self, round: u32, depth: u32) -> Result<(), EngineError> {
        let stage = self.stage;
        // SAFETY: blocks take the entries of `split_tiles`: a job, one of its splits, and a range of its rows. Each writes the
        // entry's number of rows that go left to `lefts`, which is as long as the list, and a bit for each row to its own
        // `SIDE_WORDS` words of `sides`: an entry has at most `MAX_TILE` rows.
        unsafe {
            stage
                .launch(&COUNT, self.list_shape)
                .read(&self.jobs)
                .read(&self.level_jobs)
                .read(&self.rows)
                .read(&self.groups)
                .read(&self.bins.codes)
                .value(round)
                .value(depth)
                .read(&self.output.nodes)
                .read(&self.split_tiles)
                .write(&mut self.scratch_u32)
                .write(&mut self.lengths)
                .write(&mut self.lefts)
                .write(&mut self.sides)
                .write(&mut self.splits)
                .run()
        }?;
        // SAFETY: a block per job writes two nodes of the next level per split; they are at most `leaf_capacity`. It lists at
        // most one histogram per pair of siblings of which one is large, and the searches of the children.
        unsafe {
            stage
                .launch(&PLACE, Shape::one_block_each(self.jobs_count, self.threads, 0))
                .read(&self.jobs)
                .read(&self.level_jobs)
                .read(&self.rows)
                .value(depth)
                .value(self.grain.tile)
                .value(self.grain.few)
                .read(&self.splits)
                .write(&mut self.parts)
                .write(&mut self.states)
                .write(&mut self.lengths)
                .write(&mut self.builds)
                .write(&mut self.clears)
                .write(&mut self.searches)
                .run()
        }?;
        // SAFETY: as for COUNT, whose bits say where a row goes. The left rows before a tile, and the right ones, are counted
        // from `lefts`, so every row of a split node moves to another place within the node's own range.
        unsafe {
            stage
                .launch(&MOVE, self.list_shape)
                .read(&self.jobs)
                .read(&self.level_jobs)
                .read(&self.rows)
                .value(depth)
                .read(&self.parts)
                .read(&self.splits)
                .read(&self.lengths)
                .read(&self.split_tiles)
                .read(&self.lefts)
                .read(&self.sides)
                .write(&mut self.scratch_u32)
                .run()
        }
    }

    /// Computes scores and losses after a tree, and which jobs continue.
    fn close(&mut self, round: u32) -> Result<(), EngineError> {
        let stage = self.stage;
        // SAFETY: a block per tile of training rows walks each down the tree of this round, which is complete: every child that
        // it names exists. It writes the rows' scores.
        unsafe {
            stage
                .launch(&SCORE, Shape::one_block_each(self.train_tiles.len(), self.threads, 0))
                .read(&self.jobs)
                .read(&self.rows)
                .read(&self.groups)
                .read(&self.bins.codes)
                .read(&self.train_tiles)
                .value(round)
                .read(&self.output.nodes)
                .read(&self.output.leaves)
                .read(&self.states)
                .write(&mut self.scratch_f64)
                .run()
        }?;
        let tile_shape = Shape::one_block_each(self.valid_tiles.len(), self.threads, 0);
        // SAFETY: as for SCORE, with the tiles, codes, labels, weights and numbers of the validation rows.
        unsafe {
            stage
                .launch(&VALID, tile_shape)
                .read(&self.jobs)
                .read(&self.rows)
                .read(&self.groups)
                .read(&self.bins.codes)
                .read(&self.valid_tiles)
                .read(&self.labels)
                .read(&self.weights)
                .value(round)
                .read(&self.output.nodes)
                .read(&self.output.leaves)
                .write(&mut self.scratch_f64)
                .write(&mut self.states)
                .run()
        }?;
        // SAFETY: a block per tile of validation rows reads their losses, and adds to the state of their job.
        unsafe {
            stage
                .launch(&LOSSES, tile_shape)
                .read(&self.jobs)
                .read(&self.rows)
                .read(&self.valid_tiles)
                .write(&mut self.scratch_f64)
                .write(&mut self.states)
                .run()
        }?;
        // SAFETY: a thread per job, and those beyond `jobs_count` return. Each writes the size and the loss of this round's tree,
        // and one entry of `running`, the outcomes and the states.
        unsafe {
            stage
                .launch(&END, Shape::one_thread_each(self.jobs_count, self.threads))
                .read(&self.jobs)
                .value(self.jobs_count as u32)
                .read(&self.rows)
                .value(round)
                .write(&mut self.output.trees)
                .write(&mut self.output.losses)
                .write(&mut self.output.outcomes)
                .write(&mut self.running)
                .write(&mut self.states)
                .run()
        }
    }

    /// Whether any job needs another round.
    pub fn any_running(&self) -> Result<bool, EngineError> {
        Ok(self.stage.download(&self.running)?.contains(&1))
    }

    /// What the kernels wrote for all jobs.
    pub fn output(&self) -> &OutputBuffers {
        &self.output
    }
}

/// The tiles of the rows of a job.
fn tiles(job: usize, rows: usize, tile: u32) -> impl Iterator<Item = Tile> {
    let rows = rows as u32;
    (0..rows).step_by(tile as usize).map(move |from| Tile {
        job: job as u32,
        of: 0,
        from,
        to: (rows - from).min(tile) + from,
    })
}
