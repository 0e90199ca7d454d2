//! `huracan boost predict`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::polars::prelude::*;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::group_file;
use super::learnable::feature_values;
use crate::boost::{self, Forest, PredictJob};
use crate::commands::table;
use crate::engine::Compute;
use crate::exit::{Code, Failure, OrExit};
use crate::models::load_forest;

/// The forests of a prediction, and which rows each is for.
pub(super) struct Models {
    pub forests: Vec<Forest>,
    /// One entry a forest.
    pub rows: Vec<Vec<u32>>,
}

impl Models {
    /// Loads the model in a file, or with groups that of each value from a folder of `{value}.txt`. Features are those
    /// of the first: all must have the same.
    pub fn load(model: &Path, groups: Option<&[String]>, rows: usize) -> Result<Self, Failure> {
        let mut by_group: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        match groups {
            None => drop(by_group.insert("", (0..rows as u32).collect())),
            Some(groups) => {
                for (row, group) in groups.iter().enumerate() {
                    by_group.entry(group).or_default().push(row as u32);
                }
            }
        }
        let mut loaded = Self { forests: Vec::new(), rows: Vec::new() };
        for (name, rows) in by_group {
            let file = if groups.is_some() { group_file(model, name)? } else { model.to_owned() };
            let forest = load_forest(&file, None).or_exit(Code::BadData)?;
            if let Some(first) = loaded.forests.first()
                && (forest.features != first.features || forest.base_score.len() != first.base_score.len())
            {
                let message = format!("the model of '{name}' has other features or classes than the rest");
                return Err(Failure::new(Code::BadData, message));
            }
            loaded.forests.push(forest);
            loaded.rows.push(rows);
        }
        Ok(loaded)
    }
}

/// Adds `prediction` (or `prediction_0, prediction_1, …`, one a class) to a table; with `contributions` also what each
/// feature adds to the raw score (exact SHAP values), and what all rows share, as `contribution_{feature}` and
/// `contribution_base` (`contribution_{class}_{feature}` where there are classes).
///
/// With a group column `model` is a folder of `{value}.txt`.
///
/// # Errors
/// A table that lacks a feature of the model, a model that cannot be read, or a device that fails.
pub fn predict(
    compute: &Compute,
    path: &Path,
    model: &Path,
    group: Option<&str>,
    contributions: bool,
    out: &Path,
) -> Result<Value, Failure> {
    let mut table = table::read(path).or_exit(Code::BadData)?;
    let rows = table.frame.height();
    let groups = group.map(|group| table.texts(group)).transpose().or_exit(Code::BadData)?;
    let models = Models::load(model, groups.as_deref(), rows)?;
    let Some(first) = models.forests.first() else {
        return Err(Failure::new(Code::BadData, format!("{}: the table has no rows", path.display())));
    };
    let (features, classes) = (first.features.clone(), first.objective.trees_per_round());
    let values = feature_values(&table, &features)?;
    let view = boost::Table { values: &values, features: features.len() };
    let jobs: Vec<PredictJob> =
        models.forests.iter().zip(&models.rows).map(|(forest, rows)| PredictJob { forest, rows }).collect();
    let class_name = |stem: &str, class: usize, rest: &str| match classes {
        1 => format!("{stem}{rest}"),
        _ => format!("{stem}_{class}{rest}"),
    };
    let said = boost::device::predict_on(compute, view, &jobs)?;
    for class in 0..classes {
        let column = scattered(&models, &said, rows, classes, class);
        table.frame.with_column(Column::new(class_name("prediction", class, "").into(), column))?;
    }
    if contributions {
        let wide = features.len() + 1;
        let shared: Vec<Vec<f64>> =
            jobs.par_iter().map(|job| boost::contributions(job.forest, view, job.rows)).collect();
        let names = features.iter().map(String::as_str).chain(["base"]);
        for (place, name) in names.enumerate() {
            for class in 0..classes {
                let column = scattered(&models, &shared, rows, classes * wide, class * wide + place);
                let name = class_name("contribution", class, &format!("_{name}"));
                table.frame.with_column(Column::new(name.into(), column))?;
            }
        }
    }
    table::write(out, table.frame).or_exit(Code::Failed)?;
    Ok(json!({ "rows": rows, "models": models.forests.len(), "out": out }))
}

/// One of `width` numbers a row that each model gave for its rows, in the order of the table.
fn scattered(models: &Models, given: &[Vec<f64>], rows: usize, width: usize, place: usize) -> Vec<f64> {
    let mut column = vec![f64::NAN; rows];
    for (rows, given) in models.rows.iter().zip(given) {
        for (&row, numbers) in rows.iter().zip(given.chunks_exact(width)) {
            column[row as usize] = numbers[place];
        }
    }
    column
}
