//! The batches of a stage: as few as the device's memory allows, or such that each takes half a second at most.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::memory::{self, Requirement};
use crate::{EngineError, Stage};

/// What a paced batch should take at most. A GPU that drives a display stops a launch after some seconds, and its screen stands
/// still meanwhile; and a run that is told to stop does so between batches.
const PACED: Duration = Duration::from_millis(500);

/// Blocks of a first paced batch for each multiprocessor.
const FIRST: u64 = 2;

/// Seconds that work took on a device, per unit of its cost.
#[derive(Default)]
pub(crate) struct Paces(Mutex<HashMap<&'static str, f64>>);

/// Ranges of jobs, one after the other.
pub struct Batches<'a> {
    stage: Stage<'a>,
    /// What the pace is remembered by.
    work: &'static str,
    jobs: usize,
    job_bytes: u64,
    /// Blocks and cost of each job of paced batches, if they are not all the same.
    sizes: Option<Vec<(u64, u64)>>,
    /// Most jobs that fit the memory.
    most: usize,
    /// Fewest blocks of a paced batch: one for each multiprocessor.
    least: u64,
    is_paced: bool,
    next: usize,
    /// When the last batch was taken, and its cost.
    taken: Option<(Instant, u64)>,
}

impl<'a> Batches<'a> {
    /// # Errors
    /// [`EngineError::TooLarge`] if one job does not fit; [`EngineError::Fault`] if the device does not respond.
    pub(crate) fn new(stage: Stage<'a>, need: Requirement, jobs: usize) -> Result<Self, EngineError> {
        let limits = stage.limits()?;
        Ok(Self {
            stage,
            work: stage.name(),
            jobs,
            job_bytes: need.job_bytes.max(1),
            sizes: None,
            most: memory::most_jobs(stage.name(), limits.free_bytes, need, jobs)?,
            least: u64::from(limits.multiprocessors.max(1)),
            is_paced: limits.stops_long_launches,
            next: 0,
            taken: None,
        })
    }

    /// Names work whose pace is not that of the stage's other work.
    pub fn of_work(mut self, work: &'static str) -> Self {
        self.work = work;
        self
    }

    /// Lets no batch take much longer than half a second. `sizes` has the blocks and the cost of each job. The first batch is
    /// small, unless the work was paced before.
    ///
    /// # Panics
    /// If there are more or fewer sizes than jobs.
    pub fn paced(mut self, sizes: Vec<(u64, u64)>) -> Self {
        assert_eq!(sizes.len(), self.jobs, "a size for each job");
        self.is_paced = true;
        self.sizes = Some(sizes);
        self
    }

    /// Whether there is one batch, or none.
    pub fn is_one(&self) -> bool {
        self.jobs == 0 || (self.next == 0 && self.size() == self.jobs)
    }

    /// Blocks and cost of a job.
    fn size_of(&self, job: usize) -> (u64, u64) {
        self.sizes.as_ref().map_or((1, self.job_bytes), |sizes| (sizes[job].0.max(1), sizes[job].1.max(1)))
    }

    /// Jobs of the next batch; there are some left.
    fn size(&self) -> usize {
        let left = self.jobs - self.next;
        if !self.is_paced {
            // Of nearly equal size.
            return left.div_ceil(left.div_ceil(self.most));
        }
        let paces = self.stage.paces().0.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = paces.get(self.work).copied();
        drop(paces);
        let (mut blocks, mut cost, mut size) = (0, 0, 0);
        while size < left.min(self.most) {
            let (own_blocks, own_cost) = self.size_of(self.next + size);
            let is_enough = match pace {
                Some(pace) => blocks >= self.least && (cost + own_cost) as f64 * pace > PACED.as_secs_f64(),
                None => blocks >= FIRST * self.least,
            };
            if size > 0 && is_enough {
                break;
            }
            (blocks, cost, size) = (blocks + own_blocks, cost + own_cost, size + 1);
        }
        size
    }
}

impl Iterator for Batches<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if let Some((begun, cost)) = self.taken.take().filter(|_| self.is_paced) {
            let pace = begun.elapsed().as_secs_f64() / cost.max(1) as f64;
            let mut paces = self.stage.paces().0.lock().unwrap_or_else(PoisonError::into_inner);
            paces.insert(self.work, pace);
        }
        if self.next >= self.jobs {
            return None;
        }
        let range = self.next..self.next + self.size();
        self.next = range.end;
        self.taken = Some((Instant::now(), range.clone().map(|job| self.size_of(job).1).sum()));
        Some(range)
    }
}

#[cfg(all(test, feature = "emulated"))]
mod tests {
    use super::*;
    use crate::Engine;

    const NEED: Requirement = Requirement { fixed_bytes: 100, job_bytes: 10 };

    #[test]
    fn batches_are_as_few_as_fit_and_cover_all_jobs_once() {
        for jobs in [0, 1, 79, 80, 81, 1000, 1001] {
            let engine = Engine::emulated(7, 1000).unwrap();
            let batches = engine.stage("test").batches(NEED, jobs).unwrap();
            assert_eq!(batches.is_one(), jobs <= 80);
            let batches: Vec<Range<usize>> = batches.collect();
            // 900 of 1000 bytes are usable: the 100 fixed bytes and 80 jobs.
            assert_eq!(batches.len(), jobs.div_ceil(80));
            let lengths: Vec<usize> = batches.iter().map(Range::len).collect();
            assert!(lengths.iter().max().unwrap_or(&0) - lengths.iter().min().unwrap_or(&0) <= 1, "{lengths:?}");
            assert_eq!(batches.into_iter().flatten().collect::<Vec<_>>(), (0..jobs).collect::<Vec<_>>());
        }
    }

    #[test]
    fn paced_batches_become_as_large_as_half_a_second_and_the_next_call_knows_it() {
        let engine = Engine::emulated(7, 1 << 20).unwrap();
        let least = engine.stage("test").limits().unwrap().multiprocessors as usize;
        let (jobs, first) = (least * 1000, FIRST as usize * least);
        let paced = |work| engine.stage("test").batches(NEED, jobs).unwrap().of_work(work).paced(vec![(1, 7); jobs]);
        let mut batches = paced("slow");
        assert_eq!(batches.next().unwrap().len(), first);
        // Half a second is for five times as many jobs at most.
        std::thread::sleep(Duration::from_millis(100));
        let second = batches.next().unwrap().len();
        assert!((least..=5 * first).contains(&second), "{second} of {first}");
        assert_eq!(paced("slow").next().unwrap().len(), second);
        assert_eq!(paced("another").next().unwrap().len(), first);
        let all: Vec<usize> = paced("quick").flatten().collect();
        assert_eq!(all, (0..jobs).collect::<Vec<_>>());
    }

    #[test]
    fn a_paced_batch_counts_blocks_and_costs_not_jobs() {
        let engine = Engine::emulated(7, 1 << 20).unwrap();
        let least = u64::from(engine.stage("test").limits().unwrap().multiprocessors);
        let paced = |size| engine.stage("test").batches(NEED, 50).unwrap().paced(vec![size; 50]);
        // A job has as many blocks as a first batch.
        let mut batches = paced((FIRST * least, 1));
        assert_eq!(batches.next(), Some(0..1));
        assert_eq!(batches.next().unwrap().start, 1);
        // However short that took, jobs of a huge cost come alone; those of none come together.
        assert_eq!(paced((least, 1 << 60)).next(), Some(0..1));
        assert!(paced((least, 0)).next().unwrap().len() > 1);
    }
}
