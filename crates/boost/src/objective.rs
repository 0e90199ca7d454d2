//! Losses as seen by the trees: the score before the first tree, gradients and Hessians.

use rayon::prelude::*;

use super::quantised::{percentile, sum};
use super::{BoostJob, BoostParams, MIN_SHARED_ROWS, Objective};
use huracan_base::{Instructions, arith, widest};

/// Rows that a thread takes at a time.
const PORTION: usize = 1 << 13;

/// Training labels and their weights.
pub struct Targets<'a> {
    objective: Objective,
    labels: &'a [f32],
    /// None if all are equal.
    weights: Option<Vec<f64>>,
}

impl<'a> Targets<'a> {
    /// The targets of a job that has been checked, to be trained with `params`.
    pub fn of(job: &'a BoostJob, params: &BoostParams) -> Self {
        let scaled = params.objective == Objective::Binary && params.scale_pos_weight != 1.0;
        let weights = (scaled || !job.train_weights.is_empty()).then(|| {
            let weight = |row: usize| job.train_weights.get(row).map_or(1.0, |&weight| f64::from(weight));
            let side = |label: f32| if scaled && label == 1.0 { params.scale_pos_weight } else { 1.0 };
            job.train_labels.iter().enumerate().map(|(row, &label)| weight(row) * side(label)).collect()
        });
        Self { objective: params.objective, labels: &job.train_labels, weights }
    }

    /// The weight of each row; none if all are equal.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// Scores before the first tree, one per class.
    pub fn base_scores(&self) -> Vec<f64> {
        // A single class has infinite log odds: a bound keeps scores finite.
        let bounded = |p: f64| p.clamp(1e-15, 1.0 - 1e-15);
        match self.objective {
            Objective::Binary => {
                let p = bounded(self.share(1.0));
                vec![arith::ln(p / (1.0 - p))]
            }
            Objective::Multiclass { classes } => {
                (0..classes).map(|class| arith::ln(bounded(self.share(class as f32)))).collect()
            }
            Objective::Regression => {
                let values: Vec<f64> = match &self.weights {
                    None => self.labels.iter().map(|&label| f64::from(label)).collect(),
                    Some(weights) => self.labels.iter().zip(weights).map(|(&label, w)| f64::from(label) * w).collect(),
                };
                vec![sum(&values) / self.total()]
            }
            Objective::Quantile { alpha } => vec![self.label_percentile(alpha)],
            // The mean would be a bad start if a few labels are huge.
            Objective::Huber { .. } => vec![self.label_percentile(0.5)],
        }
    }

    /// Share of the total weight that has this label.
    fn share(&self, label: f32) -> f64 {
        match &self.weights {
            None => self.labels.iter().filter(|&&l| l == label).count() as f64 / self.total(),
            Some(weights) => {
                let own: Vec<f64> =
                    self.labels.iter().zip(weights).map(|(&l, &w)| if l == label { w } else { 0.0 }).collect();
                sum(&own) / self.total()
            }
        }
    }

    fn total(&self) -> f64 {
        self.weights.as_ref().map_or(self.labels.len() as f64, |weights| sum(weights))
    }

    fn label_percentile(&self, alpha: f64) -> f64 {
        let labels: Vec<f64> = self.labels.iter().map(|&label| f64::from(label)).collect();
        percentile(&labels, self.weights.as_deref(), alpha)
    }

    /// Gradients and Hessians of the loss with respect to the score of `class`, times the weight. `before` is
    /// `[rows × classes]`: the scores before the round, or their [`probabilities`] if there are several classes. All `instructions`
    /// give the same bits.
    pub fn gradients(
        &self,
        instructions: Instructions,
        class: usize,
        before: &[f64],
        gradient: &mut Vec<f64>,
        hessian: &mut Vec<f64>,
    ) {
        gradient.resize(self.labels.len(), 0.0);
        hessian.resize(self.labels.len(), 0.0);
        if self.labels.len() < MIN_SHARED_ROWS {
            return self.gradients_from(instructions, 0, class, before, gradient, hessian);
        }
        let width = before.len() / self.labels.len();
        let portions = gradient.par_chunks_mut(PORTION).zip(hessian.par_chunks_mut(PORTION));
        portions.zip(before.par_chunks(PORTION * width)).enumerate().for_each(
            |(number, ((gradient, hessian), before))| {
                self.gradients_from(instructions, number * PORTION, class, before, gradient, hessian);
            },
        );
    }

