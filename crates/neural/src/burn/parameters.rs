//! Weights and biases of all jobs on the device.

use ::burn::tensor::backend::Backend;
use ::burn::tensor::{Int, Tensor, TensorData};

use crate::layers::{self, Layer};

/// For each layer the weights, `[jobs, inputs, outputs]`, and the biases, `[jobs, 1, outputs]`; or values of the same shape, such
/// as their gradient.
#[derive(Debug, Clone)]
pub struct Parameters<B: Backend>(pub Vec<Tensor<B, 3>>);

impl<B: Backend> Parameters<B> {
    /// Uploads the parameters of networks, each `[parameters]`.
    pub fn upload(layers: &[Layer], networks: &[Vec<f32>], device: &B::Device) -> Self {
        let one = |range: std::ops::Range<usize>, shape: [usize; 2]| {
            let values: Vec<f32> = networks.iter().flat_map(|network| network[range.clone()].iter().copied()).collect();
            Tensor::from_data(TensorData::new(values, [networks.len(), shape[0], shape[1]]), device)
        };
        let both = |layer: &Layer| {
            [one(layer.weights.clone(), [layer.inputs, layer.outputs]), one(layer.biases.clone(), [1, layer.outputs])]
        };
        Self(layers.iter().flat_map(both).collect())
    }

    /// Downloads the parameters of all networks, each `[parameters]`.
    pub fn download(&self, layers: &[Layer]) -> Vec<Vec<f32>> {
        let jobs = self.0.first().map_or(0, |values| values.dims()[0]);
        let mut networks = vec![vec![0.0; layers::count(layers)]; jobs];
        for (layer, own) in layers.iter().zip(self.0.chunks_exact(2)) {
            for (range, values) in [(&layer.weights, &own[0]), (&layer.biases, &own[1])] {
                let values = to_host(values.clone());
                for (network, values) in networks.iter_mut().zip(values.chunks_exact(range.len())) {
                    network[range.clone()].copy_from_slice(values);
                }
            }
        }
        networks
    }

    /// The parameters of some of the jobs.
    pub fn select(&self, jobs: &Tensor<B, 1, Int>) -> Self {
        self.map(|values| values.select(0, jobs.clone()))
    }

    /// Applies `change` to every tensor.
    pub fn map(&self, change: impl Fn(Tensor<B, 3>) -> Tensor<B, 3>) -> Self {
        Self(self.0.iter().map(|values| change(values.clone())).collect())
    }

    /// NaN for a job with a parameter that is not finite, otherwise 0, `[jobs, 1, 1]`. The losses may not show it, because a ReLU
    /// can hide it.
    pub fn fault(&self) -> Option<Tensor<B, 3>> {
        self.sum(|values| values * 0.0)
    }

    /// The sum of `of` over all tensors and their elements, per job, `[jobs, 1, 1]`.
    pub fn sum(&self, of: impl Fn(Tensor<B, 3>) -> Tensor<B, 3>) -> Option<Tensor<B, 3>> {
        self.0.iter().map(|values| of(values.clone()).sum_dim(2).sum_dim(1)).reduce(|a, b| a + b)
    }
}

/// Uploads the indices of some jobs.
pub fn upload_indices<B: Backend>(jobs: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let jobs: Vec<i32> = jobs.iter().map(|&job| job as i32).collect();
    let count = jobs.len();
    Tensor::from_data(TensorData::new(jobs, [count]), device)
}

/// The values of a tensor, row-major. Waits for the device.
pub fn to_host<B: Backend, const D: usize>(values: Tensor<B, D>) -> Vec<f32> {
    values.into_data().convert::<f32>().iter().collect()
}
