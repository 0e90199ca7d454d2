//! Where the future is replaced.

use crate::folds::Fold;

/// The cuts of a history, from its folds: the last bar before the first test window, the middle of the first test window and
/// the middle of the last one.
pub fn cuts(folds: &[Fold]) -> Vec<usize> {
    let middle = |fold: &Fold| fold.test.start + fold.test.len() / 2;
    let [first, .., last] = folds else {
        return folds.iter().flat_map(|fold| [fold.test.start - 1, middle(fold)]).collect();
    };
    vec![first.test.start - 1, middle(first), middle(last)]
}

/// Bars after which the whole walk-forward must not know what comes: the middle of the first two test windows, and the first bar
/// of the second. The second fold is the first one whose calibration knows test windows; at its first bar the newest labels of the
/// window before have not ended, so a calibration that counts them is seen. In the middle of a window they have.
pub fn walk_cuts(folds: &[Fold]) -> Vec<usize> {
    let middles = folds.iter().take(2).map(|fold| fold.test.start + (fold.test.len() - 1) / 2);
    middles.chain(folds.get(1).map(|fold| fold.test.start)).collect()
}