    /// The same for the rows from `first` on that the slices have.
    fn gradients_from(
        &self,
        instructions: Instructions,
        first: usize,
        class: usize,
        before: &[f64],
        gradient: &mut [f64],
        hessian: &mut [f64],
    ) {
        let labels = &self.labels[first..first + gradient.len()];
        let slots = gradient.iter_mut().zip(hessian.iter_mut());
        match self.objective {
            Objective::Binary => binary_gradients(instructions, before, labels, gradient, hessian),
            Objective::Regression => {
                for (((g, h), &score), &label) in slots.zip(before).zip(labels) {
                    *g = score - f64::from(label);
                    *h = 1.0;
                }
            }
            Objective::Multiclass { classes } => {
                // Friedman 2001: the factor K/(K − 1) makes the diagonal Hessian that of K dependent scores.
                let factor = f64::from(classes) / (f64::from(classes) - 1.0);
                for (((g, h), p), &label) in slots.zip(before.chunks_exact(classes as usize)).zip(labels) {
                    let p = p[class];
                    *g = p - if label == class as f32 { 1.0 } else { 0.0 };
                    *h = factor * p * (1.0 - p);
                }
            }
            Objective::Quantile { alpha } => {
                for (((g, h), &score), &label) in slots.zip(before).zip(labels) {
                    *g = if score >= f64::from(label) { 1.0 - alpha } else { -alpha };
                    *h = 1.0;
                }
            }
            Objective::Huber { delta } => {
                for (((g, h), &score), &label) in slots.zip(before).zip(labels) {
                    *g = (score - f64::from(label)).clamp(-delta, delta);
                    *h = 1.0;
                }
            }
        }
        if let Some(weights) = &self.weights {
            for ((g, h), &weight) in gradient.iter_mut().zip(hessian.iter_mut()).zip(&weights[first..]) {
                *g *= weight;
                *h *= weight;
            }
        }
    }

    /// The best output of a leaf with these rows, if it is not a Newton step. The pinball loss has no curvature; its best
    /// output is a percentile of the residuals. `scores` are those before the tree.
    pub fn refitted_output(&self, scores: &[f64], rows: &[u32]) -> Option<f64> {
        let Objective::Quantile { alpha } = self.objective else { return None };
        let residual = |&row: &u32| f64::from(self.labels[row as usize]) - scores[row as usize];
        let residuals: Vec<f64> = rows.iter().map(residual).collect();
        let weights: Option<Vec<f64>> =
            self.weights.as_ref().map(|weights| rows.iter().map(|&row| weights[row as usize]).collect());
        Some(percentile(&residuals, weights.as_deref(), alpha))
    }
}

widest! {
    /// Gradients and Hessians of the log loss of two classes.
    fn binary_gradients(scores: &[f64], labels: &[f32], gradient: &mut [f64], hessian: &mut [f64]) {
        for (((g, h), &score), &label) in gradient.iter_mut().zip(hessian).zip(scores).zip(labels) {
            let p = arith::sigmoid(score);
            *g = p - f64::from(label);
            *h = p * (1.0 - p);
        }
    }
}

/// Turns each row's scores into probabilities, both `[rows × classes]`.
pub fn probabilities(classes: usize, scores: &[f64], out: &mut Vec<f64>) {
    out.clear();
    out.extend_from_slice(scores);
    out.chunks_exact_mut(classes).for_each(arith::softmax);
}

#[cfg(test)]
mod tests {
    use super::super::loss::mean_loss;
    use super::*;

