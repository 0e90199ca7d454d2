//! The search for the best splits of a node: all features of a group walk through their bins side by side.

use super::codes::{Group, LANES};
use super::histogram::{Bins, Sums};

/// What a split must satisfy, in quantised units.
#[derive(Debug, Clone, Copy)]
pub struct SplitRules {
    pub l2: f32,
    /// At least 1: no child is empty.
    pub min_child_hessian: i32,
}

impl SplitRules {
    /// G²/(H + λ).
    pub fn score(&self, sums: Sums) -> f32 {
        let g = sums.gradient() as f32;
        g * g / (sums.hessian() as f32 + self.l2)
    }
}

/// The best split of each of a group's features, and its score; where nothing beats the score given, that score.
#[derive(Debug, Clone, Copy)]
pub struct Best {
    pub score: [f32; LANES],
    /// Twice the last bin that goes left, plus 1 where missing values do.
    pub split: [u32; LANES],
}

/// A group of a node's histogram to be searched.
#[derive(Clone, Copy)]
pub struct Search {
    /// Bins of the group; missing values come after them.
    pub count: usize,
    pub any_missing: bool,
    /// Of the node.
    pub total: Sums,
    pub rules: SplitRules,
    /// The score to be beaten.
    pub least: f32,
}

/// Finds each feature's split with the greatest score G²/(H + λ) of left and right together; of equals the first by bin,
/// then missing right. Where another child's sums are given, the bins are those of the parent, and lose them first.
pub type Scan = fn(&mut Bins, Option<&Bins>, Search) -> Best;

/// [`Scan`] for a node of at most [`FEW`] rows, without its bins: every row's code is a split, and all rows are asked on
/// which side of it they lie.
pub type ScanFew = fn(&[u32], &Group, &[Sums], Search) -> Best;

/// Most rows of [`ScanFew`].
pub const FEW: usize = 64;

/// The searches of one kind of machine.
#[derive(Clone, Copy)]
pub struct Ways {
    /// The instructions that it takes, for people.
    pub name: &'static str,
    pub(super) scan: Scan,
    pub(super) scan_few: ScanFew,
}

/// Every way to search that this machine has, the fastest first; all give the same bits.
pub fn ways() -> Vec<Ways> {
    let mut ways: Vec<Ways> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn avx2(bins: &mut Bins, other: Option<&Bins>, search: Search) -> Best {
            scan(bins, other, search)
        }
        #[target_feature(enable = "avx2")]
        fn few_avx2(rows: &[u32], group: &Group, sums: &[Sums], search: Search) -> Best {
            scan_few(rows, group, sums, search)
        }
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        if avx512 {
            use super::split_x86;
            // SAFETY: the processor has just been found to have all of them.
            ways.push(Ways {
                name: "AVX-512",
                scan: |bins, other, search| unsafe { split_x86::scan_avx512(bins, other, search) },
                scan_few: |rows, group, sums, search| unsafe { split_x86::few_avx512(rows, group, sums, search) },
            });
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been found to have it.
            ways.push(Ways {
                name: "AVX2",
                scan: |bins, other, search| unsafe { avx2(bins, other, search) },
                scan_few: |rows, group, sums, search| unsafe { few_avx2(rows, group, sums, search) },
            });
        }
    }
    ways.push(Ways { name: "plain", scan, scan_few });
    ways
}

