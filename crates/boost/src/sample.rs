//! The rows and features that a tree may use. Draws are counter-based, so they do not depend on the other jobs of a batch.

use huracan_base::arith::{draw, uniform};

use super::BoostParams;

/// What the seed is combined with for the draws of rows.
pub const ROW_STREAM: u64 = 1;
/// What the seed is combined with for the draws of a tree's features.
pub const FEATURE_STREAM: u64 = 2;
/// What the seed is combined with for the draws of a node's features.
pub const NODE_STREAM: u64 = 3;

/// Path of a tree's root; see [`child_path`].
pub const ROOT_PATH: u64 = 1;

/// Whether training row `row` (its position in the job) is drawn for `tree`.
pub fn takes_row(seed: u64, tree: usize, row: usize, share: f64) -> bool {
    share >= 1.0 || uniform(draw(seed ^ ROW_STREAM, tree as u64, row as u64)) < share
}

/// The training rows that are drawn for the trees of a round, and those that are not, both ascending.
#[derive(Default)]
pub struct Drawn {
    /// Those that trees learn from.
    pub taken: Vec<u32>,
    /// The others.
    pub left_out: Vec<u32>,
}

impl Drawn {
    /// Draws from `rows` rows for a round.
    pub fn draw(&mut self, params: &BoostParams, round: usize, rows: usize) {
        let &BoostParams { seed, subsample, .. } = params;
        if subsample >= 1.0 {
            if self.taken.len() != rows {
                self.taken = (0..rows as u32).collect();
            }
            return;
        }
        self.taken.resize(rows, 0);
        self.left_out.resize(rows, 0);
        let (mut taken, mut left_out) = (0, 0);
        // Every row is written to both, and stays where it belongs.
        for row in 0..rows {
            self.taken[taken] = row as u32;
            self.left_out[left_out] = row as u32;
            let takes = takes_row(seed, round, row, subsample);
            taken += usize::from(takes);
            left_out += usize::from(!takes);
        }
        self.taken.truncate(taken);
        self.left_out.truncate(left_out);
    }
}

/// The features drawn for `tree`, ascending: the ⌈share × features⌉ with the smallest draws.
pub fn features(seed: u64, tree: usize, features: usize, share: f64) -> Vec<u32> {
    smallest((0..features as u32).collect(), share, |f| draw(seed ^ FEATURE_STREAM, tree as u64, u64::from(f)))
}

/// The features drawn for the node with this path from those of its tree, in the same way.
pub fn features_of_node(seed: u64, tree: usize, path: u64, features: &[u32], share: f64) -> Vec<u32> {
    let node = draw(seed ^ NODE_STREAM, tree as u64, path);
    smallest(features.to_vec(), share, |f| draw(node, 0, u64::from(f)))
}

/// The path of a node's left (0) or right (1) child. A path identifies a node within its tree.
pub fn child_path(path: u64, which: usize) -> u64 {
    draw(path, 0, which as u64)
}

/// ⌈share × all⌉, at least one.
pub fn share_of(all: usize, share: f64) -> usize {
    ((share * all as f64).ceil() as usize).clamp(1, all)
}

/// The ⌈share × all⌉ with the smallest draws, ascending.
fn smallest(mut all: Vec<u32>, share: f64, drawn: impl Fn(u32) -> u64) -> Vec<u32> {
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
    fn the_requested_shares_are_drawn() {
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
