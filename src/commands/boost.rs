//! `huracan boost`: boosted trees and random forests on any numeric table.

mod calibrated;
mod convert;
mod importance;
mod learnable;
mod predict;
mod train;

use std::path::{Path, PathBuf};

pub use convert::convert;
pub use importance::{FeatureRank, ImportanceRequest, Ranking, importance};
pub use learnable::Columns;
pub use predict::predict;
pub use train::{LabelKind, Training, train};

use crate::exit::{Code, CommandFailure};
use crate::files::is_plain_name;

/// Says on standard error that one head's raw trees are less than a bundle, if `model` is one.
fn note_raw_trees(model: &Path) {
    if model.extension().is_some_and(|extension| extension == "pkl") {
        eprintln!(
            "note: {}: these are the raw trees of one head, without calibration, other families and the coin's own trees",
            model.display()
        );
    }
}

/// `{folder}/{value}.txt`. A value that is not a plain file name is an error, since the path could leave the folder.
fn group_file(folder: &Path, value: &str) -> Result<PathBuf, CommandFailure> {
    if !is_plain_name(value) {
        let message = format!("the group value '{}' cannot name a file", value.escape_debug());
        return Err(CommandFailure::new(Code::BadData, message));
    }
    Ok(folder.join(format!("{value}.txt")))
}
