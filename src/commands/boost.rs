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

/// `{folder}/{value}.txt`; a value that would leave the folder is refused.
fn group_file(folder: &Path, value: &str) -> Result<PathBuf, Failure> {
    if value.is_empty() || value.contains(['/', '\\', '\0']) || value == "." || value == ".." {
        return Err(Failure::new(Code::BadData, format!("the group value '{value}' cannot name a file")));
    }
    Ok(folder.join(format!("{value}.txt")))
}
