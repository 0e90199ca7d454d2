//! Adam with decoupled weight decay (Kingma and Ba 2015; Loshchilov and Hutter 2019).

use super::layers::Layer;

/// Decay of the first moment.
pub const BETA_1: f32 = 0.9;
/// Decay of the second moment.
pub const BETA_2: f32 = 0.999;
/// Added to the root of the second moment.
pub const EPSILON: f32 = 1e-8;

/// The optimiser of one network: the moments of its gradient.
pub struct AdamW {
    first: Vec<f32>,
    second: Vec<f32>,
    steps: u64,
    weight_decay: f32,
}

impl AdamW {
    /// An optimiser with these first and second moments, after this many steps.
    pub fn new((first, second): (Vec<f32>, Vec<f32>), steps: u64, weight_decay: f64) -> Self {
        Self { first, second, steps, weight_decay: weight_decay as f32 }
    }

    /// The first and the second moments.
    pub fn moments(&self) -> (&[f32], &[f32]) {
        (&self.first, &self.second)
    }

    /// Takes one step against the gradient. Biases do not decay.
    pub fn step(&mut self, layers: &[Layer], parameters: &mut [f32], gradient: &[f32], rate: f32) {
        self.steps += 1;
        let [first_correction, second_correction] = bias_corrections(self.steps);
        for layer in layers {
            for (range, decay) in [(&layer.weights, self.weight_decay), (&layer.biases, 0.0)] {
                let kept = 1.0 - rate * decay;
                let moments = self.first[range.clone()].iter_mut().zip(self.second[range.clone()].iter_mut());
                let values = parameters[range.clone()].iter_mut().zip(&gradient[range.clone()]);
                for ((parameter, &slope), (first, second)) in values.zip(moments) {
                    *first = BETA_1 * *first + (1.0 - BETA_1) * slope;
                    *second = BETA_2 * *second + (1.0 - BETA_2) * slope * slope;
                    let step = *first * first_correction / ((*second * second_correction).sqrt() + EPSILON);
                    *parameter = *parameter * kept - rate * step;
                }
            }
        }
    }
}

/// The bias corrections of both moments after this many steps: factors that are needed because the moments start at 0.
pub fn bias_corrections(steps: u64) -> [f32; 2] {
    [BETA_1, BETA_2].map(|beta| (1.0 / (1.0 - f64::from(beta).powf(steps as f64))) as f32)
}

/// The one-cycle learning rate (Smith 2018) of a step: for three tenths of the steps linear from a 25th of the peak up to the
/// peak, then linear down to 0.
pub fn one_cycle(peak: f64, step: u64, steps: u64) -> f32 {
    let (at, up) = (step as f64 + 1.0, (0.3 * steps as f64).max(1.0));
    let share = if at <= up {
        0.04 + 0.96 * at / up
    } else {
        (steps as f64 - step as f64) / (steps as f64 - up + 1.0).max(1.0)
    };
    (peak * share) as f32
}

/// Shortens a gradient to a norm of at most `limit`; 0 sets no limit.
pub fn clip(gradient: &mut [f32], limit: f64) {
    if limit == 0.0 {
        return;
    }
    let norm = gradient.iter().map(|&slope| f64::from(slope) * f64::from(slope)).sum::<f64>().sqrt();
    if norm > limit {
        let share = (limit / norm) as f32;
        gradient.iter_mut().for_each(|slope| *slope *= share);
    }
}
