//! Who trains networks.

#[cfg(feature = "burn")]
use ::burn::backend::{Autodiff, Cuda, Flex, cuda::CudaDevice, flex::FlexDevice};

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
    /// Burn on a GPU with so much free memory, all jobs at once.
    #[cfg(feature = "burn")]
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
        #[cfg(feature = "burn")]
        Backend::Cuda { index, free_bytes } => {
            let device = CudaDevice::new(index);
            burn::train::<Autodiff<Cuda<f32>>>(&device, free_bytes, table, features, jobs, observer)
        }
    }
}
