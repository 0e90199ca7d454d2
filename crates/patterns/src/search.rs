//! All single conditions, all pairs of them, and the triples that the best pairs lead to.
//!
//! A pair costs an AND and three population counts a word of 64 rows. Pairs are searched whole; triples extend the best
//! `beam` pairs of each side by every condition. What is not looked at still counts as a test that was made.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::PatternParams;
use super::excess::{Base, Excess, Scratch};
use super::items::Items;
use super::rows::Rows;

/// Statistics below this are not kept: their p-values count as 1.
const WORTH_KEEPING: f64 = 2.0;
/// In the place of a condition that is not there.
const NONE: u16 = u16::MAX;

/// A set of conditions on one side and its record on the training rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    /// Ascending; the places beyond `depth` are empty.
    items: [u16; 3],
    pub depth: usize,
    pub side: usize,
    pub excess: Excess,
    pub p_value: f64,
}

impl Found {
    pub fn new(items: &[usize], side: usize, excess: Excess) -> Self {
        let mut own = [NONE; 3];
        own.iter_mut().zip(items).for_each(|(slot, &item)| *slot = item as u16);
        Self { items: own, depth: items.len(), side, excess, p_value: excess.p_value() }
    }

    pub fn items(&self) -> impl Iterator<Item = usize> + '_ {
        self.items[..self.depth].iter().map(|&item| usize::from(item))
    }

    pub fn is_same(&self, other: &Self) -> bool {
        self.items == other.items && self.side == other.side
    }

    /// The most telling first; of equals that with fewer conditions, then the first in the order of the items.
    pub fn rank(&self, other: &Self) -> std::cmp::Ordering {
        self.p_value
            .total_cmp(&other.p_value)
            .then(self.depth.cmp(&other.depth))
            .then(self.items.cmp(&other.items))
            .then(self.side.cmp(&other.side))
    }
}

/// The rows that fulfil all of some conditions; `masks` is `[items × words]`.
pub(super) fn mask_of(masks: &[u64], words: usize, items: impl IntoIterator<Item = usize>) -> Vec<u64> {
    let mut mask = vec![u64::MAX; words];
    for item in items {
        mask.iter_mut().zip(&masks[item * words..(item + 1) * words]).for_each(|(all, own)| *all &= own);
    }
    mask
}

/// Everything worth keeping, in an order that does not depend on the number of threads.
pub(super) fn search(
    rows: &Rows,
    base: &Base,
    items: &Items<'_>,
    masks: &[u64],
    settings: &PatternParams,
) -> Vec<Found> {
    let words = rows.words();
    let look = |set: &[usize], scratch: &mut (Scratch, Vec<u64>), found: &mut Vec<Found>| {
        let (scratch, mask) = scratch;
        mask.clear();
        mask.extend_from_slice(&masks[set[0] * words..(set[0] + 1) * words]);
        for &item in &set[1..] {
            mask.iter_mut().zip(&masks[item * words..(item + 1) * words]).for_each(|(all, own)| *all &= own);
        }
        let count: u32 = mask.iter().map(|word| word.count_ones()).sum();
        if count < settings.min_rows {
            return;
        }
        for (side, excess) in base.excess(rows, mask, scratch).into_iter().enumerate() {
            if excess.statistic > WORTH_KEEPING {
                found.push(Found::new(set, side, excess));
            }
        }
    };
    let from = |first: usize| {
        let (mut scratch, mut found) = Default::default();
        look(&[first], &mut scratch, &mut found);
        if settings.depth > 1 {
            for second in first + 1..items.list.len() {
                if items.list[second].column != items.list[first].column {
                    look(&[first, second], &mut scratch, &mut found);
                }
            }
        }
        found
    };
    let mut found: Vec<Found> = (0..items.list.len()).into_par_iter().flat_map_iter(from).collect();
    if settings.depth > 2 {
        let triples: Vec<[usize; 3]> = triples(&found, items, settings.beam).into_iter().collect();
        let more: Vec<Vec<Found>> = triples
            .par_chunks(256)
            .map(|chunk| {
                let (mut scratch, mut found) = Default::default();
                chunk.iter().for_each(|set| look(set, &mut scratch, &mut found));
                found
            })
            .collect();
        found.extend(more.into_iter().flatten());
    }
    found
}

/// The best pairs of each side with every third condition, each set once.
fn triples(found: &[Found], items: &Items<'_>, beam: usize) -> BTreeSet<[usize; 3]> {
    let mut sets = BTreeSet::new();
    for side in 0..2 {
        let mut pairs: Vec<&Found> = found.iter().filter(|found| found.depth == 2 && found.side == side).collect();
        pairs.sort_by(|a, b| a.rank(b));
        for pair in pairs.into_iter().take(beam) {
            let own: Vec<usize> = pair.items().collect();
            let other = |item: &usize| own.iter().all(|&o| items.list[o].column != items.list[*item].column);
            for third in (0..items.list.len()).filter(other) {
                let mut set = [own[0], own[1], third];
                set.sort_unstable();
                sets.insert(set);
            }
        }
    }
    sets
}
