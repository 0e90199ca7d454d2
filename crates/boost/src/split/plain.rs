//! The split search without vector instructions, feature by feature.

use super::{Best, ScanInput};
use crate::codes::{Group, LANES};
use crate::histogram::{Bins, Sums};

/// [`super::Scan`].
pub fn scan(bins: &mut Bins, other: Option<&Bins>, input: ScanInput) -> Best {
    let ScanInput { count, any_missing, .. } = input;
    if let Some(other) = other {
        for (parent, child) in bins[..=count].iter_mut().zip(&other[..=count]) {
            for lane in 0..LANES {
                parent[lane] = parent[lane].minus(child[lane]);
            }
        }
    }
    let mut best = Best { score: [input.min_score; LANES], split: [0; LANES] };
    let mut below = [Sums::ZERO; LANES];
    let missing = bins[count];
    for (bin, here) in bins[..count].iter().enumerate() {
        for lane in 0..LANES {
            below[lane] = below[lane].plus(here[lane]);
        }
        best.consider(&below, &input, [2 * bin as u32; LANES]);
        if any_missing {
            let mut with_missing = below;
            for lane in 0..LANES {
                with_missing[lane] = below[lane].plus(missing[lane]);
            }
            best.consider(&with_missing, &input, [2 * bin as u32 + 1; LANES]);
        }
    }
    best
}

/// [`super::ScanFew`].
pub fn few(rows: &[u32], group: &Group, sums: &[Sums], input: ScanInput) -> Best {
    let mut best = Best { score: [input.min_score; LANES], split: [0; LANES] };
    let of = |row: u32| (&group.codes[row as usize], sums[row as usize]);
    let mut missing = [Sums::ZERO; LANES];
    for (codes, sums) in rows.iter().map(|&row| of(row)) {
        for (missing, &code) in missing.iter_mut().zip(codes) {
            *missing = missing.plus(if code as usize == input.count { sums } else { Sums::ZERO });
        }
    }
    if input.any_missing {
        // Bin 0 and missing values go left. If no row is in bin 0, these are missing values only, and no row's code below
        // stands for this split.
        let mut left = missing;
        for (codes, sums) in rows.iter().map(|&row| of(row)) {
            for (left, &code) in left.iter_mut().zip(codes) {
                *left = left.plus(if code == 0 { sums } else { Sums::ZERO });
            }
        }
        best.consider(&left, &input, [1; LANES]);
    }
    for &row in rows {
        // The code of a missing value would send everything left, which no rule allows.
        let own = of(row).0;
        let mut left = [Sums::ZERO; LANES];
        for (codes, sums) in rows.iter().map(|&row| of(row)) {
            for ((left, code), own) in left.iter_mut().zip(codes).zip(own) {
                *left = left.plus(if code <= own { sums } else { Sums::ZERO });
            }
        }
        best.consider(&left, &input, own.map(|code| 2 * u32::from(code)));
        if input.any_missing {
            for (left, &missing) in left.iter_mut().zip(&missing) {
                *left = left.plus(missing);
            }
            best.consider(&left, &input, own.map(|code| 2 * u32::from(code) + 1));
        }
    }
    best
}

impl Best {
    #[inline(always)]
    fn consider(&mut self, left: &[Sums; LANES], input: &ScanInput, splits: [u32; LANES]) {
        let rules = input.rules;
        let lanes = self.score.iter_mut().zip(&mut self.split).zip(left).zip(splits);
        for (((best_score, best_split), &left), split) in lanes {
            let right = input.total.minus(left);
            let (hl, hr) = (left.hessian(), right.hessian());
            let (gl, gr) = (left.gradient() as f32, right.gradient() as f32);
            let (dl, dr) = (hl as f32 + rules.l2, hr as f32 + rules.l2);
            // Both fractions over one denominator, because a division is expensive.
            let score = (gl * gl * dr + gr * gr * dl) / (dl * dr);
            let allowed = (hl >= rules.min_child_hessian) & (hr >= rules.min_child_hessian);
            let first = (score == *best_score) & (split < *best_split);
            let better = allowed & ((score > *best_score) | first);
            *best_score = if better { score } else { *best_score };
            *best_split = if better { split } else { *best_split };
        }
    }
}
