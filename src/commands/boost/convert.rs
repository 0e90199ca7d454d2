//! `huracan boost convert`: a model in the format of another library.

use std::path::Path;

use serde_json::{Value, json};

use super::note_raw_trees;
use crate::exit::{Code, CommandFailure, OrExit};
use crate::files::write_atomic;
use crate::models::{load_forest, to_lightgbm, to_xgboost};

/// Writes a model in LightGBM's text format (`.txt`) or XGBoost's JSON (`.json`); of a bundle one head's trees, raw.
///
/// # Errors
/// A model that cannot be read, and a file name with another extension.
pub fn convert(model: &Path, head: Option<&str>, out: &Path) -> Result<Value, CommandFailure> {
    let forest = load_forest(model, head).or_exit(Code::BadData)?;
    note_raw_trees(model);
    let ending = out.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let (format, text) = match ending {
        "txt" => ("LightGBM", to_lightgbm(&forest, &json!({}))),
        "json" => ("XGBoost", to_xgboost(&forest).or_exit(Code::BadData)?),
        _ => {
            let message = format!("{}: end the name in .txt for LightGBM or .json for XGBoost", out.display());
            return Err(CommandFailure::new(Code::Usage, message));
        }
    };
    write_atomic(out, text.as_bytes())?;
    Ok(json!({ "format": format, "trees": forest.trees.len(), "features": forest.features.len(), "out": out }))
}
