//! The forward and the backward pass of one batch on the CPU. All intermediate values stay in the cache of one core.

use super::Head;
use super::dropout::Masks;
use super::layers::{Layer, Skip};
use super::loss;
use super::matrix::{Matrix, multiply};

/// Working memory of a thread, for one network at a time.
#[derive(Default)]
pub struct Workspace {
    /// Scaled features of the batch, `[rows × bars × features]`.
    pub inputs: Vec<f32>,
    /// Labels of the batch, `[rows × heads]`.
    pub labels: Vec<f32>,
    /// Outputs of each layer, `[rows × bars × outputs]`.
    outputs: Vec<Vec<f32>>,
    /// Derivative of each output by its sum: 0 where the sum was not above 0 or the output was dropped.
    gates: Vec<Vec<f32>>,
    /// Slopes of the loss with respect to the outputs of the current layer.
    slopes: Vec<f32>,
    /// Slopes with respect to its sums.
    sums: Vec<f32>,
    /// Slopes with respect to its inputs.
    next: Vec<f32>,
    /// Gradient of the loss, `[parameters]`.
    pub gradient: Vec<f32>,
    masks: Masks,
}

/// The first `length` entries of `values`, which grows if it is shorter. Their content is arbitrary.
fn resize(values: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if values.len() < length {
        values.resize(length, 0.0);
    }
    &mut values[..length]
}

/// Forward pass of `rows` rows with the scaled features `work.inputs`. Returns their scores, `[rows × heads]`. `dropout` is the
/// share of the outputs to drop, and the seed of the step.
pub fn forward<'a>(
    layers: &[Layer],
    parameters: &[f32],
    work: &'a mut Workspace,
    rows: usize,
    dropout: Option<(f64, u64)>,
) -> &'a [f32] {
    work.outputs.resize_with(layers.len(), Vec::new);
    work.gates.resize_with(layers.len(), Vec::new);
    for (number, layer) in layers.iter().enumerate() {
        let (before, rest) = work.outputs.split_at_mut(number);
        let products = rows * layer.bars;
        let inputs = before.last().unwrap_or(&work.inputs);
        let inputs = &inputs[..products * layer.inputs];
        let outputs = resize(&mut rest[0], products * layer.outputs);
        for row in outputs.chunks_exact_mut(layer.outputs) {
            row.copy_from_slice(&parameters[layer.biases.clone()]);
        }
        let weights = Matrix::new(&parameters[layer.weights.clone()], layer.inputs, layer.outputs);
        multiply(Matrix::new(inputs, products, layer.inputs), weights, outputs, true);
        if number + 1 == layers.len() {
            break;
        }
        let gates = resize(&mut work.gates[number], outputs.len());
        for (gate, output) in gates.iter_mut().zip(&*outputs) {
            *gate = if *output > 0.0 { 1.0 } else { 0.0 };
        }
        if let Some((share, seed)) = dropout {
            let masks = work.masks.of(layer.outputs, share);
            for (row, gates) in gates.chunks_exact_mut(layer.outputs).enumerate() {
                let mask = masks.row(Masks::number(seed, number, row));
                gates.iter_mut().zip(mask).for_each(|(gate, mask)| *gate *= mask);
            }
        }
        for (output, gate) in outputs.iter_mut().zip(&*gates) {
            *output *= gate;
        }
        skip(layer, inputs, outputs);
    }
    let heads = layers.last().map_or(0, |layer| layer.outputs);
    work.outputs.last().map_or(&[], |outputs| &outputs[..rows * heads])
}

/// Adds the inputs of a layer's skip connection to its outputs.
fn skip(layer: &Layer, inputs: &[f32], outputs: &mut [f32]) {
    let later = match layer.skip {
        Skip::Nothing => return,
        Skip::Inputs => 0,
        Skip::Later => layer.outputs,
    };
    for (outputs, inputs) in outputs.chunks_exact_mut(layer.outputs).zip(inputs.chunks_exact(layer.inputs)) {
        for (output, input) in outputs.iter_mut().zip(&inputs[later..]) {
            *output += input;
        }
    }
}

/// Backward pass of the rows of the last [`forward`]. Writes the gradient of their mean loss to `work.gradient`, and adds the
/// loss of each head, summed over rows, to `losses`.
pub fn backward(
    layers: &[Layer],
    heads: &[Head],
    parameters: &[f32],
    work: &mut Workspace,
    rows: usize,
    smoothing: f32,
    losses: &mut [f64],
) {
    let Some(last) = layers.last() else { return };
    resize(&mut work.gradient, last.biases.end);
    let scores = &work.outputs[layers.len() - 1][..rows * last.outputs];
    let slopes = resize(&mut work.slopes, scores.len());
    loss::losses_and_slopes(heads, scores, &work.labels[..scores.len()], smoothing, losses, slopes);
    for (number, layer) in layers.iter().enumerate().rev() {
        let products = rows * layer.bars;
        let inputs = if number == 0 { &work.inputs } else { &work.outputs[number - 1] };
        let inputs = Matrix::new(&inputs[..products * layer.inputs], products, layer.inputs);
        let slopes = &work.slopes[..products * layer.outputs];
        let sums = if number + 1 == layers.len() {
            slopes
        } else {
            let sums = resize(&mut work.sums, slopes.len());
            for ((sum, slope), gate) in sums.iter_mut().zip(slopes).zip(&work.gates[number]) {
                *sum = slope * gate;
            }
            &*sums
        };
        let sums_matrix = Matrix::new(sums, products, layer.outputs);
        multiply(inputs.transposed(), sums_matrix, &mut work.gradient[layer.weights.clone()], false);
        let biases = &mut work.gradient[layer.biases.clone()];
        biases.fill(0.0);
        for row in sums.chunks_exact(layer.outputs) {
            for (bias, sum) in biases.iter_mut().zip(row) {
                *bias += sum;
            }
        }
        if number == 0 {
            break;
        }
        let weights = Matrix::new(&parameters[layer.weights.clone()], layer.inputs, layer.outputs);
        let next = resize(&mut work.next, products * layer.inputs);
        multiply(sums_matrix, weights.transposed(), next, false);
        skip_backward(layer, slopes, next);
        std::mem::swap(&mut work.slopes, &mut work.next);
    }
}

/// Adds the slopes of a layer's skip connection to those of its inputs: the backward pass of [`skip`].
fn skip_backward(layer: &Layer, slopes: &[f32], next: &mut [f32]) {
    let later = match layer.skip {
        Skip::Nothing => return,
        Skip::Inputs => 0,
        Skip::Later => layer.outputs,
    };
    for (slopes, next) in slopes.chunks_exact(layer.outputs).zip(next.chunks_exact_mut(layer.inputs)) {
        for (next, slope) in next[later..].iter_mut().zip(slopes) {
            *next += slope;
        }
    }
}
