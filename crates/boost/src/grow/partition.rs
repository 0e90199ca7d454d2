//! Partitions a node's rows by its split.

use std::ops::Range;

use rayon::prelude::*;

use super::search::Split;
use super::{Grower, Workspace};
use crate::MIN_SHARED_ROWS;
use crate::prefetch::{AHEAD, prefetch};

/// Rows that a thread partitions at a time.
const PORTION: usize = 1 << 14;

impl Grower<'_> {
    /// Moves the rows that go left to the front, all in their order, and returns their number.
    pub(super) fn partition(&self, work: &mut Workspace, split: &Split, rows: Range<usize>) -> usize {
        let (group, lane) = self.binned.codes.locate(split.feature);
        let missing = group.bins as u8;
        let goes_left = |row: u32| {
            let code = group.codes[row as usize][lane];
            let is_missing = group.any_missing & (code == missing);
            if is_missing { split.missing_left } else { code as usize <= split.bin }
        };
        let ask = |row: u32| prefetch(&group.codes[row as usize]);
        let own = &mut work.rows[rows];
        let spare = &mut work.spare[..own.len()];
        if own.len() < MIN_SHARED_ROWS {
            let left = partition_portion(own, spare, ask, goes_left);
            let right = own.len() - left;
            own[left..].copy_from_slice(&spare[..right]);
            return left;
        }
        // Each portion is partitioned by itself; then all left rows are joined, and all right ones.
        let portions: Vec<usize> = own
            .par_chunks_mut(PORTION)
            .zip(spare.par_chunks_mut(PORTION))
            .map(|(own, spare)| partition_portion(own, spare, ask, goes_left))
            .collect();
        let left: usize = portions.iter().sum();
        let mut joined = own.to_vec();
        let (mut lefts, mut rights) = joined.split_at_mut(left);
        let mut moves = Vec::with_capacity(portions.len());
        for ((own, spare), &left) in own.chunks(PORTION).zip(spare.chunks(PORTION)).zip(&portions) {
            let (to_left, more_lefts) = lefts.split_at_mut(left);
            let (to_right, more_rights) = rights.split_at_mut(own.len() - left);
            moves.push((to_left, &own[..left], to_right, &spare[..own.len() - left]));
            (lefts, rights) = (more_lefts, more_rights);
        }
        moves.into_par_iter().for_each(|(to_left, left, to_right, right)| {
            to_left.copy_from_slice(left);
            to_right.copy_from_slice(right);
        });
        own.copy_from_slice(&joined);
        left
    }
}

/// Moves the rows that go left to the front and copies the others to `spare`, both in their order. Returns how many go left. `ask`
/// is called for each row a while before its side is wanted.
#[inline(always)]
fn partition_portion(own: &mut [u32], spare: &mut [u32], ask: impl Fn(u32), goes_left: impl Fn(u32) -> bool) -> usize {
    let (mut left, mut right) = (0, 0);
    for i in 0..own.len() {
        if let Some(&row) = own.get(i + AHEAD) {
            ask(row);
        }
        let row = own[i];
        let goes_left = goes_left(row);
        own[left] = row;
        spare[right] = row;
        left += usize::from(goes_left);
        right += usize::from(!goes_left);
    }
    left
}
