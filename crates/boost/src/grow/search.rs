//! The best split of a node over all groups of features.

use super::{Grower, NodeData};
use crate::codes::{GROUP_BINS, Group, LANES};
use crate::histogram::{Histogram, Sums};
use crate::monotone;
use crate::sample;
use crate::split::{Best, ScanInput};

/// How a node is split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// The feature that is compared.
    pub feature: u32,
    /// The bins `0 ..= bin` go left.
    pub bin: usize,
    /// Whether missing values go left.
    pub missing_left: bool,
    /// In quantised units.
    pub gain: f32,
    /// Sums of the left child.
    pub left: Sums,
    /// Outputs of the left and the right child, in quantised units, for monotone constraints.
    pub outputs: [f32; 2],
}

/// Score, feature, and twice the last bin that goes left, plus 1 if missing values go left.
type Candidate = (f32, u32, u32);

impl Grower<'_> {
    /// Finds the best split of a node: by its histogram, from which `other` is subtracted first, or by its rows.
    pub(super) fn best_split(
        &self,
        rows: &[u32],
        own: Option<&mut Histogram>,
        other: Option<&Histogram>,
        data: &NodeData,
    ) -> Option<Split> {
        let sums = &self.gradients.sums;
        let by_rows = |number: usize, lane: usize, column: &mut [Sums; GROUP_BINS]| {
            for &row in rows {
                let slot = &mut column[self.binned.codes.groups[number].codes[row as usize][lane] as usize];
                *slot = slot.plus(sums[row as usize]);
            }
        };
        let Some(own) = own else {
            let few = |_, group: &Group, input| (self.instructions.scan_few)(rows, group, sums, input);
            return self.best_feature(data, few).map(|best| self.split_of(data, best, by_rows));
        };
        let best = self.best_feature(data, |number, _, input| {
            let (own, other) = (&mut own[number], other.map(|other| &*other[number]));
            match &self.directions {
                None => (self.instructions.scan)(own, other, input),
                Some(directions) => monotone::scan(own, other, input, data.bounds, &directions[number]),
            }
        })?;
        let by_bins = |number: usize, lane: usize, column: &mut [Sums; GROUP_BINS]| {
            for (slot, bins) in column.iter_mut().zip(own[number].iter()) {
                *slot = bins[lane];
            }
        };
        // Each bin of one feature is in a cache line of its own, so fewer rows than bins are read sooner.
        Some(if rows.len() < GROUP_BINS / 2 {
            self.split_of(data, best, by_rows)
        } else {
            self.split_of(data, best, by_bins)
        })
    }

    /// The candidate with the greatest score; of equal ones the first by feature, then by bin, then the one that sends missing
    /// values right. `scan` searches one group.
    fn best_feature(
        &self,
        data: &NodeData,
        mut scan: impl FnMut(usize, &Group, ScanInput) -> Best,
    ) -> Option<Candidate> {
        let min_score = self.own_score(data) + self.min_split_gain;
        let allowed = self.features_of_node(data.path);
        let mut best: Option<Candidate> = None;
        for (number, group) in self.binned.codes.groups.iter().enumerate() {
            let Some(drawn) = &self.drawn[number] else { continue };
            let (count, any_missing) = (group.bins, group.any_missing);
            let lanes =
                scan(number, group, ScanInput { count, any_missing, total: data.sums, rules: self.rules, min_score });
            for (lane, &feature) in group.features.iter().enumerate() {
                let score = lanes.score[lane];
                let drawn = drawn[lane] && allowed.as_ref().is_none_or(|own| own.binary_search(&feature).is_ok());
                if !drawn || score <= min_score {
                    continue;
                }
                if best.is_none_or(|(most, first, _)| score > most || (score == most && feature < first)) {
                    best = Some((score, feature, lanes.split[lane]));
                }
            }
        }
        best
    }

    /// Score of the node without a split.
    fn own_score(&self, data: &NodeData) -> f32 {
        match self.directions {
            None => self.rules.score(data.sums),
            Some(_) => data.bounds.score(data.sums, self.rules.l2),
        }
    }

    /// The features drawn for a node; none if it may use all of the tree's.
    fn features_of_node(&self, path: u64) -> Option<Vec<u32>> {
        let share = self.params.colsample_node;
        (share < 1.0).then(|| sample::features_of_node(self.params.seed, self.tree, path, self.features, share))
    }

    /// The split of a candidate; `fill` writes the sums of the feature's bins.
    fn split_of(
        &self,
        data: &NodeData,
        (score, feature, split): Candidate,
        fill: impl FnOnce(usize, usize, &mut [Sums; GROUP_BINS]),
    ) -> Split {
        let (bin, mut missing_left) = (split as usize / 2, split % 2 == 1);
        let (group, lane) = self.binned.codes.locate(feature);
        let mut column = [Sums::ZERO; GROUP_BINS];
        fill(self.binned.codes.group_of(feature), lane, &mut column);
        let missing = column[group.bins];
        let mut left = column[..=bin].iter().fold(Sums::ZERO, |sum, &here| sum.plus(here));
        if missing == Sums::ZERO {
            // Where the node has no missing values, those of other rows go to the heavier child.
            missing_left = left.hessian() >= data.sums.minus(left).hessian();
        } else if missing_left {
            left = left.plus(missing);
        }
        let bin = middle_of_gap(&column, bin, &self.binned.cuts.cuts[feature as usize]);
        let output = |sums: Sums| data.bounds.output(sums, self.rules.l2);
        let outputs = [output(left), output(data.sums.minus(left))];
        Split { feature, bin, missing_left, gain: score - self.own_score(data), left, outputs }
    }
}

impl Group {
    /// Whether `holds` is true for the feature of each lane.
    pub(super) fn lanes(&self, holds: impl Fn(u32) -> bool) -> [bool; LANES] {
        let mut lanes = [false; LANES];
        for (lane, &feature) in lanes.iter_mut().zip(&self.features) {
            *lane = holds(feature);
        }
        lanes
    }
}

/// Bins without rows could go to either side. Of the cuts between the two sides, chooses the one nearest to the middle of the
/// gap, and the lower one of two that are equally near.
fn middle_of_gap(column: &[Sums; GROUP_BINS], bin: usize, cuts: &[f32]) -> usize {
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
    fn a_split_lies_in_the_middle_of_the_gap_between_values() {
        let cuts = [0.0, 1.0, 2.0, 3.0, 10.0];
        let split = |bins: &[usize], bin: usize| {
            let mut column = [Sums::ZERO; GROUP_BINS];
            bins.iter().for_each(|&bin| column[bin] = Sums::new(-1, 1));
            middle_of_gap(&column, bin, &cuts)
        };
        assert_eq!(split(&[0, 1, 2], 1), 1);
        assert_eq!(split(&[0, 3], 0), 1);
        assert_eq!(split(&[0, 4], 0), 1);
        // 5 is the middle of 0 and 10.
        assert_eq!(split(&[0, 5], 0), 3);
        assert_eq!(split(&[1, 5], 1), 3);
        // Only missing values go right.
        assert_eq!(split(&[0, 2], 2), cuts.len());
    }
}
