//! The forward and the backward pass of all jobs at once; the first axis of every tensor is the jobs.

use ::burn::tensor::activation::relu;
use ::burn::tensor::backend::{AutodiffBackend, Backend};
use ::burn::tensor::{Bool, Tensor};

use super::adamw::at_most;
use super::feed::{BatchData, StepRows};
use super::parameters::Parameters;
use super::rows::MAX_VALUE;
use crate::Scaler;
use crate::layers::{Layer, Skip};

/// The inputs of a step: scaled features of the windows of its rows, `[jobs, rows × bars, features]`. This is
/// [`Scaler::apply`] on the device.
pub fn inputs<B: Backend>(data: &BatchData<B>, step_rows: &StepRows<B>) -> Tensor<B, 3> {
    let [jobs, rows] = step_rows.positions.dims();
    let ([_, features], [_, _, bars]) = (data.table.dims(), data.bars.dims());
    let positions = step_rows.positions.clone().reshape([jobs, rows, 1]);
    // Bars before a job's first row, and padding, use the row of missing values.
    let positions = if bars == 1 {
        positions
    } else {
        let positions = positions + data.bars.clone();
        let outside = positions.clone().lower(data.first.clone());
        positions.mask_fill(outside, 0)
    };
    let values = data.table.clone().select(0, positions.reshape([jobs * rows * bars]));
    let values = values.reshape([jobs, rows * bars, features]);
    let missing = values.clone().greater_elem(MAX_VALUE);
    let scaled = at_most((values - data.mean.clone()) * data.scale.clone(), Scaler::MAX_DEVIATIONS);
    let below = scaled.clone().lower_elem(-Scaler::MAX_DEVIATIONS);
    scaled.mask_fill(below, -Scaler::MAX_DEVIATIONS).mask_fill(missing, 0.0)
}

/// The scores `[jobs, rows, heads]` for `inputs`, `[jobs, rows × bars, features]`. `masks` are the dropout masks of each layer
/// except the heads, `[jobs, rows × bars, outputs]`; it is empty without dropout.
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
        // Two neighbouring bars are adjacent in memory, so they become the inputs of one product.
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

/// Losses of `scores`, `[jobs, rows, heads]`, and their slopes, both per row: see `loss`. `binary` marks the binary heads.
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

/// The loss of each head, summed over a step's rows, `[jobs, 1, heads]`, and the gradient of its mean over a job's rows and
/// heads.
///
/// The slopes of the scores are computed as in `loss`; Burn differentiates the scores with respect to the parameters. `each` is
/// one over the number of a job's rows and heads.
pub fn gradient<B: AutodiffBackend>(
    layers: &[Layer],
    parameters: &Parameters<B::InnerBackend>,
    data: &BatchData<B::InnerBackend>,
    step_rows: &StepRows<B::InnerBackend>,
    masks: Vec<Tensor<B::InnerBackend, 3>>,
    each: Tensor<B::InnerBackend, 3>,
) -> (Tensor<B::InnerBackend, 3>, Parameters<B::InnerBackend>) {
    let leaves: Vec<Tensor<B, 3>> =
        parameters.0.iter().map(|values| Tensor::from_inner(values.clone()).require_grad()).collect();
    let masks: Vec<Tensor<B, 3>> = masks.into_iter().map(Tensor::from_inner).collect();
    let scores = forward(layers, &leaves, Tensor::from_inner(inputs(data, step_rows)), &masks);
    let (losses, slopes) = losses_and_slopes(&data.binary, scores.clone().inner(), step_rows.labels.clone());
    let slopes = slopes * (step_rows.weights.clone() * each);
    let mut gradients = (scores * Tensor::from_inner(slopes)).sum().backward();
    let gradient = leaves
        .into_iter()
        .map(|leaf| leaf.grad_remove(&mut gradients).unwrap_or_else(|| leaf.inner().zeros_like()))
        .collect();
    ((losses * step_rows.weights.clone()).sum_dim(1), Parameters(gradient))
}

/// The loss of each head, summed over some rows, `[jobs, 1, heads]`.
pub fn losses<B: Backend>(
    layers: &[Layer],
    parameters: &Parameters<B>,
    data: &BatchData<B>,
    step_rows: &StepRows<B>,
) -> Tensor<B, 3> {
    let scores = forward(layers, &parameters.0, inputs(data, step_rows), &[]);
    let (losses, _) = losses_and_slopes(&data.binary, scores, step_rows.labels.clone());
    (losses * step_rows.weights.clone()).sum_dim(1)
}
