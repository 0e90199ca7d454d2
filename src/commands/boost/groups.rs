//! The models of groups: in a folder with a file `{value}.txt` for each, or in one file, `….jsonl`, with a line for each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::boost::Forest;
use crate::exit::{Code, CommandFailure, OrExit};
use crate::files::{AtomicFile, is_plain_name, write_atomic};
use crate::models::{from_lightgbm, load_forest};

/// Models whose texts are in memory at a time.
const AT_A_TIME: usize = 64;

/// A line of the one file.
#[derive(Serialize, Deserialize)]
struct Line {
    /// The value of the group column.
    group: String,
    /// LightGBM's text.
    model: String,
}

/// Whether a path is that of one file for all groups.
fn is_one_file(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("jsonl"))
}

/// The file of each group's model.
///
/// # Errors
/// A value that cannot name a file in a folder, since the path could leave it.
pub fn files(out: &Path, groups: &[&str]) -> Result<Vec<PathBuf>, CommandFailure> {
    if is_one_file(out) {
        return Ok(vec![out.to_owned(); groups.len()]);
    }
    groups.iter().map(|group| file_in(out, group)).collect()
}

fn file_in(folder: &Path, group: &str) -> Result<PathBuf, CommandFailure> {
    if !is_plain_name(group) {
        let message = format!(
            "the group value '{}' cannot name a file; one .jsonl can have the models of all groups",
            group.escape_debug()
        );
        return Err(CommandFailure::new(Code::BadData, message));
    }
    Ok(folder.join(format!("{group}.txt")))
}

/// Writes the models of groups, by all cores. `text` gives LightGBM's text of one of them; those without are left out.
///
/// # Errors
/// What [`files`] refuses, and a file that cannot be written.
pub fn write(out: &Path, groups: &[&str], text: impl Fn(usize) -> Option<String> + Sync) -> Result<(), CommandFailure> {
    if !is_one_file(out) {
        let files = files(out, groups)?;
        let written = files.par_iter().enumerate().map(|(index, file)| match text(index) {
            Some(text) => write_atomic(file, text.as_bytes()),
            None => Ok(()),
        });
        // Of several faults always the first.
        return Ok(written.collect::<Vec<_>>().into_iter().collect::<Result<(), _>>()?);
    }
    let mut file = AtomicFile::create(out)?;
    for (first, some) in (0..).step_by(AT_A_TIME).zip(groups.chunks(AT_A_TIME)) {
        let line = |(at, group): (usize, &&str)| -> Option<serde_json::Result<Vec<u8>>> {
            let model = text(first + at)?;
            Some(serde_json::to_vec(&Line { group: (*group).to_owned(), model }))
        };
        let lines: Vec<_> = some.par_iter().enumerate().filter_map(line).collect();
        for line in lines {
            file.write(&line?)?;
            file.write(b"\n")?;
        }
    }
    Ok(file.commit()?)
}

/// Reads the models of groups, by all cores, in their order.
///
/// # Errors
/// A group without a model, and a model that cannot be read.
pub fn read(models: &Path, groups: &[&str], head: Option<&str>) -> Result<Vec<Forest>, CommandFailure> {
    if !is_one_file(models) {
        let one = |group: &&str| load_forest(&file_in(models, group)?, head).or_exit(Code::BadData);
        return groups.par_iter().map(one).collect::<Vec<_>>().into_iter().collect();
    }
    let fault = |why: String| CommandFailure::new(Code::BadData, format!("{}: {why}", models.display()));
    let bytes = std::fs::read(models).map_err(|error| fault(error.to_string()))?;
    let wanted: BTreeMap<&str, usize> = groups.iter().enumerate().map(|(index, group)| (*group, index)).collect();
    let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    let one = |(number, line): (usize, &&[u8])| -> Option<Result<(usize, Forest), CommandFailure>> {
        if line.is_empty() {
            return None;
        }
        let parsed: Line = match serde_json::from_slice(line) {
            Ok(parsed) => parsed,
            Err(error) => return Some(Err(fault(format!("line {}: {error}", number + 1)))),
        };
        let index = *wanted.get(parsed.group.as_str())?;
        let forest = from_lightgbm(&parsed.model);
        Some(forest.map(|forest| (index, forest)).map_err(|error| fault(format!("line {}: {error}", number + 1))))
    };
    let found: Vec<_> = lines.par_iter().enumerate().filter_map(one).collect();
    let found: Vec<(usize, Forest)> = found.into_iter().collect::<Result<_, _>>()?;
    let mut forests: Vec<Option<Forest>> = groups.iter().map(|_| None).collect();
    for (index, forest) in found {
        if forests[index].replace(forest).is_some() {
            return Err(fault(format!("there are two models of the group '{}'", groups[index])));
        }
    }
    let missing = |(forest, group): (Option<Forest>, &&str)| {
        forest.ok_or_else(|| fault(format!("there is no model of the group '{group}'")))
    };
    forests.into_iter().zip(groups).map(missing).collect()
}
