//! Sums of gradients and Hessians by bin and feature.
//!
//! A gradient and a Hessian share one word, so that one addition adds both. Neighbouring lanes are other features of
//! the same group: a row adds to all of them, and the split search walks all of them through their bins at once.

use super::codes::{Group, LANES};

/// Sum of gradients in the upper half, signed; of Hessians, never negative, in the lower. See [`SUM_BITS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Sums(u64);

/// Bits that the sum of all gradients, or of all Hessians, of a job may have.
pub const SUM_BITS: i32 = 30;

impl Sums {
    pub const ZERO: Self = Self(0);

    pub fn new(gradient: i32, hessian: i32) -> Self {
        Self(((gradient as u64) << 32).wrapping_add(hessian as u64))
    }

    #[inline(always)]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    #[inline(always)]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }

    /// Both halves as one word.
    #[inline(always)]
    pub fn bits(self) -> i64 {
        self.0 as i64
    }

    #[inline(always)]
    pub fn gradient(self) -> i32 {
        (self.0 >> 32) as i32
    }

    #[inline(always)]
    pub fn hessian(self) -> i32 {
        self.0 as i32
    }
}

/// Sums of a group's bins, and after the last those of missing values; what comes after these means nothing.
pub type Bins = [[Sums; LANES]; 256];

/// A node's sums, one [`Bins`] a group.
pub type Histogram = Vec<Box<Bins>>;

/// Adds up the bins of `rows`.
pub fn build(out: &mut Bins, group: &Group, rows: &[u32], sums: &[Sums]) {
    out[..=group.bins].fill([Sums::ZERO; LANES]);
    let codes = &group.codes[..sums.len()];
    for &row in rows {
        let (row_sums, row_codes) = (sums[row as usize], &codes[row as usize]);
        for lane in 0..LANES {
            let slot = &mut out[row_codes[lane] as usize][lane];
            *slot = slot.plus(row_sums);
        }
    }
}
