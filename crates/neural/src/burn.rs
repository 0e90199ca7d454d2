//! Training by Burn: all jobs at once, on a GPU.
//!
//! The first axis of every tensor is the jobs, so a step of all jobs is one product per layer, whatever their number. A job
//! does not depend on the other jobs except for the rounding of sums. On `Flex`, Burn's backend for the CPU, its losses are
//! those of [`cores`](super::cores) within 1e-4 after a few steps: initial weights, orders of rows and masks are the same.
//!
//! **Precision.** Parameters, moments and sums are f32. Products of a GPU's tensor cores are not: CubeCL's default product of
//! f32 matrices (`SimpleCyclicCmma`, cubek-matmul 0.2, `adjust_dtypes`) rounds both factors to TF32, with a mantissa of 10
//! bits, wherever the GPU supports it (Ampere and later), and sums in f32. So networks trained by CUDA differ from the CPU's by
//! about a thousandth in each product, and by more after many steps. Burn's `autotune` is not enabled, so the choice of the
//! kernel does not depend on measured times.

mod adamw;
mod feed;
mod graph;
mod guard;
mod kernels;
mod member;
mod parameters;
mod plan;
mod rows;
mod toolkit;
mod training;

#[cfg(all(test, feature = "flex"))]
mod tests;

use ::burn::tensor::backend::AutodiffBackend;

pub use self::kernels::keep_kernels;
pub use self::toolkit::headers;
use self::training::Training;
use super::{Network, NeuralError, NeuralJob, Observer};
use huracan_base::Table;

/// Trains `jobs` on `device`, in batches that take less than half of its free memory. The results are in the order of the jobs.
///
/// Each job fails on its own. If Burn or the device fails, so do all jobs of the batch and of the following batches.
pub fn train<B: AutodiffBackend>(
    device: &B::Device,
    free_bytes: u64,
    table: Table<'_>,
    features: &[String],
    jobs: &[NeuralJob],
    observer: &dyn Observer,
) -> Vec<Result<Network, NeuralError>>
where
    B::Device: guard::Device,
{
    let cancelled = |job: &NeuralJob| NeuralError::Cancelled { job: job.name.clone() };
    let check = |job: &NeuralJob| job.check(table, features).and(Err(cancelled(job)));
    let mut results: Vec<Result<Network, NeuralError>> = jobs.iter().map(check).collect();
    let is_valid = |index: &usize| matches!(results[*index], Err(NeuralError::Cancelled { .. }));
    let valid: Vec<usize> = (0..jobs.len()).filter(is_valid).collect();
    // The backend's own name is read from the device, which may be missing.
    let name = format!("{device:?}");
    let batches = plan::batches(table, jobs, &valid, free_bytes);
    let mut failed: Option<String> = None;
    for (number, batch) in batches.iter().enumerate() {
        let (count, rows, mib) = (batch.jobs.len(), batch.rows.len(), batch.bytes >> 20);
        tracing::debug!(
            device = name,
            batch = number + 1,
            of = batches.len(),
            jobs = count,
            rows,
            mib,
            "training a batch of networks"
        );
        let run = || Training::<B>::new(device, table, features, jobs, batch, observer).map(Training::run);
        let outcome = match failed.take() {
            Some(reason) => Err(reason),
            None => guard::guarded(device, run),
        };
        match outcome {
            Ok(networks) => networks.into_iter().flatten().for_each(|(index, network)| results[index] = network),
            Err(reason) => {
                for &index in &batch.jobs {
                    let (job, device) = (jobs[index].name.clone(), name.clone());
                    results[index] = Err(NeuralError::Backend { job, device, reason: reason.clone() });
                }
                failed = Some(reason);
            }
        }
    }
    // Other stages need the memory of Burn's pools.
    if failed.is_none()
        && let Err(reason) = guard::guarded(device, || B::memory_cleanup(device))
    {
        tracing::warn!(device = name, "Burn keeps its memory: {reason}");
    }
    results
}
