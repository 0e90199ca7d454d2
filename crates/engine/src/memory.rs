//! How much of the device's memory work may take; copies with all cores.

use rayon::prelude::*;

use super::EngineError;

/// Share of the free memory that batches may use: 9/10. The rest is for the driver, fragmentation and modules.
const USABLE: (u64, u64) = (9, 10);

/// Most jobs per batch: CUDA's limit for the blocks of a launch along y.
const MAX_JOBS: u64 = 65_535;

/// The device memory that a batch needs: `fixed_bytes + jobs × job_bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement {
    /// Bytes per batch, whatever the number of jobs.
    pub fixed_bytes: u64,
    /// Bytes per job.
    pub job_bytes: u64,
}

/// What batches may use of the free memory.
pub(crate) fn usable(free_bytes: u64) -> u64 {
    free_bytes / USABLE.1 * USABLE.0
}

/// Most jobs of a batch, so that it fits `free_bytes` and one launch: `jobs` at most.
///
/// # Errors
/// [`EngineError::TooLarge`] if a single job does not fit.
pub(crate) fn most_jobs(
    stage: &'static str,
    free_bytes: u64,
    requirement: Requirement,
    jobs: usize,
) -> Result<usize, EngineError> {
    if jobs == 0 {
        return Ok(0);
    }
    let usable = usable(free_bytes);
    let needed_bytes = requirement.fixed_bytes.saturating_add(requirement.job_bytes);
    if needed_bytes > usable {
        return Err(EngineError::TooLarge { stage, needed_bytes, free_bytes });
    }
    let fits = (usable - requirement.fixed_bytes).checked_div(requirement.job_bytes).unwrap_or(jobs as u64);
    Ok(fits.min(MAX_JOBS).clamp(1, jobs as u64) as usize)
}

/// Whether this is a thread of the pool that copies. While it waited for the others, it would take up other work, which may
/// need a lock that the caller holds; so it copies by itself.
pub(crate) fn is_in_pool() -> bool {
    rayon::current_thread_index().is_some()
}

/// Copies a slice with all cores, one chunk per thread; a thread of their pool does it alone.
///
/// # Panics
/// If the lengths differ.
pub fn copy<T: Copy + Send + Sync>(from: &[T], to: &mut [T]) {
    assert_eq!(from.len(), to.len(), "both slices must have the same length");
    if is_in_pool() {
        to.copy_from_slice(from);
        return;
    }
    let chunk = from.len().div_ceil(rayon::current_num_threads()).max(1);
    from.par_chunks(chunk).zip(to.par_chunks_mut(chunk)).for_each(|(from, to)| to.copy_from_slice(from));
}

/// Cuts byte arrays that follow each other into chunks of `chunk_bytes`, of which the last may be shorter. Each chunk is a
/// list of its pieces.
pub(crate) fn chunks<'a>(parts: &[&'a [u8]], chunk_bytes: usize) -> Vec<Vec<&'a [u8]>> {
    let mut chunks: Vec<Vec<&[u8]>> = Vec::new();
    let mut space = 0;
    for mut part in parts.iter().copied() {
        while !part.is_empty() {
            if space == 0 {
                chunks.push(Vec::new());
                space = chunk_bytes;
            }
            let (piece, rest) = part.split_at(part.len().min(space));
            if let Some(chunk) = chunks.last_mut() {
                chunk.push(piece);
            }
            space -= piece.len();
            part = rest;
        }
    }
    chunks
}

/// Copies pieces one after the other with all cores. Returns their bytes.
///
/// # Panics
/// If there is not room for them.
pub(crate) fn gather(pieces: &[&[u8]], to: &mut [u8]) -> usize {
    if let [only] = pieces {
        copy(only, &mut to[..only.len()]);
        return only.len();
    }
    let mut places = Vec::with_capacity(pieces.len());
    let mut rest = to;
    for piece in pieces {
        let (place, after) = rest.split_at_mut(piece.len());
        places.push((*piece, place));
        rest = after;
    }
    if is_in_pool() {
        places.into_iter().for_each(|(piece, place)| place.copy_from_slice(piece));
    } else {
        places.into_par_iter().with_min_len(64).for_each(|(piece, place)| place.copy_from_slice(piece));
    }
    pieces.iter().map(|piece| piece.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_all_bytes_in_their_order() {
        let bytes: Vec<u8> = (0..100).collect();
        for lengths in [vec![100], vec![10; 10], vec![0, 1, 98, 0, 1], vec![33, 67], vec![]] {
            let mut at = 0;
            let parts: Vec<&[u8]> = lengths
                .iter()
                .map(|&length| {
                    at += length;
                    &bytes[at - length..at]
                })
                .collect();
            let mut out = Vec::new();
            for pieces in chunks(&parts, 32) {
                let mut to = [0; 32];
                let filled = gather(&pieces, &mut to);
                assert!(filled == 32 || out.len() + filled == at, "{lengths:?}");
                out.extend_from_slice(&to[..filled]);
            }
            assert_eq!(out, &bytes[..at], "{lengths:?}");
        }
    }

    const REQUIREMENT: Requirement = Requirement { fixed_bytes: 100, job_bytes: 10 };

    #[test]
    fn a_batch_has_as_many_jobs_as_fit_the_memory_and_a_launch() {
        // 900 of 1000 bytes are usable: the 100 fixed bytes and 80 jobs.
        for (jobs, most) in [(0, 0), (1, 1), (79, 79), (80, 80), (81, 80), (1001, 80)] {
            assert_eq!(most_jobs("test", 1000, REQUIREMENT, jobs), Ok(most));
        }
        assert_eq!(most_jobs("test", 1 << 40, REQUIREMENT, 200_000), Ok(65_535));
        let fixed_only = Requirement { fixed_bytes: 900, job_bytes: 0 };
        assert_eq!(most_jobs("test", 1000, fixed_only, 5), Ok(5));
    }

    #[test]
    fn a_job_that_does_not_fit_is_refused_with_both_sizes() {
        let error = most_jobs("labels", 100, REQUIREMENT, 3).unwrap_err();
        assert_eq!(error, EngineError::TooLarge { stage: "labels", needed_bytes: 110, free_bytes: 100 });
        assert!(error.to_string().contains("needs 110 bytes") && error.to_string().contains("--device cpu"));
        assert!(error.can_fall_back());
    }
}
