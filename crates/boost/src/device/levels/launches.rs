//! The launches of a round, and what lies on the device between them.

use super::{Grain, Sizes};
use crate::Task;
use crate::device::arguments::Arguments;
use crate::device::bins::Bins;
use crate::device::layout::{Found, Group, JobArgs, LANES, LevelArgs, LevelPart, MARK_WORDS, Rows, Split, State, Tile};
use crate::device::threads;
use crate::device::unpack::Grown;
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

/// Blocks that take listed work in turn: as many a multiprocessor as can be there at a time.
const BLOCKS_A_MULTIPROCESSOR: usize = 8;
/// Lists of work, in the kernels' order.
const LISTS: usize = 4;

pub struct Launches<'a> {
    stage: &'a Stage<'a>,
    bins: &'a Bins,
    grain: Grain,
    threads: u32,
    /// Blocks for listed work.
    crew: Shape,
    jobs_count: usize,
    /// Of a row.
    groups_count: u32,
    most_depth: u32,
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
    /// Features of the tree at hand.
    drawn: DeviceBuffer<u32>,
    /// Rows of the tree at hand, by tile.
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
    grown: Grown,
}

impl<'a> Launches<'a> {
    /// `tasks` are those of `arguments`, in their order.
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
        let of_jobs = &arguments.sizes;
        let threads = threads(stage);
        let crew = stage.limits()?.multiprocessors as usize * BLOCKS_A_MULTIPROCESSOR;
        Ok(Self {
            stage,
            bins,
            grain,
            threads,
            crew: Shape::one_block_each(crew, threads, 0),
            jobs_count: tasks.len(),
            groups_count: features.div_ceil(LANES) as u32,
            most_depth: tasks.iter().map(|task| task.params.max_depth).max().unwrap_or(0),
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
            scratch_f64: stage.zeros(of_jobs.scratch_f64)?,
            scratch_u32: stage.zeros(of_jobs.scratch_u32)?,
            parts: stage.zeros(of_jobs.parts)?,
            found: stage.zeros(sizes.found)?,
            splits: stage.zeros(sizes.splits)?,
            histograms: stage.zeros(sizes.words)?,
            lengths: stage.zeros(LISTS)?,
            builds: stage.zeros(sizes.builds)?,
            clears: stage.zeros(sizes.slots)?,
            searches: stage.zeros(sizes.searches)?,
            split_tiles: stage.zeros(sizes.split_tiles)?,
            lefts: stage.zeros(sizes.split_tiles)?,
            grown: Grown::new(stage, of_jobs, tasks.len())?,
        })
    }

    /// A tree of every job that goes on.
    pub fn round(&mut self, round: u32) -> Result<(), EngineError> {
        self.open(round)?;
        for depth in 0..self.most_depth {
            self.search(round, depth)?;
            self.decide(round, depth)?;
            self.divide(round, depth)?;
        }
        // What is left is leaves.
        self.decide(round, self.most_depth)?;
        self.close(round)
    }

    /// Gradients, the rows drawn, and the root.
    fn open(&mut self, round: u32) -> Result<(), EngineError> {
        let (stage, a_tile) = (self.stage, Shape::one_block_each(self.train_tiles.len(), self.threads, 0));
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
        unsafe {
            stage
                .launch(&GRADIENTS, a_tile)
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
        unsafe {
            stage
                .launch(&QUANTISE, a_tile)
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
        unsafe {
            stage
                .launch(&DRAW, a_tile)
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

    /// The best splits of a level.
    fn search(&mut self, round: u32, depth: u32) -> Result<(), EngineError> {
        let stage = self.stage;
        unsafe {
            stage
                .launch(&CLEAR, self.crew)
                .read(&self.level_jobs)
                .value(self.groups_count)
                .value(depth)
                .read(&self.lengths)
                .read(&self.clears)
                .write(&mut self.histograms)
                .run()
        }?;
        unsafe {
            stage
                .launch(&BUILD, self.crew)
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
        unsafe {
            stage
                .launch(&SEARCH, self.crew)
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

    /// Nodes and leaves of a level.
    fn decide(&mut self, round: u32, depth: u32) -> Result<(), EngineError> {
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
                .write(&mut self.grown.nodes)
                .write(&mut self.grown.leaves)
                .write(&mut self.states)
                .write(&mut self.lengths)
                .write(&mut self.split_tiles)
                .run()
        }
    }

    /// Children, and the rows that they get.
    fn divide(&mut self, round: u32, depth: u32) -> Result<(), EngineError> {
        let stage = self.stage;
        unsafe {
            stage
                .launch(&COUNT, self.crew)
                .read(&self.jobs)
                .read(&self.level_jobs)
                .read(&self.rows)
                .read(&self.groups)
                .read(&self.bins.codes)
                .value(round)
                .value(depth)
                .read(&self.grown.nodes)
                .read(&self.split_tiles)
                .write(&mut self.scratch_u32)
                .write(&mut self.lengths)
                .write(&mut self.lefts)
                .write(&mut self.splits)
                .run()
        }?;
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
        unsafe {
            stage
                .launch(&MOVE, self.crew)
                .read(&self.jobs)
                .read(&self.level_jobs)
                .read(&self.rows)
                .read(&self.groups)
                .read(&self.bins.codes)
                .value(round)
                .value(depth)
                .read(&self.parts)
                .read(&self.splits)
                .read(&self.grown.nodes)
                .read(&self.lengths)
                .read(&self.split_tiles)
                .read(&self.lefts)
                .write(&mut self.scratch_u32)
                .run()
        }
    }

    /// Scores and losses after a tree, and who goes on.
    fn close(&mut self, round: u32) -> Result<(), EngineError> {
        let stage = self.stage;
        unsafe {
            stage
                .launch(&SCORE, Shape::one_block_each(self.train_tiles.len(), self.threads, 0))
                .read(&self.jobs)
                .read(&self.rows)
                .read(&self.groups)
                .read(&self.bins.codes)
                .read(&self.train_tiles)
                .value(round)
                .read(&self.grown.nodes)
                .read(&self.grown.leaves)
                .read(&self.states)
                .write(&mut self.scratch_f64)
                .run()
        }?;
        let a_tile = Shape::one_block_each(self.valid_tiles.len(), self.threads, 0);
        unsafe {
            stage
                .launch(&VALID, a_tile)
                .read(&self.jobs)
                .read(&self.rows)
                .read(&self.groups)
                .read(&self.bins.codes)
                .read(&self.valid_tiles)
                .read(&self.labels)
                .read(&self.weights)
                .value(round)
                .read(&self.grown.nodes)
                .read(&self.grown.leaves)
                .write(&mut self.scratch_f64)
                .write(&mut self.states)
                .run()
        }?;
        unsafe {
            stage
                .launch(&LOSSES, a_tile)
                .read(&self.jobs)
                .read(&self.rows)
                .read(&self.valid_tiles)
                .write(&mut self.scratch_f64)
                .write(&mut self.states)
                .run()
        }?;
        unsafe {
            stage
                .launch(&END, Shape::one_thread_each(self.jobs_count, self.threads))
                .read(&self.jobs)
                .value(self.jobs_count as u32)
                .read(&self.rows)
                .value(round)
                .write(&mut self.grown.trees)
                .write(&mut self.grown.losses)
                .write(&mut self.grown.outcomes)
                .write(&mut self.running)
                .write(&mut self.states)
                .run()
        }
    }

    /// Whether any job wants another round.
    pub fn any_runs(&self) -> Result<bool, EngineError> {
        Ok(self.stage.download(&self.running)?.contains(&1))
    }

    /// What was written of all jobs.
    pub fn grown(&self) -> &Grown {
        &self.grown
    }
}

/// The tiles of a job's rows.
fn tiles(job: usize, rows: usize, tile: u32) -> impl Iterator<Item = Tile> {
    let rows = rows as u32;
    (0..rows).step_by(tile as usize).map(move |from| Tile {
        job: job as u32,
        of: 0,
        from,
        to: (rows - from).min(tile) + from,
    })
}
