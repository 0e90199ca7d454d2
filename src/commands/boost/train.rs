//! `huracan boost train`.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::{Value, json};

use super::groups;
use super::learnable::{Columns, LabelledTable};
use crate::boost::device::Plans;
use crate::boost::{self, BoostError, BoostJob, BoostParams, Forest, Objective, Search, SearchOutcome};
use crate::commands::table;
use crate::engine::Compute;
use crate::exit::{Code, CommandFailure, OrExit};
use crate::files::write_atomic;
use crate::models::to_lightgbm;
use crate::ui::{Step, Ui};

/// The kind of label, which decides the objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LabelKind {
    /// Classes; their number follows from the labels.
    Classes,
    /// The objective does not depend on the labels.
    Fixed(Objective),
}

/// The arguments of `boost train`.
#[derive(Debug, Clone)]
pub struct Training {
    /// Table to train on.
    pub table: PathBuf,
    /// Table to validate on.
    pub valid: Option<PathBuf>,
    /// The columns that are not features.
    pub columns: Columns,
    /// The kind of label.
    pub labels: LabelKind,
    /// Hyperparameters. The objective and the constraints are filled in later, from the table.
    pub params: BoostParams,
    /// Feature and direction (1, −1) of each constraint.
    pub monotone: Vec<(String, i8)>,
    /// Configurations of a search; 0 and 1 do not search.
    pub search: usize,
    /// A file, or with a group column a folder of `{value}.txt`, or one file `….jsonl`.
    pub out: PathBuf,
}

/// Trains one model, or one per value of the group column in one batch, and writes them in LightGBM's text format.
///
/// # Errors
/// Tables or labels that cannot be used (3), parameters out of range (2), a device that fails (1). With a group column,
/// if only some models could be trained, those are written (4).
pub fn train(request: &Training, compute: &Compute, ui: &Ui) -> Result<Value, CommandFailure> {
    let Training { table: path, valid, columns, labels, .. } = request;
    let step = ui.step("read", None);
    let table = table::read(path).or_exit(Code::BadData)?;
    let mut data = LabelledTable::new(&table, columns, None)?;
    let train_rows = data.labels.len();
    if let Some(valid) = valid {
        let table = table::read(valid).or_exit(Code::BadData)?;
        data.extend(LabelledTable::new(&table, columns, Some(&data.features))?);
    }
    step.note(&format!("{} rows, {} features", data.labels.len(), data.features.len()));
    step.done();
    check_numbers(request, &data, train_rows)?;
    let objective = objective(*labels, &data.labels).map_err(|fault| {
        CommandFailure::new(Code::BadData, format!("{}: target '{}' {fault}", path.display(), columns.target))
    })?;
    let monotone = constraints(&request.monotone, &data.features)?;
    let params = BoostParams { objective, monotone, ..request.params.clone() };
    params.check("boost train").or_exit(Code::Usage)?;

    let jobs = jobs(request, &data, train_rows, &params);
    if jobs.is_empty() {
        return Err(CommandFailure::new(Code::BadData, format!("{}: the table has no rows", path.display())));
    }
    let targets: Vec<PathBuf> = match &columns.group {
        None => vec![request.out.clone()],
        Some(_) => groups::files(&request.out, &jobs.iter().map(|job| job.name.as_str()).collect::<Vec<_>>())?,
    };
    let view = boost::Table { values: &data.values, features: data.features.len() };
    let (jobs, chosen) = search(request, compute, &data, jobs, ui)?;
    let step = ui.step("train", Some(jobs.len() as u64));
    let on_trained = |_: &BoostJob| step.advance(1);
    let (trained, plans) = boost::device::train_on(compute, view, &data.features, &jobs, &|| true, &on_trained)?;
    note(&step, &plans);
    step.done();
    let step = ui.step("write", None);
    let parameters: Vec<Value> = jobs.iter().map(|job| serde_json::to_value(&job.params)).collect::<Result<_, _>>()?;
    let text = |index: usize| {
        let forest = trained[index].as_ref().ok()?;
        Some(to_lightgbm(forest, &parameters[index]))
    };
    match &columns.group {
        None => text(0).map_or(Ok(()), |text| write_atomic(&request.out, text.as_bytes()))?,
        Some(_) => {
            let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
            if trained.iter().any(Result::is_ok) {
                groups::write(&request.out, &names, text)?;
            }
        }
    }
    step.done();
    let own = |(((job, result), target), chosen): (((&BoostJob, &Result<Forest, _>), &PathBuf), &Option<_>)| {
        result.as_ref().map(|forest| summary(job, forest, target, chosen.as_ref())).map_err(BoostError::to_string)
    };
    let told = jobs.par_iter().zip(&trained).zip(&targets).zip(&chosen).map(own).collect::<Vec<_>>();
    let (models, faults): (Vec<_>, Vec<_>) = told.into_iter().partition(Result::is_ok);
    let models: Vec<Value> = models.into_iter().flatten().collect();
    let faults: Vec<String> = faults.into_iter().filter_map(Result::err).collect();
    let report = json!({
        "models": models,
        "failed": faults,
        "rows": train_rows,
        "features": data.features.len(),
        "skipped_columns": data.skipped,
        "out": request.out,
    });
    match (models.is_empty(), faults.is_empty()) {
        (_, true) => Ok(report),
        (true, false) => Err(CommandFailure::new(Code::BadData, faults.join("\n"))),
        (false, false) => Err(CommandFailure::new(Code::Partial, faults.join("\n"))),
    }
}

