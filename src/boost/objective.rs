//! Losses: starting score, gradients and Hessians, validation loss; all sums are sums of integers.

use super::{BoostError, BoostJob, Objective};
use crate::arith;

/// Numbers as multiples of a power of two, so that their sum does not depend on its order.
#[derive(Debug, Clone, Default)]
pub struct Quantised {
    pub values: Vec<i32>,
    /// One unit.
    pub unit: f64,
}

impl Quantised {
    /// Quantises `values` with the finest power of two that lets the sum of all have `sum_bits` ≤ 51 bits, and each 31.
    pub fn fill(&mut self, values: &[f64], sum_bits: i32) {
        let mut greatest: f64 = 0.0;
        for v in values {
            greatest = if v.abs() > greatest { v.abs() } else { greatest };
        }
        let bits = (sum_bits - arith::exponent_above(values.len() as f64)).min(30);
        let exponent = (bits - arith::exponent_above(greatest)).clamp(-1000, 1000);
        let scale = arith::power_of_two(exponent);
        self.unit = arith::power_of_two(-exponent);
        self.values.clear();
        self.values.extend(values.iter().map(|v| arith::round_to_i32(v * scale)));
    }
}

/// Labels of a job, checked.
///
/// # Errors
/// A label that is not finite, or not one of the objective's.
pub fn check_labels(job: &BoostJob) -> Result<(), BoostError> {
    let expected = match job.params.objective {
        Objective::Binary => "a binary label is 0 or 1".to_owned(),
        Objective::Regression => "a label is a finite number".to_owned(),
        Objective::Multiclass { classes } => format!("a class is a whole number from 0 to {}", classes - 1),
    };
    let fits = |label: f32| match job.params.objective {
        Objective::Binary => label == 0.0 || label == 1.0,
        Objective::Regression => label.is_finite(),
        Objective::Multiclass { classes } => label >= 0.0 && label < classes as f32 && label.fract() == 0.0,
    };
    match job.train_labels.iter().chain(&job.valid_labels).position(|&label| !fits(label)) {
        None => Ok(()),
        Some(row) => {
            let value = job.train_labels.iter().chain(&job.valid_labels).nth(row).copied().unwrap_or_default();
            Err(BoostError::Label { job: job.name.clone(), row, value: value.to_string(), expected })
        }
    }
}

/// Scores before the first tree, one a class.
pub fn base_scores(objective: Objective, labels: &[f32]) -> Vec<f64> {
    let n = labels.len() as f64;
    // One class alone has an infinite log odds: a bound keeps scores finite.
    let log_odds_bound = |p: f64| p.clamp(1e-15, 1.0 - 1e-15);
    match objective {
        Objective::Binary => {
            let ones = labels.iter().filter(|&&label| label == 1.0).count() as f64;
            let p = log_odds_bound(ones / n);
            vec![arith::ln(p / (1.0 - p))]
        }
        Objective::Regression => {
            let values: Vec<f64> = labels.iter().map(|&label| f64::from(label)).collect();
            let mut quantised = Quantised::default();
            quantised.fill(&values, 51);
            let sum: i64 = quantised.values.iter().map(|&v| i64::from(v)).sum();
            vec![sum as f64 * quantised.unit / n]
        }
        Objective::Multiclass { classes } => (0..classes)
            .map(|class| {
                let members = labels.iter().filter(|&&label| label == class as f32).count() as f64;
                arith::ln(log_odds_bound(members / n))
            })
            .collect(),
    }
}

/// Gradients and Hessians of the loss by the score of `class`; scores are `[rows × classes]`.
pub fn gradients(
    objective: Objective,
    class: usize,
    scores: &[f64],
    labels: &[f32],
    gradient: &mut Vec<f64>,
    hessian: &mut Vec<f64>,
) {
    gradient.resize(labels.len(), 0.0);
    hessian.resize(labels.len(), 0.0);
    let slots = gradient.iter_mut().zip(hessian.iter_mut());
    match objective {
        Objective::Binary => {
            for (((g, h), &score), &label) in slots.zip(scores).zip(labels) {
                let p = arith::sigmoid(score);
                *g = p - f64::from(label);
                *h = p * (1.0 - p);
            }
        }
        Objective::Regression => {
            for (((g, h), &score), &label) in slots.zip(scores).zip(labels) {
                *g = score - f64::from(label);
                *h = 1.0;
            }
        }
        Objective::Multiclass { classes } => {
            // Friedman 2001: the factor K/(K − 1) makes the diagonal Hessian that of K dependent scores.
            let factor = f64::from(classes) / (f64::from(classes) - 1.0);
            let mut p = vec![0.0; classes as usize];
            for (((g, h), row), &label) in slots.zip(scores.chunks_exact(classes as usize)).zip(labels) {
                p.copy_from_slice(row);
                arith::softmax(&mut p);
                *g = p[class] - if label == class as f32 { 1.0 } else { 0.0 };
                *h = factor * p[class] * (1.0 - p[class]);
            }
        }
    }
}

