//! `huracan boost`: boosted trees and random forests on any numeric table.

mod calibrated;
mod convert;
pub mod groups;
mod importance;
mod learnable;
mod predict;
mod train;

use std::path::Path;

pub use convert::convert;
pub use importance::{FeatureRank, ImportanceRequest, Ranking, importance};
pub use learnable::Columns;
pub use predict::predict;
pub use train::{LabelKind, Training, train};

/// Says on standard error that one head's raw trees are less than a bundle, if `model` is one.
fn note_raw_trees(model: &Path) {
    if model.extension().is_some_and(|extension| extension == "pkl") {
        eprintln!(
            "note: {}: these are the raw trees of one head, without calibration, other families and the coin's own trees",
            model.display()
        );
    }
}
