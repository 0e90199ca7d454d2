//! Keeps `models` true: what lies there is what the newest run approved, and no symbol has both an approved and a rejected model.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use super::paths::{METADATA_FILE, MODEL_SUFFIX};
use super::{Bundle, BundleError, BundlePaths, REJECTED, read};
use crate::files::{is_plain_name, write_atomic};

/// The symbols with files of an approved model, or of a rejected one, ascending.
///
/// # Errors
/// A folder that cannot be read.
pub fn symbols_with_files(workdir: &Path, approved: bool) -> Result<BTreeSet<String>, BundleError> {
    let models = workdir.join("models");
    let folder = if approved { models } else { models.join(REJECTED) };
    let failed = |source| BundleError::Io { path: folder.clone(), source };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut symbols = BTreeSet::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let symbol = match name.strip_suffix(MODEL_SUFFIX) {
            Some(symbol) => symbol,
            None if entry.path().join(METADATA_FILE).is_file() => &name,
            None => continue,
        };
        if is_plain_name(symbol) && !(approved && symbol == REJECTED) {
            symbols.insert(symbol.to_owned());
        }
    }
    Ok(symbols)
}

/// The pickles in a folder of models, by name ascending.
///
/// # Errors
/// A folder that cannot be read.
pub fn model_files(folder: &Path) -> Result<Vec<PathBuf>, BundleError> {
    let failed = |source| BundleError::Io { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(MODEL_SUFFIX)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Withdraws the approved model of a symbol that the run of `date` did not train: its files move to `models/rejected`, and its
/// metadata say that it is not approved, and why. A newer rejected model of the symbol stays instead.
///
/// # Errors
/// A symbol that cannot be used as a file name, or an error of the file system.
pub fn retire(workdir: &Path, symbol: &str, date: NaiveDate, reason: &str) -> Result<(), BundleError> {
    let from = Bundle::paths(workdir, symbol, true)?;
    let to = Bundle::paths(workdir, symbol, false)?;
    if age(&to) > age(&from) {
        return from.remove();
    }
    to.remove()?;
    let withdraw = |metadata: &mut Value| {
        let Some(metadata) = metadata.as_object_mut() else { return };
        let mut reasons = metadata.get("reasons").and_then(Value::as_array).cloned().unwrap_or_default();
        reasons.push(json!(reason));
        metadata.extend([
            ("approved".to_owned(), json!(false)),
            ("reasons".to_owned(), Value::Array(reasons)),
            ("retired".to_owned(), json!(date)),
        ]);
    };
    // A file of another version, or one that is damaged, moves as it is.
    if let Some(bytes) = read_if_there(&from.pickle)? {
        let changed =
            serde_pickle::from_slice::<Value>(&bytes, serde_pickle::DeOptions::new()).ok().and_then(|mut all| {
                withdraw(all.get_mut("metadata")?);
                serde_pickle::to_vec(&all, serde_pickle::SerOptions::new()).ok()
            });
        write(&to.pickle, &changed.unwrap_or(bytes))?;
    }
    for (from, to) in [(&from.text, &to.text), (&from.networks, &to.networks)] {
        if let Some(bytes) = read_if_there(from)? {
            write(to, &bytes)?;
        }
    }
    if let Some(bytes) = read_if_there(&from.metadata)? {
        let changed = serde_json::from_slice::<Value>(&bytes).ok().map(|mut metadata| {
            withdraw(&mut metadata);
            format!("{metadata:#}\n").into_bytes()
        });
        write(&to.metadata, &changed.unwrap_or(bytes))?;
    }
    from.remove()
}

/// Removes one of the two models of each symbol that has an approved and a rejected one: a symbol's model of `winners` stays if it
/// is there, otherwise the one with the newer metadata; of equal ones, which are a model and its own withdrawal, the rejected one.
/// `winners` are paths below `workdir`, with `/`. Returns the paths of the models that were removed, below `workdir`.
///
/// # Errors
/// An error of the file system.
pub fn settle(workdir: &Path, winners: &[String]) -> Result<Vec<String>, BundleError> {
    let both = symbols_with_files(workdir, true)?;
    let rejected = symbols_with_files(workdir, false)?;
    let mut removed = Vec::new();
    for symbol in both.intersection(&rejected) {
        let (approved, other) = (Bundle::paths(workdir, symbol, true)?, Bundle::paths(workdir, symbol, false)?);
        let folder = |approved: bool| if approved { "models".to_owned() } else { format!("models/{REJECTED}") };
        let wins = |approved: bool| winners.contains(&format!("{}/{symbol}{MODEL_SUFFIX}", folder(approved)));
        let approved_stays = match (wins(true), wins(false)) {
            (true, false) => true,
            (false, true) => false,
            _ => age(&approved) > age(&other),
        };
        if approved_stays {
            other.remove()?
        } else {
            approved.remove()?
        }
        removed.push(format!("{}/{symbol}{MODEL_SUFFIX}", folder(!approved_stays)));
    }
    Ok(removed)
}

/// By which of two models is newer: the end of the candles that it has seen, and the day of its run. A model with metadata is newer
/// than one without.
fn age(paths: &BundlePaths) -> Option<(Option<DateTime<Utc>>, String)> {
    let metadata: Value = serde_json::from_slice(&std::fs::read(&paths.metadata).ok()?).ok()?;
    let to = metadata["inputs"]["to"].as_str().and_then(|text| text.parse().ok());
    let day = metadata["retired"].as_str().or(metadata["training_date"].as_str());
    Some((to, day.unwrap_or_default().to_owned()))
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, BundleError> {
    match read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(BundleError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    write_atomic(path, bytes).map_err(|error| BundleError::Io { path: error.path, source: error.source })
}
