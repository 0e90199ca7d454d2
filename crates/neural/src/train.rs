//! Trains networks on a backend.

#[cfg(any(feature = "flex", all(feature = "burn", not(test))))]
use ::burn::backend::Autodiff;
#[cfg(all(feature = "burn", not(test)))]
use ::burn::backend::{Cuda, cuda::CudaDevice};
#[cfg(feature = "flex")]
use ::burn::backend::{Flex, flex::FlexDevice};

#[cfg(any(feature = "flex", all(feature = "burn", not(test))))]
use super::burn;
use super::{Network, NeuralError, NeuralJob, Observer, cores};
use huracan_base::Table;

/// What trains networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The CPU's cores, one job per core.
    Cores,
    /// Burn on the CPU, all jobs at once. It tests the code that a GPU runs.
    #[cfg(feature = "flex")]
    Flex,
    // Unit tests are built without it, because Burn's types for CUDA take minutes to compile; `tests/gpu.rs` tests it.
    /// Burn on a GPU, all jobs at once.
    #[cfg(all(feature = "burn", not(test)))]
    Cuda {
        /// Number of the GPU.
        index: usize,
        /// Its free memory, of which batches of jobs take less than half.
        free_bytes: u64,
    },
}

/// Trains `jobs` on the rows of `table`. The results are in the order of the jobs; each job fails on its own.
///
/// `features` are the names of the table's columns.
pub fn train(
    backend: &Backend,
    table: Table<'_>,
    features: &[String],
    jobs: &[NeuralJob],
    observer: &dyn Observer,
) -> Vec<Result<Network, NeuralError>> {
    match *backend {
        Backend::Cores => cores::train(table, features, jobs, observer),
        #[cfg(feature = "flex")]
        Backend::Flex => burn::train::<Autodiff<Flex>>(&FlexDevice, u64::MAX, table, features, jobs, observer),
        #[cfg(all(feature = "burn", not(test)))]
        Backend::Cuda { index, free_bytes } => {
            let device = CudaDevice::new(index);
            burn::train::<Autodiff<Cuda<f32>>>(&device, free_bytes, table, features, jobs, observer)
        }
    }
}
