//! Batches that fit the device's memory, planned before anything is launched; copies by all cores.

use std::ops::Range;

use rayon::prelude::*;

use super::EngineError;

/// Share of the free memory that is planned with: the driver, fragments and modules take the rest.
const USABLE: (u64, u64) = (9, 10);

/// Most jobs of a part: as many rows of blocks does a launch have at most.
const MOST_JOBS: u64 = 65_535;

/// Memory of a batch: some that every part of it needs, and some a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    pub fixed_bytes: u64,
    pub job_bytes: u64,
}

/// Splits `jobs` into the fewest parts that fit `free_bytes` and one launch, as equal as can be.
///
/// # Errors
/// [`EngineError::TooLarge`] where not even one job fits.
pub fn parts(stage: &'static str, free_bytes: u64, need: Need, jobs: usize) -> Result<Vec<Range<usize>>, EngineError> {
    if jobs == 0 {
        return Ok(Vec::new());
    }
    let usable = free_bytes / USABLE.1 * USABLE.0;
    let one = need.fixed_bytes.saturating_add(need.job_bytes);
    if one > usable {
        return Err(EngineError::TooLarge { stage, needed_bytes: one, free_bytes });
    }
    let most = (usable - need.fixed_bytes).checked_div(need.job_bytes).unwrap_or(jobs as u64);
    let most = most.min(MOST_JOBS).clamp(1, jobs as u64) as usize;
    let count = jobs.div_ceil(most);
    Ok((0..count).map(|k| jobs * k / count..jobs * (k + 1) / count).collect())
}

/// Copies values by all cores, in as many parts.
///
/// # Panics
/// Where the lengths differ.
pub fn copy<T: Copy + Send + Sync>(from: &[T], to: &mut [T]) {
    assert_eq!(from.len(), to.len(), "a copy as long as what is copied");
    let part = from.len().div_ceil(rayon::current_num_threads()).max(1);
    from.par_chunks(part).zip(to.par_chunks_mut(part)).for_each(|(from, to)| to.copy_from_slice(from));
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEED: Need = Need { fixed_bytes: 100, job_bytes: 10 };

    #[test]
    fn parts_cover_all_jobs_once_and_fit() {
        for jobs in [1, 2, 79, 80, 81, 1000, 1001] {
            let parts = parts("test", 1000, NEED, jobs).unwrap();
            assert_eq!(parts.iter().flat_map(Clone::clone).collect::<Vec<_>>(), (0..jobs).collect::<Vec<_>>());
            // 900 of 1000 bytes are usable: 80 jobs beside the 100 fixed bytes.
            assert!(parts.iter().all(|part| (1..=80).contains(&part.len())), "{jobs}: {parts:?}");
            assert_eq!(parts.len(), jobs.div_ceil(80));
        }
        assert_eq!(parts("test", 1000, NEED, 0), Ok(vec![]));
        let many = parts("test", 1 << 40, NEED, 200_000).unwrap();
        assert!(many.len() == 4 && many.iter().all(|part| part.len() <= 65_535), "{many:?}");
        assert_eq!(parts("test", 1000, Need { fixed_bytes: 900, job_bytes: 0 }, 5).unwrap(), vec![0..5; 1]);
    }

    #[test]
    fn a_job_that_does_not_fit_is_refused_with_both_sizes() {
        let error = parts("labels", 100, NEED, 3).unwrap_err();
        assert_eq!(error, EngineError::TooLarge { stage: "labels", needed_bytes: 110, free_bytes: 100 });
        assert!(error.to_string().contains("needs 110 bytes") && error.to_string().contains("--device cpu"));
        assert!(error.can_fall_back());
    }
}
