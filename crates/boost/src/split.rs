//! The search for the best split of a node: the features of a group are scanned bin by bin, side by side.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) mod four;
pub(super) mod plain;

use super::codes::{Group, LANES};
use super::histogram::{Bins, Sums};

/// What a split must satisfy, in quantised units.
#[derive(Debug, Clone, Copy)]
pub struct SplitRules {
    /// L2 regularisation λ.
    pub l2: f32,
    /// Smallest sum of Hessians of a child; at least 1, so that no child is empty.
    pub min_child_hessian: i32,
}

impl SplitRules {
    /// G²/(H + λ).
    pub fn score(&self, sums: Sums) -> f32 {
        let g = sums.gradient() as f32;
        g * g / (sums.hessian() as f32 + self.l2)
    }
}

/// The best split of each feature of a group, and its score. If no split beats the score to be beaten, that score.
#[derive(Debug, Clone, Copy)]
pub struct Best {
    /// Score per lane.
    pub score: [f32; LANES],
    /// Twice the last bin that goes left, plus 1 if missing values go left.
    pub split: [u32; LANES],
}

/// What a scan of one group of a node's histogram needs to know.
#[derive(Clone, Copy)]
pub struct ScanInput {
    /// Bins of the group; missing values come after them.
    pub count: usize,
    /// Whether any row of the job has a missing value in the group.
    pub any_missing: bool,
    /// The sums of the node.
    pub total: Sums,
    /// What a split must satisfy.
    pub rules: SplitRules,
    /// The score to be beaten.
    pub min_score: f32,
}

/// Finds the split of each feature with the greatest score G²/(H + λ), left and right together; of equal splits the first by
/// bin, then the one that sends missing values right. If the sums of the other child are given, the bins are those of the
/// parent, and the child's are subtracted first.
pub type Scan = fn(&mut Bins, Option<&Bins>, ScanInput) -> Best;

/// [`Scan`] for a node of at most [`FEW_ROWS`] rows, from the rows instead of bins: the code of every row is a candidate
/// split, for which the rows on its left are added up.
pub type ScanFew = fn(&[u32], &Group, &[Sums], ScanInput) -> Best;

/// Most rows of [`ScanFew`].
pub const FEW_ROWS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::{self, EMPTY};
    use crate::{InstructionSet, instruction_sets};
    use huracan_base::arith::draw;

    /// Random bins of a node, and their total.
    fn node(seed: u64, rows: u64, count: usize, missing: bool) -> (Box<Bins>, Sums) {
        let mut bins = Box::new(EMPTY);
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
    fn every_instruction_set_finds_the_best_split_with_the_same_bits() {
        for (rows, count, missing) in
            [(2, 1, false), (40, 255, true), (700, 255, false), (700, 24, true), (90, 3, true)]
        {
            let (bins, total) = node(rows, rows, count, missing);
            let rules = SplitRules { l2: 3e5, min_child_hessian: 400_000 };
            let input = ScanInput { count, any_missing: missing, total, rules, min_score: rules.score(total) };
            let found: Vec<Best> =
                instruction_sets().into_iter().map(|set| (set.scan)(&mut bins.clone(), None, input)).collect();
            for lane in 0..LANES {
                let score = |left: Sums| rules.score(left) + rules.score(total.minus(left));
                let allowed = |left: Sums| {
                    left.hessian() >= rules.min_child_hessian && total.minus(left).hessian() >= rules.min_child_hessian
                };
                let lefts = (0..count).flat_map(|bin| {
                    let below = bins[..=bin].iter().fold(Sums::ZERO, |sum, here| sum.plus(here[lane]));
                    [below, below.plus(if missing { bins[count][lane] } else { Sums::ZERO })]
                });
                let best = lefts.filter(|&left| allowed(left)).map(score).fold(input.min_score, f32::max);
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
    fn a_parent_less_one_child_is_the_other_child() {
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
        let input = ScanInput { count: 200, any_missing: true, total: large_total, rules, min_score: 0.0 };
        for InstructionSet { scan, .. } in instruction_sets() {
            let (mut alone, mut rest) = (large.clone(), parent.clone());
            let want = scan(&mut alone, None, input);
            let got = scan(&mut rest, Some(&small), input);
            assert_eq!((got.score, got.split), (want.score, want.split));
            assert_eq!(rest[..=200], large[..=200]);
        }
    }

    #[test]
    fn few_rows_give_the_same_splits_as_their_bins() {
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
            let input = ScanInput { count, any_missing: missing, total, rules, min_score: rules.score(total) };
            for set in instruction_sets() {
                let mut bins = Box::new(EMPTY);
                histogram::build(&mut bins, &group, &node, &sums);
                let want = (set.scan)(&mut bins, None, input);
                let got = (set.scan_few)(&node, &group, &sums, input);
                assert_eq!((got.score.map(f32::to_bits), got.split), (want.score.map(f32::to_bits), want.split));
            }
        }
    }
}