/// Mean loss: log loss for classes, squared error for values.
///
/// Every row's loss is rounded to a multiple of 2⁻⁴⁰ of the power of two above the greatest.
pub fn mean_loss(objective: Objective, scores: &[f64], labels: &[f32], losses: &mut Vec<f64>) -> f64 {
    losses.clear();
    match objective {
        Objective::Binary => losses.extend(scores.iter().zip(labels).map(|(&score, &label)| {
            // ln(1 + e⁻ᵐ) with m the margin on the right side, without overflow.
            let margin = if label == 1.0 { score } else { -score };
            if margin > 0.0 {
                arith::ln(1.0 + arith::exp(-margin))
            } else {
                arith::ln(1.0 + arith::exp(margin)) - margin
            }
        })),
        Objective::Regression => losses.extend(scores.iter().zip(labels).map(|(&score, &label)| {
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
    }
    let greatest = losses.iter().fold(0.0, |most: f64, &loss| if loss > most { loss } else { most });
    let exponent = (40 - arith::exponent_above(greatest)).clamp(-1000, 1000);
    let scale = arith::power_of_two(exponent);
    let sum: i128 = losses.iter().map(|loss| i128::from(arith::round_to_i64(loss * scale))).sum();
    sum as f64 * arith::power_of_two(-exponent) / labels.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_the_slopes_of_the_loss() {
        let labels = [1.0, 0.0, 2.0];
        let eps = 1e-5;
        for objective in [Objective::Binary, Objective::Regression, Objective::Multiclass { classes: 3 }] {
            let labels = if objective == Objective::Binary { [1.0, 0.0, 1.0] } else { labels };
            let k = objective.trees_per_round();
            let scores: Vec<f64> = (0..3 * k).map(|i| (i as f64 * 0.7).sin()).collect();
            for class in 0..k {
                let (mut g, mut h) = (vec![], vec![]);
                gradients(objective, class, &scores, &labels, &mut g, &mut h);
                for row in 0..3 {
                    let loss = |d: f64| {
                        let mut moved = scores.clone();
                        moved[row * k + class] += d;
                        3.0 * mean_loss(objective, &moved, &labels, &mut vec![])
                    };
                    // Squared error is counted without the half that its gradient has.
                    let unit = if objective == Objective::Regression { 2.0 } else { 1.0 };
                    let slope = (loss(eps) - loss(-eps)) / (2.0 * eps) / unit;
                    assert!((slope - g[row]).abs() < 1e-5, "{objective:?} {slope} {}", g[row]);
                    let factor = if k > 1 { 1.5 } else { 1.0 };
                    let wide = 1e-3;
                    let curve = (loss(wide) + loss(-wide) - 2.0 * loss(0.0)) / (wide * wide) / unit;
                    assert!((curve * factor - h[row]).abs() < 1e-4, "{objective:?} {curve} {}", h[row]);
                }
            }
        }
    }

    #[test]
    fn quantised_sums_do_not_depend_on_order() {
        let values: Vec<f64> = (0..1000).map(|i| ((i * 37 % 1000) as f64 - 480.3) * 1e-7).collect();
        let mut q = Quantised::default();
        q.fill(&values, 51);
        let (sum, back): (i64, i64) =
            (q.values.iter().map(|&v| i64::from(v)).sum(), q.values.iter().rev().map(|&v| i64::from(v)).sum());
        assert_eq!(sum, back);
        assert!((sum as f64 * q.unit - values.iter().sum::<f64>()).abs() < 1e-9);
    }
}
