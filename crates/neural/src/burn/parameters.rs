//! Weights and biases of all jobs on the device.

use ::burn::tensor::backend::Backend;
use ::burn::tensor::{Int, Tensor, TensorData};

use crate::layers::{self, Layer};

/// Of each layer the weights, `[jobs, inputs, outputs]`, and the biases, `[jobs, 1, outputs]`; or something of that shape,
/// as their gradient.
#[derive(Debug, Clone)]
pub struct Parameters<B: Backend>(pub Vec<Tensor<B, 3>>);

impl<B: Backend> Parameters<B> {
    /// Those of networks as they lie on the host, in the order of `layers`.
    pub fn upload(layers: &[Layer], networks: &[Vec<f32>], device: &B::Device) -> Self {
        let one = |places: std::ops::Range<usize>, shape: [usize; 2]| {
            let values: Vec<f32> =
                networks.iter().flat_map(|network| network[places.clone()].iter().copied()).collect();
            Tensor::from_data(TensorData::new(values, [networks.len(), shape[0], shape[1]]), device)
        };
        let both = |layer: &Layer| {
            [one(layer.weights.clone(), [layer.inputs, layer.outputs]), one(layer.biases.clone(), [1, layer.outputs])]
        };
        Self(layers.iter().flat_map(both).collect())
    }

    /// Networks as they lie on the host.
    pub fn download(&self, layers: &[Layer]) -> Vec<Vec<f32>> {
        let jobs = self.0.first().map_or(0, |values| values.dims()[0]);
        let mut networks = vec![vec![0.0; layers::count(layers)]; jobs];
        for (layer, own) in layers.iter().zip(self.0.chunks_exact(2)) {
            for (places, values) in [(&layer.weights, &own[0]), (&layer.biases, &own[1])] {
                let values = to_host(values.clone());
                for (network, values) in networks.iter_mut().zip(values.chunks_exact(places.len())) {
                    network[places.clone()].copy_from_slice(values);
                }
            }
        }
        networks
    }

    /// Those of some of the jobs.
    pub fn select(&self, jobs: &Tensor<B, 1, Int>) -> Self {
        self.map(|values| values.select(0, jobs.clone()))
    }

    pub fn map(&self, change: impl Fn(Tensor<B, 3>) -> Tensor<B, 3>) -> Self {
        Self(self.0.iter().map(|values| change(values.clone())).collect())
    }

    /// No number for a job that has a parameter which is none, and else 0, `[jobs, 1, 1]`. A rectifier may hide what is
    /// no number from the losses.
    pub fn fault(&self) -> Option<Tensor<B, 3>> {
        self.sum(|values| values * 0.0)
    }

    /// What `of` says of each tensor, summed within a job, `[jobs, 1, 1]`.
    pub fn sum(&self, of: impl Fn(Tensor<B, 3>) -> Tensor<B, 3>) -> Option<Tensor<B, 3>> {
        self.0.iter().map(|values| of(values.clone()).sum_dim(2).sum_dim(1)).reduce(|a, b| a + b)
    }
}

/// Places of some jobs on the device.
pub fn places<B: Backend>(jobs: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let jobs: Vec<i32> = jobs.iter().map(|&job| job as i32).collect();
    let count = jobs.len();
    Tensor::from_data(TensorData::new(jobs, [count]), device)
}

/// A tensor's values, row after row. It waits for the device.
pub fn to_host<B: Backend, const D: usize>(values: Tensor<B, D>) -> Vec<f32> {
    values.into_data().convert::<f32>().iter().collect()
}
