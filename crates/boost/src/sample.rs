//! Which rows and features a tree sees: counter-based draws, equal wherever the job stands in a batch.

use huracan_base::arith::{draw, uniform};

const ROWS: u64 = 1;
const FEATURES: u64 = 2;
const NODES: u64 = 3;

/// Whether training row `row` (its place in the job) is drawn for `tree`.
pub fn takes_row(seed: u64, tree: usize, row: usize, share: f64) -> bool {
    share >= 1.0 || uniform(draw(seed ^ ROWS, tree as u64, row as u64)) < share
}

/// The features drawn for `tree`, ascending: the ⌈share × features⌉ with the least draws.
pub fn features(seed: u64, tree: usize, features: usize, share: f64) -> Vec<u32> {
    least((0..features as u32).collect(), share, |f| draw(seed ^ FEATURES, tree as u64, u64::from(f)))
}

/// The features drawn for a node, named by its path, from those drawn for its tree, in the same way.
pub fn features_of_node(seed: u64, tree: usize, path: u64, features: &[u32], share: f64) -> Vec<u32> {
    let node = draw(seed ^ NODES, tree as u64, path);
    least(features.to_vec(), share, |f| draw(node, 0, u64::from(f)))
}

/// The path of a node's left (0) or right (1) child.
pub fn child_path(path: u64, which: usize) -> u64 {
    draw(path, 0, which as u64)
}

/// ⌈share × all⌉, at least one.
pub fn share_of(all: usize, share: f64) -> usize {
    ((share * all as f64).ceil() as usize).clamp(1, all)
}

/// The ⌈share × all⌉ with the least draws, in their order.
fn least(mut all: Vec<u32>, share: f64, drawn: impl Fn(u32) -> u64) -> Vec<u32> {
    let count = share_of(all.len(), share);
    if count < all.len() {
        all.sort_unstable_by_key(|&f| (drawn(f), f));
        all.truncate(count);
        all.sort_unstable();
    }
    all
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
        let own: Vec<u32> = (10..50).collect();
        let [left, right] = [0, 1].map(|which| features_of_node(7, 3, child_path(1, which), &own, 0.25));
        assert!(left.len() == 10 && left.iter().all(|f| own.contains(f)) && left != right);
    }
}
