//! SSE2. Masks have all bits of a lane, or none.

use std::arch::x86_64::*;

use crate::codes::LANES;
use crate::histogram::Sums;

/// Two sums, four integers, or the codes of a row.
pub type Ints = __m128i;
/// Four floats.
pub type Floats = __m128;

vector_functions! {
    fn load(sums: &[Sums; 2]) -> Ints = _mm_loadu_si128(sums.as_ptr().cast());
    fn store(sums: &mut [Sums; 2], values: Ints) -> () = _mm_storeu_si128(sums.as_mut_ptr().cast(), values);
    fn store_ints(to: &mut [u32; 4], values: Ints) -> () = _mm_storeu_si128(to.as_mut_ptr().cast(), values);
    fn store_floats(to: &mut [f32; 4], values: Floats) -> () = _mm_storeu_ps(to.as_mut_ptr(), values);
    fn codes(row: &[u8; LANES]) -> Ints = _mm_loadu_si128(row.as_ptr().cast());
    fn all(value: i32) -> Ints = _mm_set1_epi32(value);
    fn all_bytes(value: u8) -> Ints = _mm_set1_epi8(value as i8);
    fn all_floats(value: f32) -> Floats = _mm_set1_ps(value);

    fn add_sums(a: Ints, b: Ints) -> Ints = _mm_add_epi64(a, b);
    fn sub_sums(a: Ints, b: Ints) -> Ints = _mm_sub_epi64(a, b);
    /// The Hessians of four sums.
    fn lower_halves(first: Ints, second: Ints) -> Ints =
        _mm_castps_si128(_mm_shuffle_ps::<0x88>(_mm_castsi128_ps(first), _mm_castsi128_ps(second)));
    /// The gradients of four sums.
    fn upper_halves(first: Ints, second: Ints) -> Ints =
        _mm_castps_si128(_mm_shuffle_ps::<0xdd>(_mm_castsi128_ps(first), _mm_castsi128_ps(second)));

    fn add(a: Ints, b: Ints) -> Ints = _mm_add_epi32(a, b);
    fn sub(a: Ints, b: Ints) -> Ints = _mm_sub_epi32(a, b);
    fn and(a: Ints, b: Ints) -> Ints = _mm_and_si128(a, b);
    fn or(a: Ints, b: Ints) -> Ints = _mm_or_si128(a, b);
    fn greater(a: Ints, b: Ints) -> Ints = _mm_cmpgt_epi32(a, b);
    fn choose(mask: Ints, yes: Ints, no: Ints) -> Ints =
        _mm_or_si128(_mm_and_si128(mask, yes), _mm_andnot_si128(mask, no));

    fn equal_bytes(a: Ints, b: Ints) -> Ints = _mm_cmpeq_epi8(a, b);
    fn not_above_bytes(a: Ints, b: Ints) -> Ints = _mm_cmpeq_epi8(_mm_min_epu8(a, b), a);
    /// A mask of each lane from its byte of a mask.
    fn masks_of_bytes(bytes: Ints) -> [Ints; 4] = {
        let (low, high) = (_mm_unpacklo_epi8(bytes, bytes), _mm_unpackhi_epi8(bytes, bytes));
        [
            _mm_unpacklo_epi16(low, low),
            _mm_unpackhi_epi16(low, low),
            _mm_unpacklo_epi16(high, high),
            _mm_unpackhi_epi16(high, high),
        ]
    };
    /// Twice each byte, as an integer.
    fn doubled_bytes(bytes: Ints) -> [Ints; 4] = {
        let zero = _mm_setzero_si128();
        let (low, high) = (_mm_unpacklo_epi8(bytes, zero), _mm_unpackhi_epi8(bytes, zero));
        [
            _mm_slli_epi32::<1>(_mm_unpacklo_epi16(low, zero)),
            _mm_slli_epi32::<1>(_mm_unpackhi_epi16(low, zero)),
            _mm_slli_epi32::<1>(_mm_unpacklo_epi16(high, zero)),
            _mm_slli_epi32::<1>(_mm_unpackhi_epi16(high, zero)),
        ]
    };

    fn to_floats(values: Ints) -> Floats = _mm_cvtepi32_ps(values);
    fn add_floats(a: Floats, b: Floats) -> Floats = _mm_add_ps(a, b);
    fn mul_floats(a: Floats, b: Floats) -> Floats = _mm_mul_ps(a, b);
    fn div_floats(a: Floats, b: Floats) -> Floats = _mm_div_ps(a, b);
    fn greater_floats(a: Floats, b: Floats) -> Ints = _mm_castps_si128(_mm_cmpgt_ps(a, b));
    fn equal_floats(a: Floats, b: Floats) -> Ints = _mm_castps_si128(_mm_cmpeq_ps(a, b));
    fn choose_floats(mask: Ints, yes: Floats, no: Floats) -> Floats = {
        let mask = _mm_castsi128_ps(mask);
        _mm_or_ps(_mm_and_ps(mask, yes), _mm_andnot_ps(mask, no))
    };
}
