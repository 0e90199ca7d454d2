//! The split search with vectors of four features: SSE2, which every x86-64 has, and NEON, which every aarch64 has.

/// Functions of one expression, of instructions that every processor of the architecture has.
macro_rules! vector_functions {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),*) -> $out:ty = $body:expr;)*) => {
        $($(#[$doc])*
        #[inline(always)]
        pub fn $name($($argument: $type),*) -> $out {
            // SAFETY: every processor of the architecture has the instructions, and those that read or write memory do so with
            // as many bytes as the array has: 16.
            unsafe { $body }
        })*
    };
}

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod sse2;

#[cfg(target_arch = "aarch64")]
use neon as arch;
#[cfg(target_arch = "x86_64")]
use sse2 as arch;

use super::{Best, FEW_ROWS, ScanInput};
use crate::codes::{Group, LANES};
use crate::histogram::{Bins, EMPTY, Sums};
use arch::{Floats, Ints};

/// Vectors in a group.
const VECTORS: usize = LANES / 4;
/// Vectors that go through the bins together: their sums and best splits fit the registers.
const TOGETHER: usize = 2;

/// [`super::Scan`].
pub fn scan(bins: &mut Bins, other: Option<&Bins>, input: ScanInput) -> Best {
    // Without another child, the second argument is never read.
    match (other, input.any_missing) {
        (None, false) => scan_bins::<false, false>(bins, &EMPTY, input),
        (None, true) => scan_bins::<false, true>(bins, &EMPTY, input),
        (Some(other), false) => scan_bins::<true, false>(bins, other, input),
        (Some(other), true) => scan_bins::<true, true>(bins, other, input),
    }
}

fn scan_bins<const SUBTRACT: bool, const MISSING: bool>(bins: &mut Bins, other: &Bins, input: ScanInput) -> Best {
    let rules = Rules::new(input);
    let mut best = Best { score: [0.0; LANES], split: [0; LANES] };
    for first in (0..VECTORS).step_by(TOGETHER) {
        let mut found = [Found::new(input.min_score); TOGETHER];
        let mut below = [[arch::all(0); 2]; TOGETHER];
        let difference = |bins: &mut [Sums; LANES], other: &[Sums; LANES]| {
            let mut here = [[arch::all(0); 2]; TOGETHER];
            for (k, here) in here.iter_mut().flatten().enumerate() {
                let at = 2 * first + k;
                let (own, other) = (&mut bins.as_chunks_mut().0[at], &other.as_chunks().0[at]);
                *here = arch::load(own);
                if SUBTRACT {
                    *here = arch::sub_sums(*here, arch::load(other));
                    arch::store(own, *here);
                }
            }
            here
        };
        let missing = difference(&mut bins[input.count], &other[input.count]);
        for (bin, (here, other)) in bins[..input.count].iter_mut().zip(&other[..input.count]).enumerate() {
            let here = difference(here, other);
            for k in 0..TOGETHER {
                below[k] = plus(below[k], here[k]);
                found[k].consider::<false>(&rules, Halves::of(below[k]), arch::all(2 * bin as i32));
                if MISSING {
                    let with_missing = Halves::of(plus(below[k], missing[k]));
                    found[k].consider::<false>(&rules, with_missing, arch::all(2 * bin as i32 + 1));
                }
            }
        }
        found.iter().enumerate().for_each(|(k, found)| found.write(first + k, &mut best));
    }
    best
}

#[inline(always)]
fn plus(a: [Ints; 2], b: [Ints; 2]) -> [Ints; 2] {
    [arch::add_sums(a[0], b[0]), arch::add_sums(a[1], b[1])]
}

/// [`super::ScanFew`].
pub fn few(rows: &[u32], group: &Group, sums: &[Sums], input: ScanInput) -> Best {
    let rules = Rules::new(input);
    let mut codes = [arch::all(0); FEW_ROWS];
    let mut packed = [Sums::ZERO; FEW_ROWS];
    for ((codes, packed), &row) in codes.iter_mut().zip(&mut packed).zip(rows) {
        *codes = arch::codes(&group.codes[row as usize]);
        *packed = sums[row as usize];
    }
    let (codes, packed) = (&codes[..rows.len()], &packed[..rows.len()]);
    let mut missing = [Halves::zero(); VECTORS];
    let mut found = [Found::new(input.min_score); VECTORS];
    if input.any_missing {
        let code = arch::all_bytes(input.count as u8);
        for (&codes, &sums) in codes.iter().zip(packed) {
            add(&mut missing, arch::equal_bytes(codes, code), sums);
        }
        // Bin 0 and missing values go left. If no row is in bin 0, these are missing values only, and no row's code below
        // stands for this split.
        let mut left = missing;
        for (&codes, &sums) in codes.iter().zip(packed) {
            add(&mut left, arch::equal_bytes(codes, arch::all_bytes(0)), sums);
        }
        for (found, left) in found.iter_mut().zip(left) {
            found.consider::<true>(&rules, left, arch::all(1));
        }
    }
    for &own in codes {
        let mut left = [Halves::zero(); VECTORS];
        for (&codes, &sums) in codes.iter().zip(packed) {
            add(&mut left, arch::not_above_bytes(codes, own), sums);
        }
        let numbers = arch::doubled_bytes(own);
        for k in 0..VECTORS {
            found[k].consider::<true>(&rules, left[k], numbers[k]);
            if input.any_missing {
                let number = arch::add(numbers[k], arch::all(1));
                found[k].consider::<true>(&rules, left[k].plus(missing[k]), number);
            }
        }
    }
    let mut best = Best { score: [0.0; LANES], split: [0; LANES] };
    found.iter().enumerate().for_each(|(k, found)| found.write(k, &mut best));
    best
}

