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

/// `{folder}/{value}.txt`. A value that is not a plain file name is an error, since the path could leave the folder.
fn group_file(folder: &Path, value: &str) -> Result<PathBuf, CommandFailure> {
    if !is_plain_name(value) {
        let message = format!("the group value '{}' cannot name a file", value.escape_debug());
        return Err(CommandFailure::new(Code::BadData, message));
    }
    Ok(folder.join(format!("{value}.txt")))
}
