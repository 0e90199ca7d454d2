//! The best split of a node over all groups of features.

use super::{Part, Tending};
use crate::codes::{Group, LANES};
use crate::histogram::{Histogram, Sums};
use crate::monotone;
use crate::sample;
use crate::split::{Best, Search};

/// How a node is divided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    pub feature: u32,
    /// Bins `0 ..= bin` go left.
    pub bin: usize,
    pub missing_left: bool,
    /// In quantised units.
    pub gain: f32,
    pub left: Sums,
    /// Of left and right, in quantised units; told apart only where a direction asks for it.
    pub outputs: [f32; 2],
}

/// Score, feature, and twice the last bin that goes left, plus 1 where missing values do.
type Candidate = (f32, u32, u32);

impl Tending<'_> {
    /// Finds the best split of a node: by its histogram, from which `other`'s is subtracted first, or by its rows.
    pub(super) fn best_split(
        &self,
        rows: &[u32],
        own: Option<&mut Histogram>,
        other: Option<&Histogram>,
        part: &Part,
    ) -> Option<Split> {
        let sums = &self.gradients.sums;
        match own {
            Some(own) => {
                let best = self.best_feature(part, |number, _, search| {
                    let (own, other) = (&mut own[number], other.map(|other| &*other[number]));
                    match &self.directions {
                        None => (self.ways.scan)(own, other, search),
                        Some(directions) => monotone::scan(own, other, search, part.bounds, &directions[number]),
                    }
                });
                best.map(|best| {
                    self.in_full(part, best, |number, lane, column| {
                        for (slot, bins) in column.iter_mut().zip(own[number].iter()) {
                            *slot = bins[lane];
                        }
                    })
                })
            }
            None => {
                let few = |_, group: &Group, search| (self.ways.scan_few)(rows, group, sums, search);
                let best = self.best_feature(part, few);
                best.map(|best| {
                    self.in_full(part, best, |number, lane, column| {
                        for &row in rows {
                            let slot = &mut column[self.binned.codes.groups[number].codes[row as usize][lane] as usize];
                            *slot = slot.plus(sums[row as usize]);
                        }
                    })
                })
            }
        }
    }

    /// The candidate with the greatest score; of equals the first by feature, then bin, then missing right.
    fn best_feature(&self, part: &Part, mut search: impl FnMut(usize, &Group, Search) -> Best) -> Option<Candidate> {
        let least = self.own_score(part) + self.min_split_gain;
        let allowed = self.features_of_node(part.path);
        let mut best: Option<Candidate> = None;
        for (number, group) in self.binned.codes.groups.iter().enumerate() {
            let Some(drawn) = &self.drawn[number] else { continue };
            let (count, any_missing) = (group.bins, group.any_missing);
            let lanes =
                search(number, group, Search { count, any_missing, total: part.sums, rules: self.rules, least });
            for (lane, &feature) in group.features.iter().enumerate() {
                let score = lanes.score[lane];
                let drawn = drawn[lane] && allowed.as_ref().is_none_or(|own| own.binary_search(&feature).is_ok());
                if !drawn || score <= least {
                    continue;
                }
                if best.is_none_or(|(most, first, _)| score > most || (score == most && feature < first)) {
                    best = Some((score, feature, lanes.split[lane]));
                }
            }
        }
        best
    }

    /// Score of the node left whole.
    fn own_score(&self, part: &Part) -> f32 {
        match self.directions {
            None => self.rules.score(part.sums),
            Some(_) => part.bounds.score(part.sums, self.rules.l2),
        }
    }

    /// The features drawn for a node; none where all of the tree's are.
    fn features_of_node(&self, path: u64) -> Option<Vec<u32>> {
        let share = self.params.colsample_node;
        (share < 1.0).then(|| sample::features_of_node(self.params.seed, self.tree, path, self.features, share))
    }

    /// The split in full; `fill` gives the sums of the feature's bins.
    fn in_full(
        &self,
        part: &Part,
        (score, feature, split): Candidate,
        fill: impl FnOnce(usize, usize, &mut [Sums; 256]),
    ) -> Split {
        let (bin, mut missing_left) = (split as usize / 2, split % 2 == 1);
        let (group, lane) = self.binned.codes.place(feature);
        let mut column = [Sums::ZERO; 256];
        fill(self.binned.codes.group_of(feature), lane, &mut column);
        let missing = column[group.bins];
        let mut left = column[..=bin].iter().fold(Sums::ZERO, |sum, &here| sum.plus(here));
        if missing == Sums::ZERO {
            // What was never seen missing goes with the heavier child.
            missing_left = left.hessian() >= part.sums.minus(left).hessian();
        } else if missing_left {
            left = left.plus(missing);
        }
        let bin = middle_of_gap(&column, bin, &self.binned.cuts.cuts[feature as usize]);
        let output = |sums: Sums| part.bounds.output(sums, self.rules.l2);
        let outputs = [output(left), output(part.sums.minus(left))];
        Split { feature, bin, missing_left, gain: score - self.own_score(part), left, outputs }
    }
}

impl Group {
    /// What holds of each lane's feature.
    pub(super) fn lanes(&self, holds: impl Fn(u32) -> bool) -> [bool; LANES] {
        let mut lanes = [false; LANES];
        for (lane, &feature) in lanes.iter_mut().zip(&self.features) {
            *lane = holds(feature);
        }
        lanes
    }
}

/// Bins without rows may go either way: of the cuts between the two sides the one nearest to the middle of their values,
/// so that neither side claims what the node has not seen. Of two equally near the lower.
fn middle_of_gap(column: &[Sums; 256], bin: usize, cuts: &[f32]) -> usize {
    let Some(next) = (bin + 1..=cuts.len()).find(|&next| column[next] != Sums::ZERO) else { return cuts.len() };
    let middle = f64::from(cuts[bin]) / 2.0 + f64::from(cuts[next - 1]) / 2.0;
    let above = bin + cuts[bin..next - 1].partition_point(|&cut| f64::from(cut) < middle);
    let below = above.saturating_sub(1).max(bin);
    if middle - f64::from(cuts[below]) <= f64::from(cuts[above]) - middle { below } else { above }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_lies_in_the_middle_of_the_values_that_no_row_has() {
        let cuts = [0.0, 1.0, 2.0, 3.0, 10.0];
        let split = |bins: &[usize], bin: usize| {
            let mut column = [Sums::ZERO; 256];
            bins.iter().for_each(|&bin| column[bin] = Sums::new(-1, 1));
            middle_of_gap(&column, bin, &cuts)
        };
        assert_eq!(split(&[0, 1, 2], 1), 1);
        assert_eq!(split(&[0, 3], 0), 1);
        assert_eq!(split(&[0, 4], 0), 1);
        // 5 is the middle of 0 and 10.
        assert_eq!(split(&[0, 5], 0), 3);
        assert_eq!(split(&[1, 5], 1), 3);
        // Present from missing.
        assert_eq!(split(&[0, 2], 2), cuts.len());
    }
}
