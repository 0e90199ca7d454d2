//! The search for the best splits of a node: all features of a group walk through their bins side by side.

use super::codes::LANES;
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

/// Every way to scan that this machine has, the fastest first; all give the same bits.
pub fn ways() -> Vec<Scan> {
    let mut ways: Vec<Scan> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn avx2(bins: &mut Bins, other: Option<&Bins>, search: Search) -> Best {
            scan(bins, other, search)
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has just been found to have it.
            ways.push(|bins, other, search| unsafe { super::split_x86::scan_avx512(bins, other, search) });
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been found to have it.
            ways.push(|bins, other, search| unsafe { avx2(bins, other, search) });
        }
    }
    ways.push(scan);
    ways
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
    let mut below = [Sums::default(); LANES];
    let missing = bins[count];
    for (bin, here) in bins[..count].iter().enumerate() {
        for lane in 0..LANES {
            below[lane] = below[lane].plus(here[lane]);
        }
        best.consider(&below, &search, 2 * bin as u32);
        if any_missing {
            let mut with_missing = below;
            for lane in 0..LANES {
                with_missing[lane] = below[lane].plus(missing[lane]);
            }
            best.consider(&with_missing, &search, 2 * bin as u32 + 1);
        }
    }
    best
}

impl Best {
    #[inline(always)]
    fn consider(&mut self, left: &[Sums; LANES], search: &Search, split: u32) {
        let rules = search.rules;
        let lanes = self.score.iter_mut().zip(&mut self.split).zip(left);
        for ((best_score, best_split), &left) in lanes {
            let right = search.total.minus(left);
            let (hl, hr) = (left.hessian(), right.hessian());
            let (gl, gr) = (left.gradient() as f32, right.gradient() as f32);
            let (dl, dr) = (hl as f32 + rules.l2, hr as f32 + rules.l2);
            // Both fractions over one denominator: a division is dear.
            let score = (gl * gl * dr + gr * gr * dl) / (dl * dr);
            let better = (hl >= rules.min_child_hessian) & (hr >= rules.min_child_hessian) & (score > *best_score);
            *best_score = if better { score } else { *best_score };
            *best_split = if better { split } else { *best_split };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::draw;

    /// Bins of a node with few rows for its bins, and its total.
    fn node(seed: u64, rows: u64, count: usize, missing: bool) -> (Box<Bins>, Sums) {
        let mut bins = Box::new([[Sums::default(); LANES]; 256]);
        let mut total = Sums::default();
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
            let found: Vec<Best> = ways().into_iter().map(|scan| scan(&mut bins.clone(), None, search)).collect();
            for lane in 0..LANES {
                let score = |left: Sums| rules.score(left) + rules.score(total.minus(left));
                let allowed = |left: Sums| {
                    left.hessian() >= rules.min_child_hessian && total.minus(left).hessian() >= rules.min_child_hessian
                };
                let lefts = (0..count).flat_map(|bin| {
                    let below = bins[..=bin].iter().fold(Sums::default(), |sum, here| sum.plus(here[lane]));
                    [below, below.plus(if missing { bins[count][lane] } else { Sums::default() })]
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
        for scan in ways() {
            let (mut alone, mut remains) = (large.clone(), parent.clone());
            let want = scan(&mut alone, None, search);
            let got = scan(&mut remains, Some(&small), search);
            assert_eq!((got.score, got.split), (want.score, want.split));
            assert_eq!(remains[..=200], large[..=200]);
        }
    }
}
