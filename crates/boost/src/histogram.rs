//! Histograms: sums of gradients and Hessians per bin and feature.
//!
//! A gradient and a Hessian share one word, so one addition adds both. Neighbouring lanes are the features of one group:
//! a row adds to all of them, and the split search walks through the bins of all of them at once.

use super::codes::{GROUP_BINS, Group, LANES};
use super::prefetch::{AHEAD, prefetch};

/// A sum of gradients (upper half, signed) and a sum of Hessians (lower half, never negative). See [`SUM_BITS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Sums(u64);

/// Most bits of the sum of all gradients, or of all Hessians, of a job.
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
    #[cfg(target_arch = "x86_64")]
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

/// The sums of a group's bins, followed by those of missing values; the entries after these are undefined.
pub type Bins = [[Sums; LANES]; GROUP_BINS];

/// Bins without rows.
pub static EMPTY: Bins = [[Sums::ZERO; LANES]; GROUP_BINS];

/// The histogram of a node, one [`Bins`] per group.
pub type Histogram = Vec<Box<Bins>>;

/// Adds up a group's bins over `rows`. `sums` has one entry per row of the job. Lanes without a feature may stay empty.
pub fn build(out: &mut Bins, group: &Group, rows: &[u32], sums: &[Sums]) {
    out[..=group.bins].fill([Sums::ZERO; LANES]);
    match group.features.len() {
        0..=4 => add_rows::<4>(out, group, rows, sums),
        5..=8 => add_rows::<8>(out, group, rows, sums),
        9..=12 => add_rows::<12>(out, group, rows, sums),
        _ => add_rows::<LANES>(out, group, rows, sums),
    }
}

/// Adds the bins of a group over some rows to those over others.
pub fn join(out: &mut Bins, other: &Bins, group: &Group) {
    for (out, other) in out[..=group.bins].iter_mut().flatten().zip(other.iter().flatten()) {
        *out = out.plus(*other);
    }
}

/// Adds rows to the first lanes.
fn add_rows<const FIRST: usize>(out: &mut Bins, group: &Group, rows: &[u32], sums: &[Sums]) {
    let codes = &group.codes[..sums.len()];
    let (first, last) = rows.split_at(rows.len().saturating_sub(AHEAD));
    for (&row, &ahead) in first.iter().zip(&rows[rows.len() - first.len()..]) {
        prefetch(&codes[ahead as usize]);
        prefetch(&sums[ahead as usize]);
        add::<FIRST>(out, codes, sums, row);
    }
    for &row in last {
        add::<FIRST>(out, codes, sums, row);
    }
}

#[inline(always)]
fn add<const FIRST: usize>(out: &mut Bins, codes: &[[u8; LANES]], sums: &[Sums], row: u32) {
    let (row_sums, row_codes) = (sums[row as usize], &codes[row as usize]);
    for lane in 0..FIRST {
        let slot = &mut out[row_codes[lane] as usize][lane];
        *slot = slot.plus(row_sums);
    }
}
