//! Walking down trees without vector instructions: eight rows side by side, enough to hide the latency of loads.

use super::{BLOCK, LANES, Levels, MISSING_RIGHT};

/// [`super::Walk`].
///
/// # Safety
/// Every feature of the tree is one of the columns.
pub unsafe fn walk(values: &[f32], columns: usize, levels: &Levels<'_>, leaves: &mut [u32]) {
    assert!(values.len() >= BLOCK * columns && leaves.len() <= BLOCK);
    for (group, leaves) in leaves.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let starts: [usize; LANES] = std::array::from_fn(|lane| (group * LANES + lane) * columns);
        let mut at = [0_usize; LANES];
        for level in 0..levels.count {
            let (cuts, features) = levels.padded::<LANES>(level);
            for (at, &start) in at.iter_mut().zip(&starts) {
                // SAFETY: `at` is below 2ˡᵉᵛᵉˡ, the number of nodes of the level; the row that begins at `start` is in the block, and
                // the caller says that every feature is one of its columns.
                let (cut, feature, value) = unsafe {
                    let feature = *features.get_unchecked(*at);
                    let value = *values.get_unchecked(start + (feature & !MISSING_RIGHT) as usize);
                    (*cuts.get_unchecked(*at), feature, value)
                };
                let right = (value > cut) | (value.is_nan() & (feature >= MISSING_RIGHT));
                *at = 2 * *at + usize::from(right);
            }
        }
        *leaves = at.map(|at| at as u32);
    }
}
