//! The models of groups: in a folder with a file `{value}.txt` for each, or in one file, `….jsonl`, with a line for each.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::de::IgnoredAny;
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
    let file = OneFile::open(models)?;
    let one = |group: &&str| file.forest(group);
    groups.par_iter().map(one).collect::<Vec<_>>().into_iter().collect()
}

/// One file with the models of all groups. Opening it finds the groups; each model is read when it is asked for.
pub struct OneFile {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where the line of each group is in `bytes`, and its number.
    lines: BTreeMap<String, (Range<usize>, usize)>,
}

/// The name of a line alone: its model is passed over.
#[derive(Deserialize)]
struct Name {
    group: String,
    #[expect(dead_code, reason = "a line without a model is refused")]
    model: IgnoredAny,
}

impl OneFile {
    /// Reads a `….jsonl` and finds its groups.
    ///
    /// # Errors
    /// A file that cannot be read, a line that is not one of a model, and two models of one group.
    pub fn open(path: &Path) -> Result<Self, CommandFailure> {
        let fault = |why: String| CommandFailure::new(Code::BadData, format!("{}: {why}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
        let mut places = Vec::new();
        let mut start = 0;
        for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            if !line.is_empty() {
                places.push((start..start + line.len(), number + 1));
            }
            start += line.len() + 1;
        }
        let name = |(place, number): &(Range<usize>, usize)| {
            let name: Result<Name, _> = serde_json::from_slice(&bytes[place.clone()]);
            name.map(|name| name.group).map_err(|error| fault(format!("line {number}: {error}")))
        };
        let names: Vec<_> = places.par_iter().map(name).collect();
        let mut lines = BTreeMap::new();
        for (name, place) in names.into_iter().zip(places) {
            let name = name?;
            if lines.contains_key(&name) {
                return Err(fault(format!("there are two models of the group '{name}'")));
            }
            lines.insert(name, place);
        }
        Ok(Self { path: path.to_owned(), bytes, lines })
    }

    /// The groups, in the order of their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.keys().map(String::as_str)
    }

    /// The model of a group.
    ///
    /// # Errors
    /// A group without a model, and a model that cannot be read.
    pub fn forest(&self, group: &str) -> Result<Forest, CommandFailure> {
        let fault = |why: String| CommandFailure::new(Code::BadData, format!("{}: {why}", self.path.display()));
        let (place, number) =
            self.lines.get(group).ok_or_else(|| fault(format!("there is no model of the group '{group}'")))?;
        let line: Line = serde_json::from_slice(&self.bytes[place.clone()])
            .map_err(|error| fault(format!("line {number}: {error}")))?;
        from_lightgbm(&line.model).map_err(|error| fault(format!("line {number}: {error}")))
    }
}
