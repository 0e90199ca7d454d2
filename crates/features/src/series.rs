//! A series over a block of bars: small enough for the series of a symbol to stay in the cache while they are worked on.
//!
//! Every series has the entries of the block's bars and of the [`PAST`] bars before it. A series is made whole blocks at
//! a time, whatever the number of bars: its length is known to the compiler, and entries that have no bar are never
//! read out. Entries before a series' first meaningful bar mean nothing.

use std::array::from_fn;

/// Bars in a block.
pub const BARS: usize = 128;

/// Bars kept of the blocks before: more than any window needs but that of the volatility regime.
pub const PAST: usize = 64;

/// One entry a bar of a block.
pub type Block = [f64; BARS];

/// A block's entries after those of the [`PAST`] bars before.
pub type Entries = [f64; PAST + BARS];

/// A series that remembers.
#[repr(align(64))]
pub struct Series {
    pub entries: Entries,
}

impl Series {
    /// Zeros, before any bar.
    pub const ZERO: Self = Self { entries: [0.0; PAST + BARS] };

    /// The entry of k ≤ [`PAST`] bars ago, for each bar of the block.
    #[inline(always)]
    pub fn lag(&self, k: usize) -> &Block {
        lag(&self.entries, k)
    }

    /// The block's own entries.
    #[inline(always)]
    pub fn block(&mut self) -> &mut Block {
        (&mut self.entries[PAST..]).try_into().expect("a slice of BARS entries")
    }

    /// Takes the values of the block's bars, which may be fewer than a block has.
    #[inline(always)]
    pub fn load(&mut self, values: &[f64]) {
        self.entries[PAST..][..values.len()].copy_from_slice(values);
    }

    /// Forgets every bar.
    pub fn clear(&mut self) {
        self.entries.fill(0.0);
    }

    /// Moves on: the block's last entries become those of the bars before the next one.
    #[inline(always)]
    pub fn carry(&mut self) {
        self.entries.copy_within(BARS.., 0);
    }
}

/// The entry of k ≤ [`PAST`] bars ago, for each bar of the block.
#[inline(always)]
pub fn lag(entries: &Entries, k: usize) -> &Block {
    entries[PAST - k..][..BARS].try_into().expect("a slice of BARS entries")
}

/// Stores `value` of the inputs' entries at each bar.
#[inline(always)]
pub fn map<const K: usize, const N: usize>(
    inputs: [&[f64; N]; K],
    out: &mut [f64; N],
    value: impl Fn([f64; K]) -> f64,
) {
    for (i, slot) in out.iter_mut().enumerate() {
        *slot = value(from_fn(|k| inputs[k][i]));
    }
}
