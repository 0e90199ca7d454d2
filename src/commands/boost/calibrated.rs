//! Calibrated predictions of a bundle.

use std::path::Path;

use super::learnable::feature_values;
use crate::boost;
use crate::commands::table::Table;
use crate::decide::Prediction;
use crate::engine::Compute;
use crate::exit::{Code, CommandFailure, OrExit};
use crate::models::{CalibratedModel, CoinRows};

/// Column with the name of a row's coin.
const SYMBOL: &str = "symbol";

/// The columns that a bundle adds to a table: `prediction` of a head (by default the main one), a probability or basis points;
/// `tradable_bps` and `lead`; with `contributions` what each feature adds to the prediction.
///
/// Networks take the rows as consecutive bars, oldest first; where the table has a column `symbol`, of one coin after the other.
///
/// # Errors
/// A bundle that cannot be read, of an earlier version, or without contributions; a table without one of its features; a head
/// that is not known; or a device that fails.
pub(super) fn columns(
    compute: &Compute,
    table: &Table,
    path: &Path,
    head: Option<&str>,
    contributions: bool,
) -> Result<Vec<(String, Vec<f64>)>, CommandFailure> {
    let model = CalibratedModel::load(path).or_exit(Code::BadData)?;
    let head = head.map_or(Ok(model.bundle.main_head), str::parse).or_exit(Code::Usage)?;
    let features = &model.bundle.feature_names;
    let values = feature_values(table, features)?;
    let view = boost::Table { values: &values, features: features.len() };
    let predictions = model.predict(compute, view, &coins(table)?)?;
    let column = |of: &dyn Fn(&Prediction) -> f64| predictions.iter().map(of).collect::<Vec<f64>>();
    let mut columns = vec![
        ("prediction".to_owned(), column(&|prediction| prediction.head(head))),
        ("tradable_bps".to_owned(), column(&Prediction::tradable_bps)),
        ("lead".to_owned(), column(&|prediction| prediction.lead)),
    ];
    if contributions {
        let rows: Vec<u32> = (0..view.rows() as u32).collect();
        let none = |reason| CommandFailure::new(Code::BadData, format!("{}: {reason}", path.display()));
        let shares = model.contributions(head, view, &rows).map_err(none)?;
        let width = features.len() + 1;
        for (index, name) in features.iter().map(String::as_str).chain(["base"]).enumerate() {
            let column = shares.iter().skip(index).step_by(width).copied().collect();
            columns.push((format!("contribution_{name}"), column));
        }
    }
    Ok(columns)
}

/// The rows of the table, coin by coin where it says whose they are.
fn coins(table: &Table) -> Result<Vec<CoinRows>, CommandFailure> {
    let rows = table.frame.height() as u32;
    if !table.has(SYMBOL) {
        return Ok(vec![CoinRows { first: 0, rows: 0..rows }]);
    }
    let names = table.texts(SYMBOL).or_exit(Code::BadData)?;
    let mut first = 0;
    let coin = |names: &[String]| {
        let rows = first..first + names.len() as u32;
        first = rows.end;
        CoinRows { first: rows.start, rows }
    };
    Ok(names.chunk_by(|name, next| name == next).map(coin).collect())
}
