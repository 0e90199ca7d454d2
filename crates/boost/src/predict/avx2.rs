//! Walking down trees with AVX2 vectors: eight rows in each. The nodes of a level up to the sixth are looked up in registers.

use std::arch::x86_64::*;

use super::{BLOCK, LANES, Levels, MISSING_RIGHT};

/// Vectors that go down together.
const GROUPS: usize = BLOCK / LANES;

/// [`super::Walk`].
///
/// # Safety
/// Every feature of the tree is one of the columns.
#[target_feature(enable = "avx2")]
pub unsafe fn walk(values: &[f32], columns: usize, levels: &Levels<'_>, leaves: &mut [u32]) {
    assert!(values.len() >= BLOCK * columns && leaves.len() <= BLOCK);
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let starts = _mm256_mullo_epi32(lanes, _mm256_set1_epi32(columns as i32));
    let mut at = [_mm256_setzero_si256(); GROUPS];
    let at = &mut at[..leaves.len() / LANES];
    for level in 0..levels.count {
        let (cuts, features) = levels.padded::<LANES>(level);
        for (group, at) in at.iter_mut().enumerate() {
            // SAFETY: both have the nodes of the level, 2ˡᵉᵛᵉˡ, and at least as many numbers as are looked up; `at` is below 2ˡᵉᵛᵉˡ.
            let (cut, feature) = unsafe {
                match level {
                    0..=3 => (look_up::<1>(cuts.as_ptr(), *at), look_up::<1>(features.as_ptr().cast(), *at)),
                    4 => (look_up::<2>(cuts.as_ptr(), *at), look_up::<2>(features.as_ptr().cast(), *at)),
                    5 => (look_up::<4>(cuts.as_ptr(), *at), look_up::<4>(features.as_ptr().cast(), *at)),
                    _ => (
                        _mm256_i32gather_ps::<4>(cuts.as_ptr(), *at),
                        _mm256_i32gather_ps::<4>(features.as_ptr().cast(), *at),
                    ),
                }
            };
            let column = _mm256_andnot_si256(_mm256_set1_epi32(MISSING_RIGHT as i32), _mm256_castps_si256(feature));
            let rows = _mm256_add_epi32(starts, _mm256_set1_epi32((group * LANES * columns) as i32));
            // SAFETY: the caller says that every feature is one of the columns, so this is one of the values of a row of the block.
            let value = unsafe { _mm256_i32gather_ps::<4>(values.as_ptr(), _mm256_add_epi32(rows, column)) };
            let missing = _mm256_cmp_ps::<_CMP_UNORD_Q>(value, value);
            // The sign of a feature says where missing values go; only the sign of a lane counts below.
            let right = _mm256_or_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(value, cut), _mm256_and_ps(missing, feature));
            let one = _mm256_srli_epi32::<31>(_mm256_castps_si256(right));
            *at = _mm256_add_epi32(_mm256_add_epi32(*at, *at), one);
        }
    }
    for (leaves, at) in leaves.as_chunks_mut::<LANES>().0.iter_mut().zip(at) {
        // SAFETY: eight numbers of 4 bytes are one vector.
        unsafe { _mm256_storeu_si256(leaves.as_mut_ptr().cast(), *at) };
    }
}

/// The entries at `at` of a table of `VECTORS` vectors, one, two or four, from `table` on.
///
/// # Safety
/// The table has so many entries.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn look_up<const VECTORS: usize>(table: *const f32, at: __m256i) -> __m256 {
    // SAFETY: the caller says that the vector is in the table.
    let of = |vector: usize| unsafe { _mm256_permutevar8x32_ps(_mm256_loadu_ps(table.add(vector * LANES)), at) };
    // Bit 3 or 4 of the place becomes the sign, which chooses.
    let eighth = || _mm256_castsi256_ps(_mm256_slli_epi32::<28>(at));
    let sixteenth = || _mm256_castsi256_ps(_mm256_slli_epi32::<27>(at));
    match VECTORS {
        1 => of(0),
        2 => _mm256_blendv_ps(of(0), of(1), eighth()),
        _ => {
            let low = _mm256_blendv_ps(of(0), of(1), eighth());
            _mm256_blendv_ps(low, _mm256_blendv_ps(of(2), of(3), eighth()), sixteenth())
        }
    }
}
