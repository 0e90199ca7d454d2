//! A series over a block of bars, small enough that all series of a symbol stay in the cache while they are used.
//!
//! Every series holds the entries of the block's bars and of the [`PAST`] bars before it. Series are computed in whole
//! blocks, whatever the number of bars, so that the compiler knows their length. Entries without a bar, and entries
//! before a series' first valid bar, are undefined and never reach the output.

use std::array::from_fn;

/// Bars in a block, and in a tile of the kernels. Twin of `BARS` in `kernels/features.cu`.
pub const BARS: usize = 128;

/// Bars kept from the previous blocks: enough for every window except that of the volatility regime. Twin of `PAST` in
/// `kernels/features.cu`.
pub const PAST: usize = 64;

/// One entry per bar of a block.
pub type Block = [f64; BARS];

/// The entries of the [`PAST`] bars before a block, then those of the block.
pub type Entries = [f64; PAST + BARS];

/// A series with its past.
#[repr(align(64))]
pub struct Series {
    /// The past, then the block.
    pub entries: Entries,
}

impl Series {
    /// All zeros: the state before the first bar.
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

    /// The entries before the block.
    pub fn past(&mut self) -> &mut [f64; PAST] {
        (&mut self.entries[..PAST]).try_into().expect("a slice of PAST entries")
    }

    /// Loads the values of the block's bars, which may be fewer than [`BARS`].
    #[inline(always)]
    pub fn load(&mut self, values: &[f64]) {
        self.entries[PAST..][..values.len()].copy_from_slice(values);
    }

    /// Resets all entries to zero.
    pub fn clear(&mut self) {
        self.entries.fill(0.0);
    }

    /// Ends the block: its last entries become the past of the next block.
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

/// Stores `value` of the inputs' entries, bar by bar.
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
