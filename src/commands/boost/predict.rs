//! `huracan boost predict`.

use std::path::Path;

use crate::polars::prelude::*;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::learnable::feature_values;
use super::{calibrated, groups};
use crate::boost::{self, Forest, PredictJob};
use crate::commands::table::{self, Table};
use crate::engine::Compute;
use crate::exit::{Code, CommandFailure, OrExit};
use crate::models::load_forest;

/// Forests, and the rows that each one predicts.
pub(super) struct Models {
    pub forests: Vec<Forest>,
    /// Row numbers per forest.
    pub rows: Vec<Vec<u32>>,
}

impl Models {
    /// Loads a model file, or with groups the model of each group from a folder of `{value}.txt` or from one file. All models must
    /// have the same features and classes.
    pub fn load(
        model: &Path,
        groups: Option<&(Vec<String>, Vec<u32>)>,
        head: Option<&str>,
        rows: usize,
    ) -> Result<Self, CommandFailure> {
        let Some((names, of_rows)) = groups else {
            let forest = load_forest(model, head).or_exit(Code::BadData)?;
            return Ok(Self { forests: vec![forest], rows: vec![(0..rows as u32).collect()] });
        };
        let mut rows = vec![Vec::new(); names.len()];
        of_rows.iter().zip(0..).for_each(|(&group, row)| rows[group as usize].push(row));
        let forests = groups::read(model, &names.iter().map(String::as_str).collect::<Vec<_>>(), head)?;
        let first = &forests[..forests.len().min(1)];
        for (forest, name) in forests.iter().zip(names) {
            let fits =
                |first: &Forest| forest.features == first.features && forest.base_score.len() == first.base_score.len();
            if !first.iter().all(fits) {
                let message = format!("the model of '{name}' has other features or classes than those before it");
                return Err(CommandFailure::new(Code::BadData, message));
            }
        }
        Ok(Self { forests, rows })
    }
}

/// Adds a model's predictions to a table, as the column `prediction` (with classes `prediction_0, prediction_1, …`).
///
/// Of a bundle it is the calibrated prediction of `head`, by default the main one, from all families of the bundle; the columns
/// `tradable_bps` and `lead` say what of it may be traded.
///
/// With `contributions` it also adds the exact SHAP values in units of the raw score: `contribution_{feature}`, and
/// `contribution_base` for the rest, which all rows share (with classes `contribution_{class}_{feature}`). Of a bundle they add up
/// to the log odds of `prediction`, or to an edge's `prediction`. With a group column, `model` is a folder of `{value}.txt`.
///
/// # Errors
/// A table without a feature of the model, a model that cannot be read or has no contributions, a bundle of an earlier version,
/// or a device that fails.
pub fn predict(
    compute: &Compute,
    path: &Path,
    model: &Path,
    group: Option<&str>,
    head: Option<&str>,
    contributions: bool,
    out: &Path,
) -> Result<Value, CommandFailure> {
    let mut table = table::read(path).or_exit(Code::BadData)?;
    let rows = table.frame.height();
    let is_bundle = group.is_none() && model.extension().is_some_and(|extension| extension == "pkl");
    let models = if is_bundle {
        for (name, column) in calibrated::columns(compute, &table, model, head, contributions)? {
            table.frame.with_column(Column::new(name.into(), column))?;
        }
        1
    } else {
        add_columns(compute, &mut table, model, group, head, contributions)?
    };
    table::write(out, table.frame).or_exit(Code::Failed)?;
    Ok(json!({ "rows": rows, "models": models, "out": out }))
}

/// Adds the columns of a model without a calibration, or of one per group. Returns the number of models.
fn add_columns(
    compute: &Compute,
    table: &mut Table,
    model: &Path,
    group: Option<&str>,
    head: Option<&str>,
    contributions: bool,
) -> Result<usize, CommandFailure> {
    let rows = table.frame.height();
    let groups = group.map(|group| table.categories(group)).transpose().or_exit(Code::BadData)?;
    let models = Models::load(model, groups.as_ref(), head, rows)?;
    let Some(first) = models.forests.first() else {
        return Err(CommandFailure::new(Code::BadData, format!("{}: the table has no rows", table.path.display())));
    };
    let (features, classes) = (first.features.clone(), first.objective.trees_per_round());
    let values = feature_values(table, &features)?;
    let view = boost::Table { values: &values, features: features.len() };
    let jobs: Vec<PredictJob> =
        models.forests.iter().zip(&models.rows).map(|(forest, rows)| PredictJob { forest, rows }).collect();
    let class_name = |stem: &str, class: usize, rest: &str| match classes {
        1 => format!("{stem}{rest}"),
        _ => format!("{stem}_{class}{rest}"),
    };
    let predictions = boost::device::predict_on(compute, view, &jobs)?;
    for class in 0..classes {
        let column = scattered(&models, &predictions, rows, classes, class);
        table.frame.with_column(Column::new(class_name("prediction", class, "").into(), column))?;
    }
    if contributions {
        let width = features.len() + 1;
        let contributions: Vec<Vec<f64>> =
            jobs.par_iter().map(|job| boost::contributions(job.forest, view, job.rows)).collect();
        let names = features.iter().map(String::as_str).chain(["base"]);
        for (index, name) in names.enumerate() {
            for class in 0..classes {
                let column = scattered(&models, &contributions, rows, classes * width, class * width + index);
                let name = class_name("contribution", class, &format!("_{name}"));
                table.frame.with_column(Column::new(name.into(), column))?;
            }
        }
    }
    Ok(models.forests.len())
}

/// One column of the models' results, in the order of the table. Per model, `results` is `[rows of the model × width]`.
fn scattered(models: &Models, results: &[Vec<f64>], rows: usize, width: usize, index: usize) -> Vec<f64> {
    let mut column = vec![f64::NAN; rows];
    for (rows, results) in models.rows.iter().zip(results) {
        for (&row, numbers) in rows.iter().zip(results.chunks_exact(width)) {
            column[row as usize] = numbers[index];
        }
    }
    column
}
