//! Numbers as whole multiples of a power of two: their sum does not depend on its order.

use huracan_base::arith;

/// Numbers rounded to multiples of a unit.
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

/// The sum of `values`, equal in any order.
pub fn sum(values: &[f64]) -> f64 {
    let mut quantised = Quantised::default();
    quantised.fill(values, 51);
    quantised.values.iter().map(|&v| i64::from(v)).sum::<i64>() as f64 * quantised.unit
}

/// The least of `values` that a share `alpha` of the weight does not exceed: it minimises the pinball loss. Weighing a
/// value twice is the same as having it twice. Without weights all count alike; without values it is 0.
pub fn percentile(values: &[f64], weights: Option<&[f64]>, alpha: f64) -> f64 {
    let mut units = Quantised::default();
    match weights {
        Some(weights) => units.fill(weights, 51),
        None => units.values.resize(values.len(), 1),
    }
    let mut weighed: Vec<(f64, i64)> = values.iter().zip(&units.values).map(|(&v, &w)| (v, i64::from(w))).collect();
    weighed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let total: i64 = weighed.iter().map(|(_, w)| w).sum();
    let wanted = alpha * total as f64;
    let mut below = 0;
    for &(value, weight) in &weighed {
        below += weight;
        if weight > 0 && below as f64 >= wanted {
            return value;
        }
    }
    weighed.last().map_or(0.0, |last| last.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_depend_on_order() {
        let values: Vec<f64> = (0..1000).map(|i| ((i * 37 % 1000) as f64 - 480.3) * 1e-7).collect();
        let back: Vec<f64> = values.iter().rev().copied().collect();
        assert_eq!(sum(&values).to_bits(), sum(&back).to_bits());
        assert!((sum(&values) - values.iter().sum::<f64>()).abs() < 1e-9);
    }

    #[test]
    fn a_weight_is_a_number_of_copies() {
        let (values, weights) = ([3.0, 1.0, 2.0, 5.0], [2.0, 1.0, 0.0, 4.0]);
        let copies = [3.0, 3.0, 1.0, 5.0, 5.0, 5.0, 5.0];
        for alpha in [0.01, 0.14, 0.15, 0.42, 0.43, 0.5, 0.99] {
            assert_eq!(percentile(&values, Some(&weights), alpha), percentile(&copies, None, alpha), "{alpha}");
        }
        assert_eq!([0.1, 0.3, 0.5, 0.9].map(|alpha| percentile(&copies, None, alpha)), [1.0, 3.0, 5.0, 5.0]);
        assert_eq!(percentile(&[], None, 0.5), 0.0);
    }

    #[test]
    fn no_value_has_a_lesser_pinball_loss() {
        let values: Vec<f64> = (0..101).map(|i| ((i * 53) % 101) as f64).collect();
        let loss = |at: f64, alpha: f64| -> f64 {
            values.iter().map(|v| if *v >= at { (v - at) * alpha } else { (at - v) * (1.0 - alpha) }).sum()
        };
        for alpha in [0.05, 0.25, 0.5, 0.93] {
            let best = loss(percentile(&values, None, alpha), alpha);
            assert!(values.iter().all(|&v| loss(v, alpha) >= best - 1e-9), "{alpha}");
        }
    }
}
