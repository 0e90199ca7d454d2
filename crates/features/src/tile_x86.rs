//! Moving values with the vector instructions of x86-64.

use std::arch::x86_64::*;
use std::array::from_fn;

use super::catalogue::COUNT;
use super::tile::{LINE, SIDE, Simd};

/// Vectors of AVX2; only for machines that have it.
pub struct Avx2;

/// Vectors of AVX-512; only for machines that have it.
pub struct Avx512;

impl Simd for Avx2 {
    #[inline(always)]
    fn transpose(columns: [&[f32; SIDE]; SIDE], rows: &mut [f32]) {
        // SAFETY: `cpu::variant` uses this type only where the processor has AVX2.
        unsafe { transpose_avx2(columns, rows) }
    }

    #[inline(always)]
    fn stream(line: &[f32; LINE], to: &mut [f32; LINE]) {
        // SAFETY: `cpu::variant` uses this type only where the processor has AVX2.
        unsafe { stream_avx2(line, to) }
    }

    #[inline(always)]
    fn fence() {
        // SAFETY: every x86-64 has SSE, to which the instruction belongs.
        unsafe { _mm_sfence() };
    }
}

impl Simd for Avx512 {
    #[inline(always)]
    fn transpose(columns: [&[f32; SIDE]; SIDE], rows: &mut [f32]) {
        // SAFETY: `cpu::variant` uses this type only where the processor has AVX-512.
        unsafe { transpose_avx512(columns, rows) }
    }

    #[inline(always)]
    fn stream(line: &[f32; LINE], to: &mut [f32; LINE]) {
        // SAFETY: `cpu::variant` uses this type only where the processor has AVX-512.
        unsafe { stream_avx512(line, to) }
    }

    #[inline(always)]
    fn fence() {
        // SAFETY: every x86-64 has SSE, to which the instruction belongs.
        unsafe { _mm_sfence() };
    }
}

/// Writes past the caches, which would read the line before writing it.
#[inline]
#[target_feature(enable = "avx2")]
fn stream_avx2(line: &[f32; LINE], to: &mut [f32; LINE]) {
    assert!(to.as_ptr().align_offset(LINE * size_of::<f32>()) == 0);
    for at in [0, 8] {
        // SAFETY: both have 16 values, and those of `to` begin at a multiple of 64 bytes.
        unsafe { _mm256_stream_ps(to.as_mut_ptr().add(at), _mm256_loadu_ps(line.as_ptr().add(at))) };
    }
}

/// Writes past the caches, which would read the line before writing it.
#[inline]
#[target_feature(enable = "avx512f")]
fn stream_avx512(line: &[f32; LINE], to: &mut [f32; LINE]) {
    assert!(to.as_ptr().align_offset(LINE * size_of::<f32>()) == 0);
    // SAFETY: both have 16 values, and those of `to` begin at a multiple of 64 bytes.
    unsafe { _mm512_stream_ps(to.as_mut_ptr(), _mm512_loadu_ps(line.as_ptr())) };
}

/// Transposes in squares of 8 bars and 8 features.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_avx2(columns: [&[f32; SIDE]; SIDE], rows: &mut [f32]) {
    assert!(rows.len() >= (SIDE - 1) * COUNT + SIDE);
    let nan = _mm256_set1_ps(f32::NAN);
    for (bar, feature) in [(0, 0), (0, 8), (8, 0), (8, 8)] {
        let v: [__m256; 8] = from_fn(|k| {
            // SAFETY: a column has 16 values, and bar is 0 or 8.
            let v = unsafe { _mm256_loadu_ps(columns[feature + k].as_ptr().add(bar)) };
            _mm256_blendv_ps(v, nan, _mm256_cmp_ps::<_CMP_UNORD_Q>(v, v))
        });
        let pairs: [__m256; 8] = from_fn(|k| {
            let (a, b) = (v[k / 2 * 2], v[k / 2 * 2 + 1]);
            if k % 2 == 0 { _mm256_unpacklo_ps(a, b) } else { _mm256_unpackhi_ps(a, b) }
        });
        // Quads 0 to 3 hold bars k and k + 4 of the first four features, 4 to 7 those of the others.
        let quads: [__m256; 8] = from_fn(|k| {
            let at = k / 4 * 4 + k % 4 / 2;
            let (a, b) = (pairs[at], pairs[at + 2]);
            if k % 2 == 0 { _mm256_shuffle_ps::<0x44>(a, b) } else { _mm256_shuffle_ps::<0xee>(a, b) }
        });
        for k in 0..8 {
            let (a, b) = (quads[k % 4], quads[k % 4 + 4]);
            let row = if k < 4 { _mm256_permute2f128_ps::<0x20>(a, b) } else { _mm256_permute2f128_ps::<0x31>(a, b) };
            // SAFETY: bar + k < 16 and feature + 8 ≤ 16, so that the values lie within the rows.
            unsafe { _mm256_storeu_ps(rows.as_mut_ptr().add((bar + k) * COUNT + feature), row) };
        }
    }
}

/// Transposes the whole square at once.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_avx512(columns: [&[f32; SIDE]; SIDE], rows: &mut [f32]) {
    assert!(rows.len() >= (SIDE - 1) * COUNT + SIDE);
    let nan = _mm512_set1_ps(f32::NAN);
    // One hex digit per class of numbers, the two kinds of NaN last: 0 selects the first operand (NaN), 1 the number.
    let keep_numbers = _mm512_set1_epi32(0x1111_1100);
    let v: [__m512; SIDE] = from_fn(|k| {
        // SAFETY: a column has 16 values.
        let v = unsafe { _mm512_loadu_ps(columns[k].as_ptr()) };
        _mm512_fixupimm_ps::<0>(nan, v, keep_numbers)
    });
    let pairs: [__m512; SIDE] = from_fn(|k| {
        let (a, b) = (v[k / 2 * 2], v[k / 2 * 2 + 1]);
        if k % 2 == 0 { _mm512_unpacklo_ps(a, b) } else { _mm512_unpackhi_ps(a, b) }
    });
    // quads[4q + j] holds bars j, 4 + j, 8 + j and 12 + j of features 4q to 4q + 3.
    let quads: [__m512d; SIDE] = from_fn(|k| {
        let at = k / 4 * 4 + k % 4 / 2;
        let (a, b) = (_mm512_castps_pd(pairs[at]), _mm512_castps_pd(pairs[at + 2]));
        if k % 2 == 0 { _mm512_unpacklo_pd(a, b) } else { _mm512_unpackhi_pd(a, b) }
    });
    for j in 0..4 {
        let [a, b, c, d] = [quads[j], quads[4 + j], quads[8 + j], quads[12 + j]];
        let (even, even_on) = (_mm512_shuffle_f64x2::<0x88>(a, b), _mm512_shuffle_f64x2::<0x88>(c, d));
        let (odd, odd_on) = (_mm512_shuffle_f64x2::<0xdd>(a, b), _mm512_shuffle_f64x2::<0xdd>(c, d));
        let bars = [
            _mm512_shuffle_f64x2::<0x88>(even, even_on),
            _mm512_shuffle_f64x2::<0x88>(odd, odd_on),
            _mm512_shuffle_f64x2::<0xdd>(even, even_on),
            _mm512_shuffle_f64x2::<0xdd>(odd, odd_on),
        ];
        for (i, bar) in bars.into_iter().enumerate() {
            // SAFETY: 4i + j < 16, so that the values lie within the rows.
            unsafe { _mm512_storeu_ps(rows.as_mut_ptr().add((4 * i + j) * COUNT), _mm512_castpd_ps(bar)) };
        }
    }
}