/// Checks that no target is missing or infinite, and no weight missing, infinite or negative. The error names file and
/// row.
fn check_numbers(request: &Training, data: &LabelledTable, train_rows: usize) -> Result<(), CommandFailure> {
    let locate = |row: usize| match &request.valid {
        Some(valid) if row >= train_rows => (valid, row - train_rows),
        _ => (&request.table, row),
    };
    if let Some(row) = data.labels.iter().position(|label| !label.is_finite()) {
        let (file, row) = locate(row);
        let message =
            format!("{}: row {row}: target '{}' is missing or infinite", file.display(), request.columns.target);
        return Err(CommandFailure::new(Code::BadData, message));
    }
    if let Some(row) = data.weights.iter().position(|weight| !(*weight >= 0.0 && weight.is_finite())) {
        let (file, row) = locate(row);
        let name = request.columns.weight.as_deref().unwrap_or_default();
        let message = format!("{}: row {row}: weight '{name}' must be a finite number, 0 or more", file.display());
        return Err(CommandFailure::new(Code::BadData, message));
    }
    Ok(())
}

/// One job per group, in the order of their names.
fn jobs(request: &Training, data: &LabelledTable, train_rows: usize, params: &BoostParams) -> Vec<BoostJob> {
    let of_group = |group: &String| BoostJob {
        name: if request.columns.group.is_some() { group.clone() } else { request.table.display().to_string() },
        params: params.clone(),
        ..BoostJob::default()
    };
    let mut jobs: Vec<BoostJob> = data.groups.iter().map(of_group).collect();
    for (row, &group) in data.group_of.iter().enumerate() {
        let job = &mut jobs[group as usize];
        let (rows, labels, weights) = if row < train_rows {
            (&mut job.train, &mut job.train_labels, &mut job.train_weights)
        } else {
            (&mut job.valid, &mut job.valid_labels, &mut job.valid_weights)
        };
        rows.push(row as u32);
        labels.push(data.labels[row]);
        weights.extend(data.weights.get(row));
    }
    jobs.retain(|job| !job.train.is_empty() || !job.valid.is_empty());
    jobs.sort_by(|a, b| a.name.cmp(&b.name));
    jobs
}

/// Searches for parameters, if the request wants that. Returns the jobs with the parameters that were chosen, and per
/// job what the search found.
fn search(
    request: &Training,
    compute: &Compute,
    data: &LabelledTable,
    mut jobs: Vec<BoostJob>,
    ui: &Ui,
) -> Result<(Vec<BoostJob>, Vec<Option<SearchOutcome>>), CommandFailure> {
    let mut chosen = vec![None; jobs.len()];
    if request.search < 2 {
        return Ok((jobs, chosen));
    }
    if request.valid.is_none() {
        return Err(CommandFailure::new(
            Code::Usage,
            "--search needs validation rows: give a table of them with --valid",
        ));
    }
    let plan = Search { configurations: request.search, seed: request.params.seed, ..Search::default() };
    let step = ui.step("search", Some((jobs.len() * plan.models()) as u64));
    let view = boost::Table { values: &data.values, features: data.features.len() };
    let pools: Vec<String> = jobs.iter().map(|job| job.name.clone()).collect();
    let (features, on_trained) = (&data.features, || step.advance(1));
    let (results, plans) = boost::search_on(compute, view, features, &jobs, &pools, &plan, &|| true, &on_trained)?;
    note(&step, &plans);
    step.done();
    for ((job, chosen), result) in jobs.iter_mut().zip(&mut chosen).zip(results) {
        match result {
            Ok(best) => {
                job.params = best.params.clone();
                *chosen = Some(best);
            }
            Err(BoostError::NoValidation { .. }) => {
                ui.message(&format!("{}: no validation rows; it keeps the parameters given", job.name))
            }
            // The same error comes back, and is reported, when the group is trained.
            Err(_) => {}
        }
    }
    Ok((jobs, chosen))
}

/// Shows what a device trained and what the CPU, if a device was used.
fn note(step: &Step, plans: &Plans) {
    if !plans.is_empty() {
        step.note(&plans.to_string());
    }
}

/// The objective for these labels, which are all finite; an error if there is none.
fn objective(kind: LabelKind, labels: &[f32]) -> Result<Objective, String> {
    let LabelKind::Fixed(objective) = kind else {
        let greatest = labels.iter().copied().fold(0.0, f32::max);
        let most = boost::MAX_CLASSES;
        return if !labels.is_empty() && greatest < 1.0 {
            Err("has only class 0; multiclass needs at least two classes".into())
        } else if greatest >= most as f32 {
            Err(format!("has class {greatest}; number the classes from 0, at most {most} of them"))
        } else {
            Ok(Objective::Multiclass { classes: greatest as u32 + 1 })
        };
    };
    Ok(objective)
}

/// Direction per feature (1, −1, or 0 for none); empty if nothing is constrained.
fn constraints(given: &[(String, i8)], features: &[String]) -> Result<Vec<i8>, CommandFailure> {
    if given.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = vec![0; features.len()];
    for (name, direction) in given {
        let index = features.iter().position(|feature| feature == name).ok_or_else(|| {
            let message = format!("--monotone: '{name}' is no feature; choose from: {}", features.join(", "));
            CommandFailure::new(Code::Usage, message)
        })?;
        all[index] = *direction;
    }
    Ok(all)
}

fn summary(job: &BoostJob, forest: &Forest, target: &Path, chosen: Option<&SearchOutcome>) -> Value {
    let mut summary = json!({
        "name": job.name,
        "rows": job.train.len(),
        "valid_rows": job.valid.len(),
        "rounds": forest.rounds(),
        "validation_loss": forest.kept_loss(),
        "digest": forest.digest(),
        "out": target,
    });
    if let Some(chosen) = chosen {
        summary["search"] = json!(chosen);
    }
    summary
}