#[inline(always)]
fn scan_few(rows: &[u32], group: &Group, sums: &[Sums], search: Search) -> Best {
    let mut best = Best { score: [search.least; LANES], split: [0; LANES] };
    let of = |row: u32| (&group.codes[row as usize], sums[row as usize]);
    let mut missing = [Sums::ZERO; LANES];
    for (codes, sums) in rows.iter().map(|&row| of(row)) {
        for (missing, &code) in missing.iter_mut().zip(codes) {
            *missing = missing.plus(if code as usize == search.count { sums } else { Sums::ZERO });
        }
    }
    if search.any_missing {
        // Only missing values may go left: below the least code there is no row whose code says so.
        let mut left = missing;
        for (codes, sums) in rows.iter().map(|&row| of(row)) {
            for (left, &code) in left.iter_mut().zip(codes) {
                *left = left.plus(if code == 0 { sums } else { Sums::ZERO });
            }
        }
        best.consider(&left, &search, [1; LANES]);
    }
    for &row in rows {
        // A missing value's own code sends everything left, which no rule allows.
        let own = of(row).0;
        let mut left = [Sums::ZERO; LANES];
        for (codes, sums) in rows.iter().map(|&row| of(row)) {
            for ((left, code), own) in left.iter_mut().zip(codes).zip(own) {
                *left = left.plus(if code <= own { sums } else { Sums::ZERO });
            }
        }
        best.consider(&left, &search, own.map(|code| 2 * u32::from(code)));
        if search.any_missing {
            for (left, &missing) in left.iter_mut().zip(&missing) {
                *left = left.plus(missing);
            }
            best.consider(&left, &search, own.map(|code| 2 * u32::from(code) + 1));
        }
    }
    best
}

#[inline(always)]
fn scan(bins: &mut Bins, other: Option<&Bins>, search: Search) -> Best {
    let Search { count, any_missing, .. } = search;
    if let Some(other) = other {
        for (parent, child) in bins[..=count].iter_mut().zip(&other[..=count]) {
            for lane in 0..LANES {
                parent[lane] = parent[lane].minus(child[lane]);
            }
        }
    }
    let mut best = Best { score: [search.least; LANES], split: [0; LANES] };
    let mut below = [Sums::ZERO; LANES];
    let missing = bins[count];
    for (bin, here) in bins[..count].iter().enumerate() {
        for lane in 0..LANES {
            below[lane] = below[lane].plus(here[lane]);
        }
        best.consider(&below, &search, [2 * bin as u32; LANES]);
        if any_missing {
            let mut with_missing = below;
            for lane in 0..LANES {
                with_missing[lane] = below[lane].plus(missing[lane]);
            }
            best.consider(&with_missing, &search, [2 * bin as u32 + 1; LANES]);
        }
    }
    best
}

