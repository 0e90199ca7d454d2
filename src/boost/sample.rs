//! Which rows and features a tree sees: counter-based draws, equal wherever the job stands in a batch.

use crate::arith::{draw, uniform};

const ROWS: u64 = 1;
const FEATURES: u64 = 2;

/// Whether training row `row` (its place in the job) is drawn for `tree`.
pub fn takes_row(seed: u64, tree: usize, row: usize, share: f64) -> bool {
    share >= 1.0 || uniform(draw(seed ^ ROWS, tree as u64, row as u64)) < share
}

/// The features drawn for `tree`, ascending: the ⌈share × features⌉ with the least draws.
pub fn features(seed: u64, tree: usize, features: usize, share: f64) -> Vec<u32> {
    let count = ((share * features as f64).ceil() as usize).clamp(1, features);
    let mut order: Vec<u32> = (0..features as u32).collect();
    if count < features {
        order.sort_unstable_by_key(|&f| (draw(seed ^ FEATURES, tree as u64, u64::from(f)), f));
        order.truncate(count);
        order.sort_unstable();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept() {
        let rows = (0..100_000).filter(|&row| takes_row(7, 3, row, 0.8)).count();
        assert!((79_500..80_500).contains(&rows), "{rows}");
        assert_eq!(features(7, 3, 62, 0.8).len(), 50);
        assert_ne!(features(7, 3, 62, 0.8), features(7, 4, 62, 0.8));
        assert_eq!(features(7, 3, 5, 1.0), [0, 1, 2, 3, 4]);
    }
}
