//! Monotone constraints: predictions that may only rise, or only fall, with a feature.
//!
//! Splits whose children have outputs in the wrong order are left out. Below a split on such a feature, all outputs under the
//! lower child stay below the middle of the two outputs, and all outputs under the higher child above it.

use super::codes::LANES;
use super::histogram::{Bins, Sums};
use super::split::{Best, ScanInput};

/// The range in which the outputs of a node and of all nodes below it must lie, in quantised units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    low: f32,
    high: f32,
}

impl Bounds {
    /// No limits.
    pub const NONE: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY };

    /// −G/(H + λ), clamped to the bounds.
    #[inline(always)]
    pub fn output(self, sums: Sums, l2: f32) -> f32 {
        let free = -(sums.gradient() as f32) / (sums.hessian() as f32 + l2);
        let floored = if free < self.low { self.low } else { free };
        if floored > self.high { self.high } else { floored }
    }

    /// Twice the reduction of the loss when these sums get their output w: −(2Gw + (H + λ)w²), which is G²/(H + λ) if no bound
    /// is reached.
    #[inline(always)]
    pub fn score(self, sums: Sums, l2: f32) -> f32 {
        let output = self.output(sums, l2);
        let (g, h) = (sums.gradient() as f32, sums.hessian() as f32 + l2);
        -(2.0 * g * output + h * output * output)
    }

    /// The bounds of the two children with these outputs, for a split on a feature with this direction (1, −1 or 0).
    pub fn of_children(self, [left, right]: [f32; 2], direction: i8) -> [Self; 2] {
        let middle = (left + right) / 2.0;
        let (below, above) = (Self { high: middle, ..self }, Self { low: middle, ..self });
        match direction {
            1 => [below, above],
            -1 => [above, below],
            _ => [self, self],
        }
    }

    /// Clamps an output to the bounds, where `unit` is one quantised unit in the unit of the output.
    pub fn clamp(self, output: f64, unit: f64) -> f64 {
        output.max(f64::from(self.low) * unit).min(f64::from(self.high) * unit)
    }
}

/// [`super::split::Scan`] within bounds, with a direction per lane.
pub fn scan(bins: &mut Bins, other: Option<&Bins>, input: ScanInput, bounds: Bounds, directions: &[i8; LANES]) -> Best {
    let ScanInput { count, any_missing, total, rules, min_score } = input;
    if let Some(other) = other {
        for (parent, child) in bins[..=count].iter_mut().zip(&other[..=count]) {
            for lane in 0..LANES {
                parent[lane] = parent[lane].minus(child[lane]);
            }
        }
    }
    let mut best = Best { score: [min_score; LANES], split: [0; LANES] };
    let mut below = [Sums::ZERO; LANES];
    let missing = bins[count];
    let mut consider = |left: &[Sums; LANES], split: u32| {
        for lane in 0..LANES {
            let (left, right) = (left[lane], total.minus(left[lane]));
            let (wl, wr) = (bounds.output(left, rules.l2), bounds.output(right, rules.l2));
            let score = bounds.score(left, rules.l2) + bounds.score(right, rules.l2);
            let rises = f32::from(directions[lane]) * (wr - wl) >= 0.0;
            let heavy = (left.hessian() >= rules.min_child_hessian) & (right.hessian() >= rules.min_child_hessian);
            let better = heavy & rises & (score > best.score[lane]);
            best.score[lane] = if better { score } else { best.score[lane] };
            best.split[lane] = if better { split } else { best.split[lane] };
        }
    };
    for (bin, here) in bins[..count].iter().enumerate() {
        for lane in 0..LANES {
            below[lane] = below[lane].plus(here[lane]);
        }
        consider(&below, 2 * bin as u32);
        if any_missing {
            let mut with_missing = below;
            for lane in 0..LANES {
                with_missing[lane] = below[lane].plus(missing[lane]);
            }
            consider(&with_missing, 2 * bin as u32 + 1);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_belongs_to_the_best_output_within_the_bounds() {
        let sums = Sums::new(-300, 90);
        assert_eq!(Bounds::NONE.output(sums, 10.0), 3.0);
        assert_eq!(Bounds::NONE.score(sums, 10.0), 900.0);
        let [below, above] = Bounds::NONE.of_children([1.0, 3.0], 1);
        assert_eq!((below.output(sums, 10.0), above.output(sums, 10.0)), (2.0, 3.0));
        // 2 · 300 · 2 − 100 · 4
        assert_eq!(below.score(sums, 10.0), 800.0);
        assert_eq!(Bounds::NONE.of_children([3.0, 1.0], -1), [above, below]);
        assert_eq!(below.clamp(5.0, 0.5), 1.0);
    }
}
