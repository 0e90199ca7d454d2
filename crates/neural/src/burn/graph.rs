//! Networks of all jobs forward and back at once: every tensor has an axis of jobs first.

use ::burn::tensor::activation::relu;
use ::burn::tensor::backend::{AutodiffBackend, Backend};
use ::burn::tensor::{Bool, Tensor};

use super::adamw::at_most;
use super::feed::{Feed, Fixed};
use super::parameters::Parameters;
use super::rows::FARTHEST;
use crate::Scaler;
use crate::layers::{Layer, Skip};

/// Scaled features of the windows that a step sees, `[jobs, rows × bars, features]`: [`Scaler::apply`]
/// on the device.
pub fn inputs<B: Backend>(fixed: &Fixed<B>, feed: &Feed<B>) -> Tensor<B, 3> {
    let [jobs, rows] = feed.places.dims();
    let ([_, features], [_, _, bars]) = (fixed.table.dims(), fixed.bars.dims());
    let places = feed.places.clone().reshape([jobs, rows, 1]);
    // Bars before a job's first row, and rows that fill up, are the row of missing values.
    let places = if bars == 1 {
        places
    } else {
        let places = places + fixed.bars.clone();
        let outside = places.clone().lower(fixed.first.clone());
        places.mask_fill(outside, 0)
    };
    let values = fixed.table.clone().select(0, places.reshape([jobs * rows * bars]));
    let values = values.reshape([jobs, rows * bars, features]);
    let missing = values.clone().greater_elem(FARTHEST);
    let scaled = at_most((values - fixed.mean.clone()) * fixed.scale.clone(), Scaler::REACH);
    let below = scaled.clone().lower_elem(-Scaler::REACH);
    scaled.mask_fill(below, -Scaler::REACH).mask_fill(missing, 0.0)
}

/// Scores, `[jobs, rows, heads]`, of `inputs`, `[jobs, rows × bars, features]`. `masks` are those of each layer but the
/// heads', `[jobs, rows × bars, outputs]`; without any, no output is left out.
pub fn forward<B: Backend>(
    layers: &[Layer],
    parameters: &[Tensor<B, 3>],
    inputs: Tensor<B, 3>,
    masks: &[Tensor<B, 3>],
) -> Tensor<B, 3> {
    let Some(first) = layers.first() else { return inputs };
    let [jobs, products, _] = inputs.dims();
    let rows = products / first.bars;
    let mut values = inputs;
    for (number, (layer, own)) in layers.iter().zip(parameters.chunks_exact(2)).enumerate() {
        // Two neighbouring bars lie beside each other in memory.
        let inputs = values.reshape([jobs, rows * layer.bars, layer.inputs]);
        let sums = inputs.clone().matmul(own[0].clone()) + own[1].clone();
        if number + 1 == layers.len() {
            return sums;
        }
        let mut outputs = relu(sums);
        if let Some(mask) = masks.get(number) {
            outputs = outputs * mask.clone();
        }
        values = match layer.skip {
            Skip::Nothing => outputs,
            Skip::Inputs => outputs + inputs,
            Skip::Later => outputs + inputs.slice_dim(2, layer.outputs..layer.inputs),
        };
    }
    values
}

/// Losses of `scores`, `[jobs, rows, heads]`, and their slopes, both of each row: see `loss`. `binary` says which heads are.
pub fn losses_and_slopes<B: Backend>(
    binary: &Tensor<B, 3, Bool>,
    scores: Tensor<B, 3>,
    labels: Tensor<B, 3>,
) -> (Tensor<B, 3>, Tensor<B, 3>) {
    let binary = binary.clone().expand(scores.shape());
    let small = scores.clone().abs().neg().exp();
    let log_loss = relu(scores.clone()) + small.clone().log1p() - labels.clone() * scores.clone();
    let sigmoid = small.clone().mask_fill(scores.clone().greater_equal_elem(0.0), 1.0) / (small + 1.0);
    let distance = scores - labels.clone();
    let half_square = distance.clone() * distance.clone() * 0.5;
    (half_square.mask_where(binary.clone(), log_loss), distance.mask_where(binary, sigmoid - labels))
}

/// Each head's loss, summed over a step's rows, `[jobs, 1, heads]`, and the gradient of the mean over a job's rows and heads.
///
/// The slopes of the scores are computed as `loss` does; what Burn differentiates is the way from the parameters to the scores.
pub fn gradient<B: AutodiffBackend>(
    layers: &[Layer],
    parameters: &Parameters<B::InnerBackend>,
    fixed: &Fixed<B::InnerBackend>,
    feed: &Feed<B::InnerBackend>,
    masks: Vec<Tensor<B::InnerBackend, 3>>,
    each: Tensor<B::InnerBackend, 3>,
) -> (Tensor<B::InnerBackend, 3>, Parameters<B::InnerBackend>) {
    let leaves: Vec<Tensor<B, 3>> =
        parameters.0.iter().map(|values| Tensor::from_inner(values.clone()).require_grad()).collect();
    let masks: Vec<Tensor<B, 3>> = masks.into_iter().map(Tensor::from_inner).collect();
    let scores = forward(layers, &leaves, Tensor::from_inner(inputs(fixed, feed)), &masks);
    let (losses, slopes) = losses_and_slopes(&fixed.binary, scores.clone().inner(), feed.labels.clone());
    let slopes = slopes * (feed.weights.clone() * each);
    let mut gradients = (scores * Tensor::from_inner(slopes)).sum().backward();
    let gradient = leaves
        .into_iter()
        .map(|leaf| leaf.grad_remove(&mut gradients).unwrap_or_else(|| leaf.inner().zeros_like()))
        .collect();
    ((losses * feed.weights.clone()).sum_dim(1), Parameters(gradient))
}

/// Each head's loss, summed over some rows, `[jobs, 1, heads]`.
pub fn losses<B: Backend>(
    layers: &[Layer],
    parameters: &Parameters<B>,
    fixed: &Fixed<B>,
    feed: &Feed<B>,
) -> Tensor<B, 3> {
    let scores = forward(layers, &parameters.0, inputs(fixed, feed), &[]);
    let (losses, _) = losses_and_slopes(&fixed.binary, scores, feed.labels.clone());
    (losses * feed.weights.clone()).sum_dim(1)
}
