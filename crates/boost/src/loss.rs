//! The mean loss of predictions.

use super::Objective;
use super::quantised::{MAX_EXPONENT, greatest_magnitude, sum};
use huracan_base::{Instructions, arith, widest};

/// Bits of the greatest loss of a row, after it is rounded.
pub const LOSS_BITS: i32 = 40;

/// Rounded losses, each of at most [`LOSS_BITS`] bits, whose sum fits an i64.
const EXACT_LOSSES: usize = 1 << (62 - LOSS_BITS);

/// Factor of the square in the Huber loss: ½d² up to δ, then δ(d − ½δ).
pub const HUBER_FACTOR: f64 = 0.5;

/// Mean loss of the raw scores `[rows × classes]`: log loss for classes; squared error, pinball or Huber loss for values.
///
/// `weights` has one weight per row, or is empty if all rows count the same. `losses` is working memory. The loss of every row
/// is rounded to a multiple of 2⁻⁴⁰ of the power of two above the greatest, so the sum does not depend on the order.
///
/// # Panics
/// Multiclass: a label is not a class.
pub fn mean_loss(objective: Objective, scores: &[f64], labels: &[f32], weights: &[f32], losses: &mut Vec<f64>) -> f64 {
    mean_loss_with(Instructions::used(), objective, scores, labels, weights, losses)
}

/// [`mean_loss`] with given instructions; all give the same bits.
///
/// # Panics
/// As [`mean_loss`].
pub(super) fn mean_loss_with(
    instructions: Instructions,
    objective: Objective,
    scores: &[f64],
    labels: &[f32],
    weights: &[f32],
    losses: &mut Vec<f64>,
) -> f64 {
    row_losses(instructions, objective, scores, labels, losses);
    let mut total = labels.len() as f64;
    if !weights.is_empty() {
        let weights: Vec<f64> = weights.iter().map(|&weight| f64::from(weight)).collect();
        losses.iter_mut().zip(&weights).for_each(|(loss, weight)| *loss *= weight);
        total = sum(&weights);
    }
    // No loss is negative.
    let greatest = greatest_magnitude(instructions, losses);
    let exponent = (LOSS_BITS - arith::exponent_above(greatest)).clamp(-MAX_EXPONENT, MAX_EXPONENT);
    let scale = arith::power_of_two(exponent);
    // An infinite loss counts as the greatest integer.
    let together = if greatest.is_finite() { EXACT_LOSSES } else { 1 };
    let sum: i128 = losses.chunks(together).map(|losses| i128::from(sum_of_rounded(instructions, losses, scale))).sum();
    sum as f64 * arith::power_of_two(-exponent) / total
}

/// The loss of each row.
fn row_losses(instructions: Instructions, objective: Objective, scores: &[f64], labels: &[f32], losses: &mut Vec<f64>) {
    losses.clear();
    let rows = scores.iter().zip(labels);
    match objective {
        Objective::Binary => {
            losses.resize(labels.len(), 0.0);
            binary_losses(instructions, scores, labels, losses);
        }
        Objective::Regression => losses.extend(rows.map(|(&score, &label)| {
            let d = score - f64::from(label);
            d * d
        })),
        Objective::Multiclass { classes } => {
            let mut p = vec![0.0; classes as usize];
            losses.extend(scores.chunks_exact(classes as usize).zip(labels).map(|(row, &label)| {
                p.copy_from_slice(row);
                arith::softmax(&mut p);
                let hit = p[label as usize];
                -arith::ln(if hit < 1e-300 { 1e-300 } else { hit })
            }));
        }
        Objective::Quantile { alpha } => losses.extend(rows.map(|(&score, &label)| {
            let d = f64::from(label) - score;
            if d >= 0.0 { d * alpha } else { d * (alpha - 1.0) }
        })),
        Objective::Huber { delta } => losses.extend(rows.map(|(&score, &label)| {
            let d = (score - f64::from(label)).abs();
            if d <= delta { HUBER_FACTOR * d * d } else { delta * (d - HUBER_FACTOR * delta) }
        })),
    }
}

widest! {
    /// The sum of at most [`EXACT_LOSSES`] losses times `scale`, each rounded to the nearest integer.
    fn sum_of_rounded(losses: &[f64], scale: f64) -> i64 {
        losses.iter().map(|loss| arith::round_to_i64(loss * scale)).sum()
    }
}

widest! {
    /// The log loss of two classes, ln(1 + e⁻ᵐ), where m is the score in favour of the label, without overflow.
    fn binary_losses(scores: &[f64], labels: &[f32], losses: &mut [f64]) {
        for ((loss, &score), &label) in losses.iter_mut().zip(scores).zip(labels) {
            let margin = if label == 1.0 { score } else { -score };
            let positive = margin > 0.0;
            let log = arith::ln(1.0 + arith::exp(if positive { -margin } else { margin }));
            *loss = if positive { log } else { log - margin };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(objective: Objective, scores: &[f64], labels: &[f32], weights: &[f32]) -> f64 {
        mean_loss(objective, scores, labels, weights, &mut vec![])
    }

    #[test]
    fn losses_are_those_worked_out_by_hand() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-11, "{a} {b}");
        near(loss(Objective::Binary, &[0.0, 1000.0], &[1.0, 1.0], &[]), 2.0_f64.ln() / 2.0);
        near(loss(Objective::Binary, &[-50.0], &[1.0], &[]), 50.0);
        near(loss(Objective::Regression, &[1.0, 2.0], &[3.0, 2.0], &[]), 2.0);
        near(loss(Objective::Multiclass { classes: 2 }, &[0.0, 0.0], &[1.0], &[]), 2.0_f64.ln());
        near(loss(Objective::Quantile { alpha: 0.9 }, &[1.0, 1.0], &[2.0, 0.0], &[]), 0.5);
        near(loss(Objective::Huber { delta: 1.0 }, &[0.5, 3.0], &[0.0, 0.0], &[]), (0.125 + 2.5) / 2.0);
        near(loss(Objective::Regression, &[1.0, 2.0, 9.0], &[3.0, 2.0, 0.0], &[3.0, 1.0, 0.0]), 3.0);
    }
}
