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

/// Jobs of a first paced batch for each multiprocessor.
const FIRST: usize = 2;

/// How long stages took on a device, seconds per byte of their jobs' memory.
#[derive(Default)]
pub(crate) struct Paces(Mutex<HashMap<&'static str, f64>>);

/// Ranges of jobs, one after the other.
pub struct Batches<'a> {
    stage: Stage<'a>,
    jobs: usize,
    job_bytes: f64,
    /// Most jobs that fit the memory.
    most: usize,
    /// Fewest jobs of a paced batch: one for each multiprocessor.
    least: usize,
    is_paced: bool,
    next: usize,
    /// When the last batch was taken, and how many jobs it has.
    taken: Option<(Instant, usize)>,
}

impl<'a> Batches<'a> {
    /// # Errors
    /// [`EngineError::TooLarge`] if one job does not fit; [`EngineError::Fault`] if the device does not respond.
    pub(crate) fn new(stage: Stage<'a>, need: Requirement, jobs: usize) -> Result<Self, EngineError> {
        let limits = stage.limits()?;
        Ok(Self {
            stage,
            jobs,
            job_bytes: need.job_bytes.max(1) as f64,
            most: memory::most_jobs(stage.name(), limits.free_bytes, need, jobs)?,
            least: limits.multiprocessors.max(1) as usize,
            is_paced: limits.stops_long_launches,
            next: 0,
            taken: None,
        })
    }

    /// Lets no batch take much longer than half a second. The first one is small, unless the stage was paced before.
    pub fn paced(mut self) -> Self {
        self.is_paced = true;
        self
    }

    /// Whether there is one batch, or none.
    pub fn is_one(&self) -> bool {
        self.jobs == 0 || self.size() == self.jobs
    }

    /// Jobs of the next batch.
    fn size(&self) -> usize {
        let left = self.jobs - self.next;
        if !self.is_paced {
            // Of nearly equal size.
            return left.div_ceil(left.div_ceil(self.most));
        }
        let paces = self.stage.paces().0.lock().unwrap_or_else(PoisonError::into_inner);
        let by_pace = paces.get(self.stage.name()).map(|pace| (PACED.as_secs_f64() / (pace * self.job_bytes)) as usize);
        by_pace.unwrap_or(FIRST * self.least).max(self.least).min(self.most).min(left)
    }
}

impl Iterator for Batches<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if let Some((begun, jobs)) = self.taken.take().filter(|_| self.is_paced) {
            let pace = begun.elapsed().as_secs_f64() / (jobs as f64 * self.job_bytes);
            let mut paces = self.stage.paces().0.lock().unwrap_or_else(PoisonError::into_inner);
            paces.insert(self.stage.name(), pace.max(f64::MIN_POSITIVE));
        }
        if self.next >= self.jobs {
            return None;
        }
        let range = self.next..self.next + self.size();
        self.next = range.end;
        self.taken = Some((Instant::now(), range.len()));
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
        let (jobs, least) = (least(&engine) * 1000, least(&engine));
        let mut batches = engine.stage("test").batches(NEED, jobs).unwrap().paced();
        let first = batches.next().unwrap();
        assert_eq!(first.len(), FIRST * least);
        // Half a second is for five times as many jobs at most.
        std::thread::sleep(Duration::from_millis(100));
        let second = batches.next().unwrap().len();
        assert!((least..=5 * FIRST * least).contains(&second), "{second} of {least}");
        let again = engine.stage("test").batches(NEED, jobs).unwrap().paced().next().unwrap();
        assert_eq!(again.len(), second);
        let other = engine.stage("another").batches(NEED, jobs).unwrap().paced().next().unwrap();
        assert_eq!(other.len(), FIRST * least);
        let all: Vec<usize> = engine.stage("quick").batches(NEED, jobs).unwrap().paced().flatten().collect();
        assert_eq!(all, (0..jobs).collect::<Vec<_>>());
    }

    fn least(engine: &Engine) -> usize {
        engine.stage("test").limits().unwrap().multiprocessors as usize
    }
}