impl Best {
    #[inline(always)]
    fn consider(&mut self, left: &[Sums; LANES], search: &Search, splits: [u32; LANES]) {
        let rules = search.rules;
        let lanes = self.score.iter_mut().zip(&mut self.split).zip(left).zip(splits);
        for (((best_score, best_split), &left), split) in lanes {
            let right = search.total.minus(left);
            let (hl, hr) = (left.hessian(), right.hessian());
            let (gl, gr) = (left.gradient() as f32, right.gradient() as f32);
            let (dl, dr) = (hl as f32 + rules.l2, hr as f32 + rules.l2);
            // Both fractions over one denominator: a division is dear.
            let score = (gl * gl * dr + gr * gr * dl) / (dl * dr);
            let allowed = (hl >= rules.min_child_hessian) & (hr >= rules.min_child_hessian);
            let first = (score == *best_score) & (split < *best_split);
            let better = allowed & ((score > *best_score) | first);
            *best_score = if better { score } else { *best_score };
            *best_split = if better { split } else { *best_split };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_base::arith::draw;

    /// Bins of a node with few rows for its bins, and its total.
    fn node(seed: u64, rows: u64, count: usize, missing: bool) -> (Box<Bins>, Sums) {
        let mut bins = Box::new([[Sums::ZERO; LANES]; 256]);
        let mut total = Sums::ZERO;
        for row in 0..rows {
            let sums =
                Sums::new((draw(seed, 1, row) % 2_000_001) as i32 - 1_000_000, (draw(seed, 2, row) % 250_000) as i32);
            total = total.plus(sums);
            for lane in 0..LANES {
                let at = draw(seed, 3 + lane as u64, row) as usize % (count + usize::from(missing));
                bins[at][lane] = bins[at][lane].plus(sums);
            }
        }
        (bins, total)
    }

    #[test]
    fn every_way_finds_the_best_split_with_the_same_bits() {
        for (rows, count, missing) in
            [(2, 1, false), (40, 255, true), (700, 255, false), (700, 24, true), (90, 3, true)]
        {
            let (bins, total) = node(rows, rows, count, missing);
            let rules = SplitRules { l2: 3e5, min_child_hessian: 400_000 };
            let search = Search { count, any_missing: missing, total, rules, least: rules.score(total) };
            let found: Vec<Best> = ways().into_iter().map(|way| (way.scan)(&mut bins.clone(), None, search)).collect();
            for lane in 0..LANES {
                let score = |left: Sums| rules.score(left) + rules.score(total.minus(left));
                let allowed = |left: Sums| {
                    left.hessian() >= rules.min_child_hessian && total.minus(left).hessian() >= rules.min_child_hessian
                };
                let lefts = (0..count).flat_map(|bin| {
                    let below = bins[..=bin].iter().fold(Sums::ZERO, |sum, here| sum.plus(here[lane]));
                    [below, below.plus(if missing { bins[count][lane] } else { Sums::ZERO })]
                });
                let best = lefts.filter(|&left| allowed(left)).map(score).fold(search.least, f32::max);
                let near = (found[0].score[lane] - best).abs() <= 1e-5 * best;
                assert!(near, "{rows} rows, lane {lane}: {} against {best}", found[0].score[lane]);
                for other in &found {
                    assert_eq!(other.score[lane].to_bits(), found[0].score[lane].to_bits());
                    assert_eq!(other.split[lane], found[0].split[lane]);
                }
            }
        }
    }

    #[test]
    fn what_a_child_leaves_of_its_parent_is_the_other_child() {
        let (small, small_total) = node(1, 50, 200, true);
        let (large, large_total) = node(2, 300, 200, true);
        let mut parent = small.clone();
        for (parent, large) in parent.iter_mut().zip(large.iter()) {
            for lane in 0..LANES {
                parent[lane] = parent[lane].plus(large[lane]);
            }
        }
        assert_eq!(small_total.plus(large_total).minus(small_total), large_total);
        let rules = SplitRules { l2: 1.0, min_child_hessian: 1 };
        let search = Search { count: 200, any_missing: true, total: large_total, rules, least: 0.0 };
        for Ways { scan, .. } in ways() {
            let (mut alone, mut remains) = (large.clone(), parent.clone());
            let want = scan(&mut alone, None, search);
            let got = scan(&mut remains, Some(&small), search);
            assert_eq!((got.score, got.split), (want.score, want.split));
            assert_eq!(remains[..=200], large[..=200]);
        }
    }

    #[test]
    fn few_rows_are_searched_as_their_bins_are() {
        for (rows, count, missing) in [(2, 1, false), (2, 3, true), (17, 255, true), (64, 255, false), (64, 24, true)] {
            let table: Vec<[u8; LANES]> = (0..3 * rows)
                .map(|row| {
                    let codes = count as u64 + u64::from(missing);
                    std::array::from_fn(|lane| (draw(9, lane as u64, row) % codes) as u8)
                })
                .collect();
            let sums: Vec<Sums> = (0..3 * rows)
                .map(|row| Sums::new((draw(5, 1, row) % 2_001) as i32 - 1_000, (draw(5, 2, row) % 250) as i32))
                .collect();
            let group = Group { features: (0..16).collect(), bins: count, any_missing: missing, codes: table };
            let node: Vec<u32> = (0..rows).map(|row| 3 * row as u32 + 1).collect();
            let total = node.iter().fold(Sums::ZERO, |sum, &row| sum.plus(sums[row as usize]));
            let rules = SplitRules { l2: 30.0, min_child_hessian: 1 };
            let search = Search { count, any_missing: missing, total, rules, least: rules.score(total) };
            for way in ways() {
                let mut bins = Box::new([[Sums::ZERO; LANES]; 256]);
                super::super::histogram::build(&mut bins, &group, &node, &sums);
                let want = (way.scan)(&mut bins, None, search);
                let got = (way.scan_few)(&node, &group, &sums, search);
                assert_eq!((got.score.map(f32::to_bits), got.split), (want.score.map(f32::to_bits), want.split));
            }
        }
    }
}
