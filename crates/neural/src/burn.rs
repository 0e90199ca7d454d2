//! Training by Burn: all jobs at once, on a GPU.
//!
//! Every tensor has an axis of jobs first, so a step of all jobs is one product a layer, whatever their number. What a job
//! comes to does not depend on the jobs beside it but for the rounding of sums. It is what [`cores`](super::cores) comes to, with the
//! same initial weights, orders of rows and masks, within 1e-4 after a few steps on `Flex`, Burn's backend for the CPU.
//!
//! **Precision.** Parameters, moments and sums are f32. Products are not where a GPU's tensor cores make them: CubeCL's default
//! product of f32 matrices (`SimpleCyclicCmma`, cubek-matmul 0.2, `adjust_dtypes`) rounds both factors to TF32, a mantissa of
//! 10 bits, wherever the GPU knows it (Ampere and later), and sums in f32. So networks trained by CUDA differ from the CPU's by about
//! a thousandth in each product, and by more after many steps. Without Burn's `autotune`, which is not built, the choice of
//! the kernel does not depend on measured times.

mod adamw;
mod feed;
mod graph;
mod guard;
mod member;
mod parameters;
mod plan;
mod rows;
mod toolkit;
mod training;

#[cfg(test)]
mod tests;

use ::burn::tensor::backend::AutodiffBackend;

pub use self::toolkit::headers;
use self::training::Training;
use super::{Network, NeuralError, NeuralJob, Observer};
use huracan_base::Table;

/// Networks of `jobs`, in their order, trained on `device` in batches that take less than half of its free memory.
///
/// # Errors
/// Of each job its own. Where Burn or the device gives up, all jobs of that batch and of the following ones say so.
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
    let stopped = |job: &NeuralJob| NeuralError::Stopped { job: job.name.clone() };
    let check = |job: &NeuralJob| job.check(table, features).and(Err(stopped(job)));
    let mut results: Vec<Result<Network, NeuralError>> = jobs.iter().map(check).collect();
    let sound = |place: &usize| matches!(results[*place], Err(NeuralError::Stopped { .. }));
    let sound: Vec<usize> = (0..jobs.len()).filter(sound).collect();
    // The backend's own name would ask the device for it, which may not be there.
    let name = format!("{device:?}");
    let batches = plan::batches(table, jobs, &sound, free_bytes);
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
            "networks of a batch"
        );
        let run = || Training::<B>::new(device, table, features, jobs, batch, observer).map(Training::run);
        let outcome = match failed.take() {
            Some(reason) => Err(reason),
            None => guard::guarded(device, run),
        };
        match outcome {
            Ok(networks) => networks.into_iter().flatten().for_each(|(place, network)| results[place] = network),
            Err(reason) => {
                for &place in &batch.jobs {
                    let (job, device) = (jobs[place].name.clone(), name.clone());
                    results[place] = Err(NeuralError::Backend { job, device, reason: reason.clone() });
                }
                failed = Some(reason);
            }
        }
    }
    results
}
