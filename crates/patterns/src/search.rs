//! Search over all single conditions, all pairs, and the triples that extend the best pairs.
//!
//! A pair costs one AND and three population counts per word of 64 rows. All pairs are tested; triples extend the best
//! `beam` pairs of each side by every condition. Sets that are not tested still count as tests.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::PatternParams;
use super::excess::{Base, Excess, Scratch};
use super::items::Items;
use super::rows::Rows;

/// Findings with a smaller statistic are not kept; their p-values count as 1.
const MIN_STATISTIC: f64 = 2.0;
/// Placeholder for an absent condition.
const NO_ITEM: u16 = u16::MAX;

/// A set of conditions on one side, with its result on the training rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Finding {
    /// Ascending; entries beyond `depth` are placeholders.
    items: [u16; 3],
    pub depth: usize,
    pub side: usize,
    pub excess: Excess,
    pub p_value: f64,
}

impl Finding {
    pub fn new(items: &[usize], side: usize, excess: Excess) -> Self {
        let mut own = [NO_ITEM; 3];
        own.iter_mut().zip(items).for_each(|(slot, &item)| *slot = item as u16);
        Self { items: own, depth: items.len(), side, excess, p_value: excess.p_value() }
    }

    pub fn items(&self) -> impl Iterator<Item = usize> + '_ {
        self.items[..self.depth].iter().map(|&item| usize::from(item))
    }

    pub fn is_same(&self, other: &Self) -> bool {
        self.items == other.items && self.side == other.side
    }

    /// Order by p-value; ties go to fewer conditions, then to the order of the items.
    pub fn rank(&self, other: &Self) -> std::cmp::Ordering {
        self.p_value
            .total_cmp(&other.p_value)
            .then(self.depth.cmp(&other.depth))
            .then(self.items.cmp(&other.items))
            .then(self.side.cmp(&other.side))
    }
}

/// Mask of the rows that fulfil all of some conditions; `masks` is `[items × words]`.
pub(super) fn mask_of(masks: &[u64], words: usize, items: impl IntoIterator<Item = usize>) -> Vec<u64> {
    let mut mask = vec![u64::MAX; words];
    for item in items {
        mask.iter_mut().zip(&masks[item * words..(item + 1) * words]).for_each(|(all, own)| *all &= own);
    }
    mask
}

/// All findings with a sufficient statistic, in an order that does not depend on the number of threads.
pub(super) fn search(
    rows: &Rows,
    base: &Base,
    items: &Items<'_>,
    masks: &[u64],
    params: &PatternParams,
) -> Vec<Finding> {
    let words = rows.words();
    let test_set = |set: &[usize], scratch: &mut (Scratch, Vec<u64>), findings: &mut Vec<Finding>| {
        let (scratch, mask) = scratch;
        mask.clear();
        mask.extend_from_slice(&masks[set[0] * words..(set[0] + 1) * words]);
        for &item in &set[1..] {
            mask.iter_mut().zip(&masks[item * words..(item + 1) * words]).for_each(|(all, own)| *all &= own);
        }
        let count: u32 = mask.iter().map(|word| word.count_ones()).sum();
        if count < params.min_rows {
            return;
        }
        for (side, excess) in base.excess(rows, mask, scratch).into_iter().enumerate() {
            if excess.statistic > MIN_STATISTIC {
                findings.push(Finding::new(set, side, excess));
            }
        }
    };
    let starting_with = |first: usize| {
        let (mut scratch, mut findings) = Default::default();
        test_set(&[first], &mut scratch, &mut findings);
        if params.depth > 1 {
            for second in first + 1..items.list.len() {
                if items.list[second].column != items.list[first].column {
                    test_set(&[first, second], &mut scratch, &mut findings);
                }
            }
        }
        findings
    };
    let mut findings: Vec<Finding> = (0..items.list.len()).into_par_iter().flat_map_iter(starting_with).collect();
    if params.depth > 2 {
        let triples: Vec<[usize; 3]> = triples(&findings, items, params.beam).into_iter().collect();
        let more: Vec<Vec<Finding>> = triples
            .par_chunks(256)
            .map(|chunk| {
                let (mut scratch, mut findings) = Default::default();
                chunk.iter().for_each(|set| test_set(set, &mut scratch, &mut findings));
                findings
            })
            .collect();
        findings.extend(more.into_iter().flatten());
    }
    findings
}

/// The best pairs of each side, extended by every third condition; each set once.
fn triples(findings: &[Finding], items: &Items<'_>, beam: usize) -> BTreeSet<[usize; 3]> {
    let mut sets = BTreeSet::new();
    for side in 0..2 {
        let mut pairs: Vec<&Finding> =
            findings.iter().filter(|finding| finding.depth == 2 && finding.side == side).collect();
        pairs.sort_by(|a, b| a.rank(b));
        for pair in pairs.into_iter().take(beam) {
            let own: Vec<usize> = pair.items().collect();
            let on_other_column = |item: &usize| own.iter().all(|&o| items.list[o].column != items.list[*item].column);
            for third in (0..items.list.len()).filter(on_other_column) {
                let mut set = [own[0], own[1], third];
                set.sort_unstable();
                sets.insert(set);
            }
        }
    }
    sets
}
