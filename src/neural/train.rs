//! Who trains networks.

use ::burn::backend::cuda::CudaDevice;
use ::burn::backend::flex::FlexDevice;
use ::burn::backend::{Autodiff, Cuda, Flex};

use super::{Network, NeuralError, NeuralJob, Observer, burn, cores};
use crate::boost::Table;

/// What the products of networks are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The CPU's cores, a job each.
    Cores,
    /// Burn on the CPU, all jobs at once: what proves the way that a GPU takes.
    Flex,
    /// Burn on a GPU with so much free memory, all jobs at once.
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
        Backend::Flex => burn::train::<Autodiff<Flex>>(&FlexDevice, u64::MAX, table, features, jobs, observer),
        Backend::Cuda { index, free_bytes } => {
            let device = CudaDevice::new(index);
            burn::train::<Autodiff<Cuda<f32>>>(&device, free_bytes, table, features, jobs, observer)
        }
    }
}
