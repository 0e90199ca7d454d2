//! Some bars of all features, column by column, on their way into rows: small enough to stay in the cache.

use std::array::from_fn;
use std::ops::Range;

use super::catalogue::{CATALOGUE, COUNT};

/// Entries from one column to the next: a little more than the bars, so that columns do not share cache sets.
const STRIDE: usize = Tile::BARS + 16;

/// All features of some bars of one symbol, `[features × STRIDE]`.
pub struct Tile {
    bars: Range<usize>,
    values: Vec<f32>,
}

impl Tile {
    /// Most bars in a tile.
    pub const BARS: usize = 128;

    pub fn new() -> Self {
        Self { bars: 0..0, values: vec![0.0; COUNT * STRIDE] }
    }

    /// Takes the symbol's bars `bars` next, at most [`Tile::BARS`].
    pub fn begin(&mut self, bars: Range<usize>) {
        self.bars = bars;
    }

    /// Stores a column: `value` of the series from the feature's warm-up on, NaN before.
    ///
    /// An input `(series, k)` gives entry t − k at bar t.
    #[inline(always)]
    pub fn put<const K: usize>(
        &mut self,
        feature: usize,
        inputs: [(&[f64], usize); K],
        value: impl Fn([f64; K]) -> f64,
    ) {
        let Range { start, end } = self.bars;
        let warm = CATALOGUE[feature].warm_up.clamp(start, end);
        let column = &mut self.values[feature * STRIDE..][..end - start];
        let (before, from) = column.split_at_mut(warm - start);
        before.fill(f32::NAN);
        if from.is_empty() {
            return;
        }
        let inputs: [&[f64]; K] = inputs.map(|(series, k)| &series[warm - k..][..from.len()]);
        for (i, slot) in from.iter_mut().enumerate() {
            *slot = value(from_fn(|k| inputs[k][i])) as f32;
        }
    }
}

/// One bit pattern for NaN on every device.
#[inline(always)]
fn canonical(value: f32) -> f32 {
    if value.is_nan() { f32::NAN } else { value }
}

/// Writes a tile as rows, `[bars × features]`, to the start of `rows`.
pub fn lay_out(tile: &Tile, rows: &mut [f32]) {
    lay_out_bars(tile, 0, rows);
}

/// The tile's bars from its `first` on, one by one.
fn lay_out_bars(tile: &Tile, first: usize, rows: &mut [f32]) {
    for (i, row) in rows.chunks_exact_mut(COUNT).take(tile.bars.len()).enumerate().skip(first) {
        for (feature, slot) in row.iter_mut().enumerate() {
            *slot = canonical(tile.values[feature * STRIDE + i]);
        }
    }
}

/// [`lay_out`] by squares of 8 bars and 8 features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
pub fn lay_out_avx2(tile: &Tile, rows: &mut [f32]) {
    use std::arch::x86_64::*;
    const SIDE: usize = 8;
    let bars = tile.bars.len();
    assert!(bars <= Tile::BARS && rows.len() >= bars * COUNT && tile.values.len() == COUNT * STRIDE);
    let (columns, out) = (tile.values.as_ptr(), rows.as_mut_ptr());
    let nan = _mm256_set1_ps(f32::NAN);
    for bar in (0..bars / SIDE).map(|i| i * SIDE) {
        // The last square overlaps the one before it.
        for feature in (0..COUNT.div_ceil(SIDE)).map(|i| (i * SIDE).min(COUNT - SIDE)) {
            let v: [__m256; SIDE] = from_fn(|k| {
                // SAFETY: feature + k < COUNT and bar + 8 ≤ bars ≤ STRIDE, so that the values lie within the tile.
                let v = unsafe { _mm256_loadu_ps(columns.add((feature + k) * STRIDE + bar)) };
                _mm256_blendv_ps(v, nan, _mm256_cmp_ps::<_CMP_UNORD_Q>(v, v))
            });
            let pairs: [__m256; SIDE] = from_fn(|k| {
                let (a, b) = (v[k / 2 * 2], v[k / 2 * 2 + 1]);
                if k % 2 == 0 { _mm256_unpacklo_ps(a, b) } else { _mm256_unpackhi_ps(a, b) }
            });
            // Quads 0 to 3 hold bars k and k + 4 of the first four features, 4 to 7 those of the others.
            let quads: [__m256; SIDE] = from_fn(|k| {
                let at = k / 4 * 4 + k % 4 / 2;
                let (a, b) = (pairs[at], pairs[at + 2]);
                if k % 2 == 0 { _mm256_shuffle_ps::<0x44>(a, b) } else { _mm256_shuffle_ps::<0xee>(a, b) }
            });
            for k in 0..SIDE {
                let (a, b) = (quads[k % 4], quads[k % 4 + 4]);
                let row =
                    if k < 4 { _mm256_permute2f128_ps::<0x20>(a, b) } else { _mm256_permute2f128_ps::<0x31>(a, b) };
                // SAFETY: bar + k < bars and feature + 8 ≤ COUNT, so that the values lie within `rows`.
                unsafe { _mm256_storeu_ps(out.add((bar + k) * COUNT + feature), row) };
            }
        }
    }
    lay_out_bars(tile, bars / SIDE * SIDE, rows);
}
