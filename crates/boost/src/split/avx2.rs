//! The split search with AVX2 vectors: two for the features of a group.

use std::arch::x86_64::*;

use super::{Best, FEW_ROWS, ScanInput};
use crate::codes::{Group, LANES};
use crate::histogram::{Bins, EMPTY, Sums};

/// [`super::Scan`] with vectors of eight features.
#[target_feature(enable = "avx2")]
pub fn scan(bins: &mut Bins, other: Option<&Bins>, input: ScanInput) -> Best {
    // Without another child, the second argument is never read.
    match (other, input.any_missing) {
        (None, false) => scan_bins::<false, false>(bins, &EMPTY, input),
        (None, true) => scan_bins::<false, true>(bins, &EMPTY, input),
        (Some(other), false) => scan_bins::<true, false>(bins, other, input),
        (Some(other), true) => scan_bins::<true, true>(bins, other, input),
    }
}

/// The sums of 16 lanes, four in each.
type Wide = [__m256i; 4];

#[inline]
#[target_feature(enable = "avx2")]
fn load(sums: &[Sums; LANES]) -> Wide {
    let at = sums.as_ptr().cast::<__m256i>();
    // SAFETY: 16 sums of 8 bytes are four vectors of 32 bytes.
    unsafe { [0, 1, 2, 3].map(|k| _mm256_loadu_si256(at.add(k))) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(sums: &mut [Sums; LANES], values: Wide) {
    let at = sums.as_mut_ptr().cast::<__m256i>();
    for (k, value) in values.into_iter().enumerate() {
        // SAFETY: 16 sums of 8 bytes are four vectors of 32 bytes.
        unsafe { _mm256_storeu_si256(at.add(k), value) };
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn scan_bins<const SUBTRACT: bool, const MISSING: bool>(bins: &mut Bins, other: &Bins, input: ScanInput) -> Best {
    let ScanInput { count, .. } = input;
    let rules = Rules::new(input);
    let mut found = Found::new(input.min_score);
    let mut below: Wide = [_mm256_setzero_si256(); 4];
    let difference = |bins: &mut [Sums; LANES], other: &[Sums; LANES]| {
        let mut here = load(bins);
        if SUBTRACT {
            let less = load(other);
            here = [0, 1, 2, 3].map(|k| _mm256_sub_epi64(here[k], less[k]));
            store(bins, here);
        }
        here
    };
    let missing = difference(&mut bins[count], &other[count]);
    for (bin, (here, other)) in bins[..count].iter_mut().zip(&other[..count]).enumerate() {
        let here = difference(here, other);
        below = [0, 1, 2, 3].map(|k| _mm256_add_epi64(below[k], here[k]));
        let number = _mm256_set1_epi32(2 * bin as i32);
        found.consider::<false>(&rules, Halves::of(&below), [number; 2]);
        if MISSING {
            let with_missing = [0, 1, 2, 3].map(|k| _mm256_add_epi64(below[k], missing[k]));
            let number = _mm256_set1_epi32(2 * bin as i32 + 1);
            found.consider::<false>(&rules, Halves::of(&with_missing), [number; 2]);
        }
    }
    // The lanes of a vector are in the order that `Halves::of` gives them.
    found.score = found.score.map(|score| _mm256_castsi256_ps(in_order(_mm256_castps_si256(score))));
    found.split = found.split.map(|split| in_order(split));
    found.best()
}

/// Lanes 0, 1, 4, 5, 2, 3, 6, 7 in their order.
#[inline]
#[target_feature(enable = "avx2")]
fn in_order(lanes: __m256i) -> __m256i {
    _mm256_permute4x64_epi64::<0b11_01_10_00>(lanes)
}

/// Hessians and gradients of 16 lanes, eight in each vector.
#[derive(Clone, Copy)]
struct Halves {
    hessian: [__m256i; 2],
    gradient: [__m256i; 2],
}

impl Halves {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn zero() -> Self {
        Self { hessian: [_mm256_setzero_si256(); 2], gradient: [_mm256_setzero_si256(); 2] }
    }

    /// Takes sums apart. Each vector has lanes 0, 1, 4, 5, 2, 3, 6, 7 of its eight.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn of(sums: &Wide) -> Self {
        let [a, b, c, d] = sums.map(|sums| _mm256_castsi256_ps(sums));
        Self {
            hessian: [_mm256_shuffle_ps::<0x88>(a, b), _mm256_shuffle_ps::<0x88>(c, d)].map(|v| _mm256_castps_si256(v)),
            gradient: [_mm256_shuffle_ps::<0xdd>(a, b), _mm256_shuffle_ps::<0xdd>(c, d)]
                .map(|v| _mm256_castps_si256(v)),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn plus(self, other: Self) -> Self {
        let add = |a: [__m256i; 2], b: [__m256i; 2]| [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])];
        Self { hessian: add(self.hessian, other.hessian), gradient: add(self.gradient, other.gradient) }
    }

    /// Adds a row's sums to the lanes of which `lanes` has all bits of a byte.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(&mut self, lanes: __m128i, row: &Row) {
        let masks = [_mm256_cvtepi8_epi32(lanes), _mm256_cvtepi8_epi32(_mm_srli_si128::<8>(lanes))];
        for (k, mask) in masks.into_iter().enumerate() {
            self.hessian[k] = _mm256_add_epi32(self.hessian[k], _mm256_and_si256(mask, row.hessian));
            self.gradient[k] = _mm256_add_epi32(self.gradient[k], _mm256_and_si256(mask, row.gradient));
        }
    }
}

/// Constants of a scan.
struct Rules {
    gradient: __m256i,
    hessian: __m256i,
    l2: __m256,
    /// One less than what a child must have.
    below_min_child_hessian: __m256i,
}

impl Rules {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(ScanInput { total, rules, .. }: ScanInput) -> Self {
        Self {
            gradient: _mm256_set1_epi32(total.gradient()),
            hessian: _mm256_set1_epi32(total.hessian()),
            l2: _mm256_set1_ps(rules.l2),
            below_min_child_hessian: _mm256_set1_epi32(rules.min_child_hessian - 1),
        }
    }
}

/// The best splits so far.
struct Found {
    score: [__m256; 2],
    split: [__m256i; 2],
}

impl Found {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(min_score: f32) -> Self {
        Self { score: [_mm256_set1_ps(min_score); 2], split: [_mm256_setzero_si256(); 2] }
    }

    /// Compares with the splits of these numbers, whose left sums are `left`, and keeps the better ones. Of equal ones it takes
    /// the smaller number. Without ANY_ORDER, calls must come in the order of the numbers.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn consider<const ANY_ORDER: bool>(&mut self, rules: &Rules, left: Halves, number: [__m256i; 2]) {
        for (k, number) in number.into_iter().enumerate() {
            let (hl, gl) = (left.hessian[k], left.gradient[k]);
            let (hr, gr) = (_mm256_sub_epi32(rules.hessian, hl), _mm256_sub_epi32(rules.gradient, gl));
            let (gl, gr) = (_mm256_cvtepi32_ps(gl), _mm256_cvtepi32_ps(gr));
            let dl = _mm256_add_ps(_mm256_cvtepi32_ps(hl), rules.l2);
            let dr = _mm256_add_ps(_mm256_cvtepi32_ps(hr), rules.l2);
            let (left, right) = (_mm256_mul_ps(_mm256_mul_ps(gl, gl), dr), _mm256_mul_ps(_mm256_mul_ps(gr, gr), dl));
            let here = _mm256_div_ps(_mm256_add_ps(left, right), _mm256_mul_ps(dl, dr));
            let least = _mm256_min_epi32(hl, hr);
            let allowed = _mm256_castsi256_ps(_mm256_cmpgt_epi32(least, rules.below_min_child_hessian));
            let mut better = _mm256_cmp_ps::<_CMP_GT_OQ>(here, self.score[k]);
            if ANY_ORDER {
                let equal = _mm256_cmp_ps::<_CMP_EQ_OQ>(here, self.score[k]);
                let first = _mm256_castsi256_ps(_mm256_cmpgt_epi32(self.split[k], number));
                better = _mm256_or_ps(better, _mm256_and_ps(equal, first));
            }
            better = _mm256_and_ps(better, allowed);
            self.score[k] = _mm256_blendv_ps(self.score[k], here, better);
            self.split[k] = _mm256_blendv_epi8(self.split[k], number, _mm256_castps_si256(better));
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn best(self) -> Best {
        let mut best = Best { score: [0.0; LANES], split: [0; LANES] };
        for k in 0..2 {
            // SAFETY: both arrays have 16 entries of 4 bytes, two vectors each.
            unsafe {
                _mm256_storeu_ps(best.score.as_mut_ptr().add(8 * k), self.score[k]);
                _mm256_storeu_si256(best.split.as_mut_ptr().cast::<__m256i>().add(k), self.split[k]);
            }
        }
        best
    }
}

/// The sums of a row, in all lanes.
#[derive(Clone, Copy)]
struct Row {
    hessian: __m256i,
    gradient: __m256i,
}

impl Row {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn of(sums: Sums) -> Self {
        Self { hessian: _mm256_set1_epi32(sums.hessian()), gradient: _mm256_set1_epi32(sums.gradient()) }
    }
}

/// [`super::ScanFew`] with vectors of eight features.
#[target_feature(enable = "avx2")]
pub fn few(rows: &[u32], group: &Group, sums: &[Sums], input: ScanInput) -> Best {
    let rules = Rules::new(input);
    let mut codes = [_mm_setzero_si128(); FEW_ROWS];
    let mut packed = [Sums::ZERO; FEW_ROWS];
    for ((codes, packed), &row) in codes.iter_mut().zip(&mut packed).zip(rows) {
        // SAFETY: a row has 16 codes of one byte, one vector.
        *codes = unsafe { _mm_loadu_si128(group.codes[row as usize].as_ptr().cast()) };
        *packed = sums[row as usize];
    }
    let (codes, packed) = (&codes[..rows.len()], &packed[..rows.len()]);
    let mut missing = Halves::zero();
    let mut found = Found::new(input.min_score);
    if input.any_missing {
        let code = _mm_set1_epi8(input.count as u8 as i8);
        for (&codes, &sums) in codes.iter().zip(packed) {
            missing.add(_mm_cmpeq_epi8(codes, code), &Row::of(sums));
        }
        // Bin 0 and missing values go left. If no row is in bin 0, these are missing values only, and no row's code below
        // stands for this split.
        let mut left = missing;
        for (&codes, &sums) in codes.iter().zip(packed) {
            left.add(_mm_cmpeq_epi8(codes, _mm_setzero_si128()), &Row::of(sums));
        }
        found.consider::<true>(&rules, left, [_mm256_set1_epi32(1); 2]);
    }
    let consider = |found: &mut Found, own: __m128i, left: Halves| {
        let number = [own, _mm_srli_si128::<8>(own)].map(|own| _mm256_slli_epi32::<1>(_mm256_cvtepu8_epi32(own)));
        found.consider::<true>(&rules, left, number);
        if input.any_missing {
            let number = number.map(|number| _mm256_add_epi32(number, _mm256_set1_epi32(1)));
            found.consider::<true>(&rules, left.plus(missing), number);
        }
    };
    // Two candidates at a time share what is loaded.
    for own in codes.chunks(2) {
        let [first, second] = [own[0], own[own.len() - 1]];
        let mut left = [Halves::zero(); 2];
        for (&codes, &sums) in codes.iter().zip(packed) {
            let row = Row::of(sums);
            left[0].add(_mm_cmpeq_epi8(_mm_min_epu8(codes, first), codes), &row);
            left[1].add(_mm_cmpeq_epi8(_mm_min_epu8(codes, second), codes), &row);
        }
        consider(&mut found, first, left[0]);
        consider(&mut found, second, left[1]);
    }
    found.best()
}