/// Adds a row's sums to the lanes of which `lanes` has all bits of a byte.
#[inline(always)]
fn add(halves: &mut [Halves; VECTORS], lanes: Ints, sums: Sums) {
    let (hessian, gradient) = (arch::all(sums.hessian()), arch::all(sums.gradient()));
    for (halves, mask) in halves.iter_mut().zip(arch::masks_of_bytes(lanes)) {
        halves.hessian = arch::add(halves.hessian, arch::and(mask, hessian));
        halves.gradient = arch::add(halves.gradient, arch::and(mask, gradient));
    }
}

/// Hessians and gradients of four lanes.
#[derive(Clone, Copy)]
struct Halves {
    hessian: Ints,
    gradient: Ints,
}

impl Halves {
    #[inline(always)]
    fn zero() -> Self {
        Self { hessian: arch::all(0), gradient: arch::all(0) }
    }

    #[inline(always)]
    fn of([first, second]: [Ints; 2]) -> Self {
        Self { hessian: arch::lower_halves(first, second), gradient: arch::upper_halves(first, second) }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self { hessian: arch::add(self.hessian, other.hessian), gradient: arch::add(self.gradient, other.gradient) }
    }
}

/// Constants of a scan.
struct Rules {
    gradient: Ints,
    hessian: Ints,
    l2: Floats,
    /// One less than what a child must have.
    below_min_child_hessian: Ints,
}

impl Rules {
    #[inline(always)]
    fn new(ScanInput { total, rules, .. }: ScanInput) -> Self {
        Self {
            gradient: arch::all(total.gradient()),
            hessian: arch::all(total.hessian()),
            l2: arch::all_floats(rules.l2),
            below_min_child_hessian: arch::all(rules.min_child_hessian - 1),
        }
    }
}

/// The best splits of four lanes so far.
#[derive(Clone, Copy)]
struct Found {
    score: Floats,
    split: Ints,
}

impl Found {
    #[inline(always)]
    fn new(min_score: f32) -> Self {
        Self { score: arch::all_floats(min_score), split: arch::all(0) }
    }

    /// Compares with the splits of these numbers, whose left sums are `left`, and keeps the better ones. Of equal ones it takes
    /// the smaller number. Without ANY_ORDER, calls must come in the order of the numbers.
    #[inline(always)]
    fn consider<const ANY_ORDER: bool>(&mut self, rules: &Rules, left: Halves, number: Ints) {
        let (hl, gl) = (left.hessian, left.gradient);
        let (hr, gr) = (arch::sub(rules.hessian, hl), arch::sub(rules.gradient, gl));
        let (gl, gr) = (arch::to_floats(gl), arch::to_floats(gr));
        let dl = arch::add_floats(arch::to_floats(hl), rules.l2);
        let dr = arch::add_floats(arch::to_floats(hr), rules.l2);
        let left = arch::mul_floats(arch::mul_floats(gl, gl), dr);
        let right = arch::mul_floats(arch::mul_floats(gr, gr), dl);
        let here = arch::div_floats(arch::add_floats(left, right), arch::mul_floats(dl, dr));
        let least = rules.below_min_child_hessian;
        let allowed = arch::and(arch::greater(hl, least), arch::greater(hr, least));
        let mut better = arch::greater_floats(here, self.score);
        if ANY_ORDER {
            let equal = arch::equal_floats(here, self.score);
            better = arch::or(better, arch::and(equal, arch::greater(self.split, number)));
        }
        better = arch::and(better, allowed);
        self.score = arch::choose_floats(better, here, self.score);
        self.split = arch::choose(better, number, self.split);
    }

    /// Writes lanes 4 × `vector` and the three after it.
    #[inline(always)]
    fn write(&self, vector: usize, best: &mut Best) {
        arch::store_floats(&mut best.score.as_chunks_mut().0[vector], self.score);
        arch::store_ints(&mut best.split.as_chunks_mut().0[vector], self.split);
    }
}
