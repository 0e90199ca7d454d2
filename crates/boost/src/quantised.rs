//! Numbers as integer multiples of a power of two, whose sum does not depend on the order.

use huracan_base::{Instructions, arith, widest};
use rayon::prelude::*;

use super::MIN_SHARED_ROWS;

/// Most bits of a quantised value besides its sign.
pub const VALUE_BITS: i32 = 30;

/// Largest exponent, positive or negative, of the power of two that values are multiplied by.
pub const MAX_EXPONENT: i32 = 1000;

/// Bits of the sums that [`sum`] and [`percentile`] add up; an f64 holds them exactly.
const EXACT_BITS: i32 = 51;

/// Numbers that a thread takes at a time.
const PORTION: usize = 1 << 13;

/// Numbers rounded to multiples of a unit.
#[derive(Debug, Clone, Default)]
pub struct Quantised {
    /// The numbers, in units.
    pub values: Vec<i32>,
    /// The value of one unit, a power of two.
    pub unit: f64,
}

impl Quantised {
    /// Quantises `values` with the smallest unit for which the sum of all has at most `sum_bits` ≤ 51 bits, and each value at
    /// most [`VALUE_BITS`]. All `instructions` give the same bits.
    pub fn fill(&mut self, instructions: Instructions, values: &[f64], sum_bits: i32) {
        let shared = values.len() >= MIN_SHARED_ROWS;
        let greatest: f64 = if shared {
            values.par_chunks(PORTION).map(|values| greatest_magnitude(instructions, values)).reduce(|| 0.0, f64::max)
        } else {
            greatest_magnitude(instructions, values)
        };
        let bits = (sum_bits - arith::exponent_above(values.len() as f64)).min(VALUE_BITS);
        let exponent = (bits - arith::exponent_above(greatest)).clamp(-MAX_EXPONENT, MAX_EXPONENT);
        let scale = arith::power_of_two(exponent);
        self.unit = arith::power_of_two(-exponent);
        self.values.resize(values.len(), 0);
        if shared {
            let portions = self.values.par_chunks_mut(PORTION).zip(values.par_chunks(PORTION));
            portions.for_each(|(units, values)| round(instructions, values, scale, units));
        } else {
            round(instructions, values, scale, &mut self.values);
        }
    }
}

widest! {
    /// The greatest magnitude of a number; 0 if there is none.
    pub fn greatest_magnitude(values: &[f64]) -> f64 {
        const LANES: usize = 16;
        let mut most = [0.0; LANES];
        for values in values.chunks(LANES) {
            for (most, value) in most.iter_mut().zip(values) {
                let magnitude = value.abs();
                *most = if magnitude > *most { magnitude } else { *most };
            }
        }
        most.into_iter().fold(0.0, f64::max)
    }
}

widest! {
    /// Numbers times `scale`, to the nearest integers.
    fn round(values: &[f64], scale: f64, units: &mut [i32]) {
        for (unit, value) in units.iter_mut().zip(values) {
            *unit = arith::round_to_i32(value * scale);
        }
    }
}

/// The sum of `values`, the same in any order.
pub fn sum(values: &[f64]) -> f64 {
    let mut quantised = Quantised::default();
    quantised.fill(Instructions::used(), values, EXACT_BITS);
    quantised.values.iter().map(|&v| i64::from(v)).sum::<i64>() as f64 * quantised.unit
}

/// The smallest of `values` that a share `alpha` of the total weight does not exceed; it minimises the pinball loss. A value
/// with weight 2 counts like two copies. Without weights all values count the same; without values the result is 0.
pub fn percentile(values: &[f64], weights: Option<&[f64]>, alpha: f64) -> f64 {
    let mut units = Quantised::default();
    match weights {
        Some(weights) => units.fill(Instructions::used(), weights, EXACT_BITS),
        None => units.values.resize(values.len(), 1),
    }
    let mut weighed: Vec<(f64, i64)> = values.iter().zip(&units.values).map(|(&v, &w)| (v, i64::from(w))).collect();
    weighed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let total: i64 = weighed.iter().map(|(_, w)| w).sum();
    let target = alpha * total as f64;
    let mut below = 0;
    for &(value, weight) in &weighed {
        below += weight;
        if weight > 0 && below as f64 >= target {
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
    fn a_weight_equals_that_many_copies() {
        let (values, weights) = ([3.0, 1.0, 2.0, 5.0], [2.0, 1.0, 0.0, 4.0]);
        let copies = [3.0, 3.0, 1.0, 5.0, 5.0, 5.0, 5.0];
        for alpha in [0.01, 0.14, 0.15, 0.42, 0.43, 0.5, 0.99] {
            assert_eq!(percentile(&values, Some(&weights), alpha), percentile(&copies, None, alpha), "{alpha}");
        }
        assert_eq!([0.1, 0.3, 0.5, 0.9].map(|alpha| percentile(&copies, None, alpha)), [1.0, 3.0, 5.0, 5.0]);
        assert_eq!(percentile(&[], None, 0.5), 0.0);
    }

    #[test]
    fn no_value_has_a_smaller_pinball_loss() {
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
