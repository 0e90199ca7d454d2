//! `huracan boost train` and `huracan boost predict`: the boosting engine on any numeric table.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use polars::prelude::*;
use serde_json::{Value, json};

use super::table::{self, Table};
use crate::boost::{self, BoostJob, BoostParams, Forest, Objective};
use crate::exit::{Code, Failure, OrExit};
use crate::files::write_atomic;
use crate::models::{load_forest, to_lightgbm};

/// Which columns of a table mean what.
#[derive(Debug, Clone)]
pub struct Columns {
    pub target: String,
    pub group: Option<String>,
}

/// The objective by its name on the command line; classes are counted in the labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learns {
    Binary,
    Regression,
    Multiclass,
}

/// A table split into features, labels and groups.
struct Learnable {
    features: Vec<String>,
    /// `[rows × features]`.
    values: Vec<f32>,
    labels: Vec<f32>,
    groups: Vec<String>,
    skipped: Vec<String>,
}

/// Trains one model, or one for every value of the group column in one batch, and writes LightGBM's text.
///
/// Features are the numeric columns of `table` besides target and group. `out` is a file, with a group a folder
/// of `{value}.txt`.
///
/// # Errors
/// Tables or labels that cannot be learned from (3), parameters out of range (2); with a group the models
/// that could be trained are written all the same (4).
pub fn train(
    path: &Path,
    valid: Option<&Path>,
    columns: &Columns,
    learns: Learns,
    params: &BoostParams,
    out: &Path,
) -> Result<Value, Failure> {
    let table = table::read(path).or_exit(Code::BadData)?;
    let mut learnable = learnable(&table, columns, None)?;
    let train_rows = learnable.labels.len();
    if let Some(valid) = valid {
        let table = table::read(valid).or_exit(Code::BadData)?;
        let more = self::learnable(&table, columns, Some(&learnable.features))?;
        learnable.values.extend(more.values);
        learnable.labels.extend(more.labels);
        learnable.groups.extend(more.groups);
    }
    if let Some(row) = learnable.labels.iter().position(|label| !label.is_finite()) {
        let (file, row) = if row < train_rows { (path, row) } else { (valid.unwrap_or(path), row - train_rows) };
        let message = format!("{}: row {row}: target '{}' is missing or infinite", file.display(), columns.target);
        return Err(Failure::new(Code::BadData, message));
    }
    let objective = objective(learns, &learnable.labels).map_err(|fault| {
        Failure::new(Code::BadData, format!("{}: target '{}' {fault}", path.display(), columns.target))
    })?;
    let params = BoostParams { objective, ..params.clone() };
    params.check("boost train").or_exit(Code::Usage)?;

    let mut jobs: BTreeMap<&str, BoostJob> = BTreeMap::new();
    for (row, group) in learnable.groups.iter().enumerate() {
        let job = jobs.entry(group).or_insert_with(|| BoostJob {
            name: if columns.group.is_some() { group.clone() } else { path.display().to_string() },
            train: vec![],
            train_labels: vec![],
            valid: vec![],
            valid_labels: vec![],
            params: params.clone(),
            ..BoostJob::default()
        });
        let (rows, labels) = if row < train_rows {
            (&mut job.train, &mut job.train_labels)
        } else {
            (&mut job.valid, &mut job.valid_labels)
        };
        rows.push(row as u32);
        labels.push(learnable.labels[row]);
    }
    if jobs.is_empty() {
        return Err(Failure::new(Code::BadData, format!("{}: the table has no rows", path.display())));
    }
    let targets: Vec<PathBuf> = match &columns.group {
        None => vec![out.to_owned()],
        Some(_) => jobs.keys().map(|group| group_file(out, group)).collect::<Result<_, _>>()?,
    };
    let jobs: Vec<BoostJob> = jobs.into_values().collect();
    let view = boost::Table { values: &learnable.values, features: learnable.features.len() };
    let trained = boost::train(view, &learnable.features, &jobs, &|_| {});
    let parameters = serde_json::to_value(&params)?;
    let (mut models, mut faults) = (Vec::new(), Vec::new());
    for ((job, result), target) in jobs.iter().zip(trained).zip(&targets) {
        match result {
            Ok(forest) => {
                write_atomic(target, to_lightgbm(&forest, &parameters).as_bytes())?;
                models.push(summary(job, &forest, target));
            }
            Err(error) => faults.push(error.to_string()),
        }
    }
    let report = json!({
        "models": models,
        "failed": faults,
        "rows": train_rows,
        "features": learnable.features.len(),
        "skipped_columns": learnable.skipped,
        "out": out,
    });
    match (models.is_empty(), faults.is_empty()) {
        (_, true) => Ok(report),
        (true, false) => Err(Failure::new(Code::BadData, faults.join("\n"))),
        (false, false) => Err(Failure::new(Code::Partial, faults.join("\n"))),
    }
}

