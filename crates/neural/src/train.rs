//! Who trains networks.

#[cfg(feature = "burn")]
use ::burn::backend::{Autodiff, Flex, flex::FlexDevice};
#[cfg(all(feature = "burn", not(test)))]
use ::burn::backend::{Cuda, cuda::CudaDevice};

#[cfg(feature = "burn")]
use super::burn;
use super::{Network, NeuralError, NeuralJob, Observer, cores};
use huracan_base::Table;

/// What the products of networks are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The CPU's cores, a job each.
    Cores,
    /// Burn on the CPU, all jobs at once: what proves the way that a GPU takes.
    #[cfg(feature = "burn")]
    Flex,
    /// Burn on a GPU with so much free memory, all jobs at once. The tests of this crate do without: `tests/gpu.rs` has what there is,
    /// and Burn's types for CUDA take minutes to compile.
    #[cfg(all(feature = "burn", not(test)))]
    Cuda { index: usize, free_bytes: u64 },
}

/// Networks of `jobs`, in their order.
pub fn train(
    backend: &Backend,
    table: Table<'_>,
    features: &[String],
    jobs: &[NeuralJob],
    observer: &dyn Observer,
) -> Vec<Result<Network, NeuralError>> {
    match *backend {
        Backend::Cores => cores::train(table, features, jobs, observer),
        #[cfg(feature = "burn")]
        Backend::Flex => burn::train::<Autodiff<Flex>>(&FlexDevice, u64::MAX, table, features, jobs, observer),
        #[cfg(all(feature = "burn", not(test)))]
        Backend::Cuda { index, free_bytes } => {
            let device = CudaDevice::new(index);
            burn::train::<Autodiff<Cuda<f32>>>(&device, free_bytes, table, features, jobs, observer)
        }
    }
}
