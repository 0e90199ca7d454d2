//! The losses of the heads, and their slopes.

use super::Head;

/// Losses of the outputs `[rows × heads]`, and their slopes: log loss on smoothed labels for binary heads, half the squared
/// distance for value heads. Adds the loss of each head, summed over rows, to `losses`; `slopes` become those of the mean over
/// rows and heads.
pub fn losses_and_slopes(
    heads: &[Head],
    outputs: &[f32],
    labels: &[f32],
    smoothing: f32,
    losses: &mut [f64],
    slopes: &mut [f32],
) {
    let each = 1.0 / outputs.len() as f32;
    for ((outputs, labels), slopes) in outputs
        .chunks_exact(heads.len())
        .zip(labels.chunks_exact(heads.len()))
        .zip(slopes.chunks_exact_mut(heads.len()))
    {
        for (head, kind) in heads.iter().enumerate() {
            let (loss, slope) = match kind {
                Head::Binary => binary(outputs[head], labels[head] * (1.0 - smoothing) + 0.5 * smoothing),
                Head::Value => value(outputs[head], labels[head]),
            };
            losses[head] += f64::from(loss);
            slopes[head] = slope * each;
        }
    }
}

/// Adds the loss of each head, summed over rows, to `losses`. Labels are not smoothed.
pub fn losses(heads: &[Head], outputs: &[f32], labels: &[f32], losses: &mut [f64]) {
    for (outputs, labels) in outputs.chunks_exact(heads.len()).zip(labels.chunks_exact(heads.len())) {
        for (head, kind) in heads.iter().enumerate() {
            losses[head] += f64::from(match kind {
                Head::Binary => binary(outputs[head], labels[head]).0,
                Head::Value => value(outputs[head], labels[head]).0,
            });
        }
    }
}

/// Log loss of a score s with the label l, and its slope: ln(1 + eˢ) − ls, and σ(s) − l.
fn binary(score: f32, label: f32) -> (f32, f32) {
    let small = (-score.abs()).exp();
    let loss = score.max(0.0) + small.ln_1p() - label * score;
    let sigmoid = if score >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
    (loss, sigmoid - label)
}

fn value(output: f32, label: f32) -> (f32, f32) {
    let distance = output - label;
    (0.5 * distance * distance, distance)
}