/// Adds `prediction` (or `prediction_0, prediction_1, …`, one a class) to a table.
///
/// With a group column `model` is a folder of `{value}.txt`.
///
/// # Errors
/// A table that lacks a feature of the model, or a model that cannot be read.
pub fn predict(path: &Path, model: &Path, group: Option<&str>, out: &Path) -> Result<Value, Failure> {
    let mut table = table::read(path).or_exit(Code::BadData)?;
    let rows = table.frame.height();
    let groups = match group {
        Some(group) => table.texts(group).or_exit(Code::BadData)?,
        None => vec![String::new(); rows],
    };
    let mut forests: HashMap<&str, Forest> = HashMap::new();
    for name in &groups {
        if !forests.contains_key(name.as_str()) {
            let file = if group.is_some() { group_file(model, name)? } else { model.to_owned() };
            forests.insert(name, load_forest(&file, None).or_exit(Code::BadData)?);
        }
    }
    if forests.is_empty() && group.is_none() {
        forests.insert("", load_forest(model, None).or_exit(Code::BadData)?);
    }
    // Models of one batch share their features; the first one names them.
    let Some((features, classes)) =
        forests.values().next().map(|f| (f.features.clone(), f.objective.trees_per_round()))
    else {
        return Err(Failure::new(Code::BadData, format!("{}: the table has no rows", path.display())));
    };
    if let Some((name, _)) = forests.iter().find(|(_, f)| f.features != features) {
        return Err(Failure::new(Code::BadData, format!("the model of '{name}' has other features than the rest")));
    }
    let values = feature_values(&table, &features)?;
    let view = boost::Table { values: &values, features: features.len() };
    let mut predictions = vec![Vec::with_capacity(rows); classes];
    for (row, name) in groups.iter().enumerate() {
        for (class, p) in forests[name.as_str()].predict(view.row(row)).into_iter().enumerate() {
            predictions[class].push(p);
        }
    }
    let single = classes == 1;
    for (class, values) in predictions.into_iter().enumerate() {
        let name = if single { "prediction".to_owned() } else { format!("prediction_{class}") };
        table.frame.with_column(Column::new(name.into(), values))?;
    }
    table::write(out, table.frame).or_exit(Code::Failed)?;
    Ok(json!({ "rows": rows, "models": forests.len(), "out": out }))
}

/// The objective that these labels, all finite, can be learned by; else why not.
fn objective(learns: Learns, labels: &[f32]) -> Result<Objective, String> {
    match learns {
        Learns::Binary => Ok(Objective::Binary),
        Learns::Regression => Ok(Objective::Regression),
        Learns::Multiclass => {
            let greatest = labels.iter().copied().fold(0.0, f32::max);
            let most = boost::MOST_CLASSES;
            if !labels.is_empty() && greatest < 1.0 {
                Err("has class 0 alone; multiclass needs at least two classes".into())
            } else if greatest >= most as f32 {
                Err(format!("has class {greatest}; number the classes from 0 on, {most} at most"))
            } else {
                Ok(Objective::Multiclass { classes: greatest as u32 + 1 })
            }
        }
    }
}

fn learnable(table: &Table, columns: &Columns, features: Option<&[String]>) -> Result<Learnable, Failure> {
    let labels = table.numbers(&columns.target).or_exit(Code::BadData)?;
    let groups = match &columns.group {
        Some(group) => table.texts(group).or_exit(Code::BadData)?,
        None => vec![String::new(); labels.len()],
    };
    let (mut numeric, mut skipped) = (Vec::new(), Vec::new());
    for column in table.frame.columns() {
        let name = column.name().to_string();
        if name == columns.target || Some(&name) == columns.group.as_ref() {
            continue;
        }
        if table::is_number(column.dtype()) { numeric.push(name) } else { skipped.push(name) }
    }
    let features = features.map_or(numeric, <[String]>::to_vec);
    let values = feature_values(table, &features)?;
    let cells = values.len();
    if cells as u64 > i32::MAX as u64 * 4 {
        return Err(Failure::new(Code::BadData, format!("{}: {cells} cells are too many", table.path.display())));
    }
    if labels.len() > u32::MAX as usize / 2 {
        return Err(Failure::new(
            Code::BadData,
            format!("{}: {} rows are too many", table.path.display(), labels.len()),
        ));
    }
    Ok(Learnable { features, values, labels: labels.into_iter().map(|v| v as f32).collect(), groups, skipped })
}

/// `[rows × features]` f32; infinities become the greatest finite values, null becomes NaN.
fn feature_values(table: &Table, features: &[String]) -> Result<Vec<f32>, Failure> {
    let rows = table.frame.height();
    let mut values = vec![0.0; rows * features.len()];
    for (f, name) in features.iter().enumerate() {
        for (row, v) in table.numbers(name).or_exit(Code::BadData)?.into_iter().enumerate() {
            let v = v as f32;
            values[row * features.len() + f] = if v.is_nan() { f32::NAN } else { v.clamp(f32::MIN, f32::MAX) };
        }
    }
    Ok(values)
}

/// `{folder}/{value}.txt`; a value that would leave the folder is refused.
fn group_file(folder: &Path, value: &str) -> Result<PathBuf, Failure> {
    if value.is_empty() || value.contains(['/', '\\', '\0']) || value == "." || value == ".." {
        return Err(Failure::new(Code::BadData, format!("the group value '{value}' cannot name a file")));
    }
    Ok(folder.join(format!("{value}.txt")))
}

fn summary(job: &BoostJob, forest: &Forest, target: &Path) -> Value {
    json!({
        "name": job.name,
        "rows": job.train.len(),
        "valid_rows": job.valid.len(),
        "rounds": forest.rounds(),
        "validation_loss": forest.validation_loss.iter().copied().reduce(f64::min),
        "digest": forest.digest(),
        "out": target,
    })
}