    fn job(objective: Objective, labels: &[f32], weights: &[f32]) -> BoostJob {
        BoostJob {
            train_labels: labels.to_vec(),
            train_weights: weights.to_vec(),
            params: BoostParams { objective, ..BoostParams::default() },
            ..BoostJob::default()
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_loss() {
        let eps = 1e-5;
        let weights = [1.0, 0.5, 2.0];
        for objective in [
            Objective::Binary,
            Objective::Regression,
            Objective::Multiclass { classes: 3 },
            Objective::Quantile { alpha: 0.3 },
            Objective::Huber { delta: 0.8 },
        ] {
            let labels = if objective == Objective::Binary { [1.0, 0.0, 1.0] } else { [1.0, 0.0, 2.0] };
            let job = job(objective, &labels, &weights);
            let targets = Targets::of(&job, &job.params);
            let k = objective.trees_per_round();
            let scores: Vec<f64> = (0..3 * k).map(|i| (i as f64 * 0.7).sin()).collect();
            let mut before = scores.clone();
            if k > 1 {
                probabilities(k, &scores, &mut before);
            }
            for class in 0..k {
                let (mut g, mut h) = (vec![], vec![]);
                targets.gradients(Instructions::used(), class, &before, &mut g, &mut h);
                for row in 0..3 {
                    let loss = |d: f64| {
                        let mut moved = scores.clone();
                        moved[row * k + class] += d;
                        let total: f32 = weights.iter().sum();
                        f64::from(total) * mean_loss(objective, &moved, &labels, &weights, &mut vec![])
                    };
                    // The squared error lacks the factor ½ that its gradient assumes.
                    let unit = if objective == Objective::Regression { 2.0 } else { 1.0 };
                    let slope = (loss(eps) - loss(-eps)) / (2.0 * eps) / unit;
                    assert!((slope - g[row]).abs() < 1e-5, "{objective:?} {slope} {}", g[row]);
                    let linear = match objective {
                        Objective::Quantile { .. } => true,
                        Objective::Huber { delta } => g[row].abs() >= delta * f64::from(weights[row]),
                        _ => false,
                    };
                    if !linear {
                        let factor = if k > 1 { 1.5 } else { 1.0 };
                        let wide = 1e-3;
                        let curve = (loss(wide) + loss(-wide) - 2.0 * loss(0.0)) / (wide * wide) / unit;
                        assert!((curve * factor - h[row]).abs() < 1e-4, "{objective:?} {curve} {}", h[row]);
                    }
                }
            }
        }
    }

    #[test]
    fn threads_share_the_gradients_of_many_rows() {
        let half = MIN_SHARED_ROWS - 100;
        for objective in [Objective::Binary, Objective::Multiclass { classes: 3 }] {
            let label = |row: usize| ((row * 7) % 11 % objective.trees_per_round().max(2)) as f32;
            let labels: Vec<f32> = (0..2 * half).map(label).collect();
            let weights: Vec<f32> = (0..2 * half).map(|row| 0.5 + (row % 5) as f32).collect();
            let k = objective.trees_per_round();
            let before: Vec<f64> = (0..2 * half * k).map(|i| 0.5 + 0.4 * (i as f64).sin()).collect();
            let gradients = |rows: std::ops::Range<usize>| {
                let job = job(objective, &labels[rows.clone()], &weights[rows.clone()]);
                let (mut g, mut h) = (vec![], vec![]);
                let last = k - 1;
                Targets::of(&job, &job.params).gradients(
                    Instructions::used(),
                    last,
                    &before[rows.start * k..rows.end * k],
                    &mut g,
                    &mut h,
                );
                (g, h)
            };
            let (first, second, all) = (gradients(0..half), gradients(half..2 * half), gradients(0..2 * half));
            assert_eq!(all, ([first.0, second.0].concat(), [first.1, second.1].concat()), "{objective:?}");
        }
    }

    #[test]
    fn the_base_score_is_the_best_constant_and_a_weight_equals_that_many_copies() {
        let (labels, weights) = ([0.0, 1.0, 2.0, 7.0], [1.0, 3.0, 0.0, 2.0]);
        let copies = [0.0, 1.0, 1.0, 1.0, 7.0, 7.0];
        let base = |job: &BoostJob| Targets::of(job, &job.params).base_scores();
        for objective in [Objective::Regression, Objective::Quantile { alpha: 0.4 }, Objective::Huber { delta: 1.0 }] {
            let weighted = base(&job(objective, &labels, &weights));
            assert_eq!(weighted, base(&job(objective, &copies, &[])), "{objective:?}");
        }
        assert_eq!(base(&job(Objective::Regression, &labels, &weights)), [17.0 / 6.0]);
        let scaled = BoostParams { scale_pos_weight: 3.0, ..BoostParams::default() };
        let binary = BoostJob { params: scaled, ..job(Objective::Binary, &[1.0, 0.0, 0.0, 0.0], &[]) };
        assert!(base(&binary)[0].abs() < 1e-12);
        let classes = job(Objective::Multiclass { classes: 2 }, &[0.0, 1.0], &[1.0, 3.0]);
        assert_eq!(base(&classes), [arith::ln(0.25), arith::ln(0.75)]);
    }
}
