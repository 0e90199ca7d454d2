//! Walking down trees without vector instructions.

use super::{BLOCK, Levels, MISSING_RIGHT};

/// Rows that walk down side by side: enough to hide the latency of loads.
const LANES: usize = 8;

/// [`super::Walk`].
pub fn walk(values: &[f32], columns: usize, levels: &Levels<'_>, leaves: &mut [u32; BLOCK]) {
    assert!(values.len() >= BLOCK * columns);
    for (group, leaves) in leaves.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let starts: [usize; LANES] = std::array::from_fn(|lane| (group * LANES + lane) * columns);
        let mut at = [0_usize; LANES];
        for level in 0..levels.count {
            let (cuts, features) = levels.padded::<LANES>(level);
            for (at, &start) in at.iter_mut().zip(&starts) {
                // SAFETY: `at` is below 2ˡᵉᵛᵉˡ, the number of nodes of the level; the row that begins at `start` is in the block, and
                // every feature is one of its columns.
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
