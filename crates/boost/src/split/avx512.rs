//! The split search with AVX-512 vectors.

use std::arch::x86_64::*;

use super::{Best, FEW_ROWS, ScanInput};
use crate::codes::{Group, LANES};
use crate::histogram::{Bins, EMPTY, Sums};

/// [`super::Scan`] with one vector per group.
#[target_feature(enable = "avx512f")]
pub fn scan_avx512(bins: &mut Bins, other: Option<&Bins>, input: ScanInput) -> Best {
    // Without another child, the second argument is never read.
    match (other, input.any_missing) {
        (None, false) => scan::<false, false>(bins, &EMPTY, input),
        (None, true) => scan::<false, true>(bins, &EMPTY, input),
        (Some(other), false) => scan::<true, false>(bins, other, input),
        (Some(other), true) => scan::<true, true>(bins, other, input),
    }
}

/// The sums of 16 lanes.
type Wide = [__m512i; 2];

#[inline]
#[target_feature(enable = "avx512f")]
fn load(sums: &[Sums; LANES]) -> Wide {
    let at = sums.as_ptr().cast::<i64>();
    // SAFETY: 16 sums of 8 bytes are two vectors of 64 bytes.
    unsafe { [_mm512_loadu_epi64(at), _mm512_loadu_epi64(at.add(8))] }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(sums: &mut [Sums; LANES], values: Wide) {
    let at = sums.as_mut_ptr().cast::<i64>();
    // SAFETY: 16 sums of 8 bytes are two vectors of 64 bytes.
    unsafe {
        _mm512_storeu_epi64(at, values[0]);
        _mm512_storeu_epi64(at.add(8), values[1]);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn plus(a: Wide, b: Wide) -> Wide {
    [_mm512_add_epi64(a[0], b[0]), _mm512_add_epi64(a[1], b[1])]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn scan<const SUBTRACT: bool, const MISSING: bool>(bins: &mut Bins, other: &Bins, input: ScanInput) -> Best {
    let ScanInput { count, min_score, .. } = input;
    let halves = Halves::new(input);
    let (mut score, mut split) = (_mm512_set1_ps(min_score), _mm512_setzero_si512());
    let mut below: Wide = [_mm512_setzero_si512(); 2];
    let difference = |bins: &mut [Sums; LANES], other: &[Sums; LANES]| {
        let mut here = load(bins);
        if SUBTRACT {
            let less = load(other);
            here = [_mm512_sub_epi64(here[0], less[0]), _mm512_sub_epi64(here[1], less[1])];
            store(bins, here);
        }
        here
    };
    let missing = difference(&mut bins[count], &other[count]);
    for (bin, (here, other)) in bins[..count].iter_mut().zip(&other[..count]).enumerate() {
        below = plus(below, difference(here, other));
        (score, split) = halves.consider::<false>(below, score, split, _mm512_set1_epi32(2 * bin as i32));
        if MISSING {
            let number = _mm512_set1_epi32(2 * bin as i32 + 1);
            (score, split) = halves.consider::<false>(plus(below, missing), score, split, number);
        }
    }
    best(score, split)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn best(score: __m512, split: __m512i) -> Best {
    let mut best = Best { score: [0.0; LANES], split: [0; LANES] };
    // SAFETY: both arrays have 16 entries of 4 bytes, one vector each.
    unsafe {
        _mm512_storeu_ps(best.score.as_mut_ptr(), score);
        _mm512_storeu_epi32(best.split.as_mut_ptr().cast(), split);
    }
    best
}

/// [`super::ScanFew`] with one vector per group.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub fn few_avx512(rows: &[u32], group: &Group, sums: &[Sums], input: ScanInput) -> Best {
    let halves = Halves::new(input);
    let mut codes = [_mm_setzero_si128(); FEW_ROWS];
    let mut packed = [Sums::ZERO; FEW_ROWS];
    for ((codes, packed), &row) in codes.iter_mut().zip(&mut packed).zip(rows) {
        // SAFETY: a row has 16 codes of one byte, one vector.
        *codes = unsafe { _mm_loadu_si128(group.codes[row as usize].as_ptr().cast()) };
        *packed = sums[row as usize];
    }
    let (codes, packed) = (&codes[..rows.len()], &packed[..rows.len()]);
    let add = |sum: Wide, lanes: __mmask16, sums: Sums| {
        let sums = _mm512_set1_epi64(sums.bits());
        [
            _mm512_mask_add_epi64(sum[0], lanes as u8, sum[0], sums),
            _mm512_mask_add_epi64(sum[1], (lanes >> 8) as u8, sum[1], sums),
        ]
    };
    let nothing: Wide = [_mm512_setzero_si512(); 2];
    let mut missing = nothing;
    if input.any_missing {
        let code = _mm_set1_epi8(input.count as u8 as i8);
        for (&codes, &sums) in codes.iter().zip(packed) {
            missing = add(missing, _mm_cmpeq_epi8_mask(codes, code), sums);
        }
    }
    let (mut score, mut split) = (_mm512_set1_ps(input.min_score), _mm512_setzero_si512());
    if input.any_missing {
        // Bin 0 and missing values go left. If no row is in bin 0, these are missing values only, and no row's code below
        // stands for this split.
        let mut left = missing;
        for (&codes, &sums) in codes.iter().zip(packed) {
            left = add(left, _mm_cmpeq_epi8_mask(codes, _mm_setzero_si128()), sums);
        }
        (score, split) = halves.consider::<true>(left, score, split, _mm512_set1_epi32(1));
    }
    for &own in codes {
        let mut left = nothing;
        for (&codes, &sums) in codes.iter().zip(packed) {
            left = add(left, _mm_cmple_epu8_mask(codes, own), sums);
        }
        let number = _mm512_slli_epi32::<1>(_mm512_cvtepu8_epi32(own));
        (score, split) = halves.consider::<true>(left, score, split, number);
        if input.any_missing {
            let number = _mm512_add_epi32(number, _mm512_set1_epi32(1));
            (score, split) = halves.consider::<true>(plus(left, missing), score, split, number);
        }
    }
    best(score, split)
}

/// Constants of a scan.
struct Halves {
    lower: __m512i,
    upper: __m512i,
    gradient: __m512i,
    hessian: __m512i,
    l2: __m512,
    min_child_hessian: __m512i,
}

impl Halves {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(ScanInput { total, rules, .. }: ScanInput) -> Self {
        Self {
            lower: _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30),
            upper: _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31),
            gradient: _mm512_set1_epi32(total.gradient()),
            hessian: _mm512_set1_epi32(total.hessian()),
            l2: _mm512_set1_ps(rules.l2),
            min_child_hessian: _mm512_set1_epi32(rules.min_child_hessian),
        }
    }

    /// Compares the best splits so far with those of these numbers, whose left sums are `left`, and returns the better ones.
    /// Of equal ones it takes the smaller number. Without ANY_ORDER, calls must come in the order of the numbers.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn consider<const ANY_ORDER: bool>(
        &self,
        left: Wide,
        score: __m512,
        split: __m512i,
        number: __m512i,
    ) -> (__m512, __m512i) {
        let hl = _mm512_permutex2var_epi32(left[0], self.lower, left[1]);
        let gl = _mm512_permutex2var_epi32(left[0], self.upper, left[1]);
        let (hr, gr) = (_mm512_sub_epi32(self.hessian, hl), _mm512_sub_epi32(self.gradient, gl));
        let (gl, gr) = (_mm512_cvtepi32_ps(gl), _mm512_cvtepi32_ps(gr));
        let dl = _mm512_add_ps(_mm512_cvtepi32_ps(hl), self.l2);
        let dr = _mm512_add_ps(_mm512_cvtepi32_ps(hr), self.l2);
        let (left, right) = (_mm512_mul_ps(_mm512_mul_ps(gl, gl), dr), _mm512_mul_ps(_mm512_mul_ps(gr, gr), dl));
        let here = _mm512_div_ps(_mm512_add_ps(left, right), _mm512_mul_ps(dl, dr));
        let allowed = _mm512_cmpge_epi32_mask(_mm512_min_epi32(hl, hr), self.min_child_hessian);
        let mut better = _mm512_mask_cmp_ps_mask::<_CMP_GT_OQ>(allowed, here, score);
        if ANY_ORDER {
            let equal = _mm512_mask_cmp_ps_mask::<_CMP_EQ_OQ>(allowed, here, score);
            better |= _mm512_mask_cmplt_epu32_mask(equal, number, split);
        }
        (_mm512_mask_mov_ps(score, better, here), _mm512_mask_mov_epi32(split, better, number))
    }
}
