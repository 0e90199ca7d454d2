//! `huracan boost`: the boosting engine on any numeric table.

mod convert;
mod importance;
mod learnable;
mod predict;
mod train;

use std::path::{Path, PathBuf};

pub use convert::convert;
pub use importance::{Asked, Ranked, Ranking, importance};
pub use learnable::Columns;
pub use predict::predict;
pub use train::{Learns, Training, train};

use crate::exit::{Code, Failure};
use crate::files::is_plain_name;

/// `{folder}/{value}.txt`; a value that would leave the folder is refused.
fn group_file(folder: &Path, value: &str) -> Result<PathBuf, Failure> {
    if !is_plain_name(value) {
        let message = format!("the group value '{}' cannot name a file", value.escape_debug());
        return Err(Failure::new(Code::BadData, message));
    }
    Ok(folder.join(format!("{value}.txt")))
}
