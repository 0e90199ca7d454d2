//! `huracan boost train`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::group_file;
use super::learnable::{Columns, Learnable};
use crate::boost::device::Plans;
use crate::boost::{self, BoostError, BoostJob, BoostParams, Chosen, Forest, Objective, Search};
use crate::commands::table;
use crate::engine::Compute;
use crate::exit::{Code, Failure, OrExit};
use crate::files::write_atomic;
use crate::models::to_lightgbm;
use crate::ui::{Step, Ui};

/// The objective by its name on the command line; classes are counted in the labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Learns {
    Multiclass,
    /// Any that needs no look at the labels.
    Known(Objective),
}

/// What `boost train` is asked for.
#[derive(Debug, Clone)]
pub struct Training {
    pub table: PathBuf,
    pub valid: Option<PathBuf>,
    pub columns: Columns,
    pub learns: Learns,
    /// The objective and the constraints in it are filled in from the table.
    pub params: BoostParams,
    /// Feature and direction (1, −1) of each constraint.
    pub monotone: Vec<(String, i8)>,
    /// Configurations of a search; 0 or 1 does not search.
    pub search: usize,
    /// A file, or with a group column a folder of `{value}.txt`.
    pub out: PathBuf,
}

/// Trains one model, or one for every value of the group column in one batch, and writes LightGBM's text.
///
/// # Errors
/// Tables or labels that cannot be learned from (3), parameters out of range (2), a device that fails (1); with a group the
/// models that could be trained are written all the same (4).
pub fn train(asked: &Training, compute: &Compute, ui: &Ui) -> Result<Value, Failure> {
    let Training { table: path, valid, columns, learns, .. } = asked;
    let step = ui.step("read", None);
    let table = table::read(path).or_exit(Code::BadData)?;
    let mut learnable = Learnable::new(&table, columns, None)?;
    let train_rows = learnable.labels.len();
    if let Some(valid) = valid {
        let table = table::read(valid).or_exit(Code::BadData)?;
        let more = Learnable::new(&table, columns, Some(&learnable.features))?;
        learnable.values.extend(more.values);
        learnable.labels.extend(more.labels);
        learnable.weights.extend(more.weights);
        learnable.groups.extend(more.groups);
    }
    step.note(&format!("{} rows, {} features", learnable.labels.len(), learnable.features.len()));
    step.done();
    check_numbers(asked, &learnable, train_rows)?;
    let objective = objective(*learns, &learnable.labels).map_err(|fault| {
        Failure::new(Code::BadData, format!("{}: target '{}' {fault}", path.display(), columns.target))
    })?;
    let monotone = constraints(&asked.monotone, &learnable.features)?;
    let params = BoostParams { objective, monotone, ..asked.params.clone() };
    params.check("boost train").or_exit(Code::Usage)?;

    let jobs = jobs(asked, &learnable, train_rows, &params);
    if jobs.is_empty() {
        return Err(Failure::new(Code::BadData, format!("{}: the table has no rows", path.display())));
    }
    let targets: Vec<PathBuf> = match &columns.group {
        None => vec![asked.out.clone()],
        Some(_) => jobs.iter().map(|job| group_file(&asked.out, &job.name)).collect::<Result<_, _>>()?,
    };
    let view = boost::Table { values: &learnable.values, features: learnable.features.len() };
    let (jobs, found) = searched(asked, compute, &learnable, jobs, ui)?;
    let step = ui.step("train", Some(jobs.len() as u64));
    let told = |_: &BoostJob| step.advance(1);
    let (trained, plans) = boost::device::train_on(compute, view, &learnable.features, &jobs, &|| true, &told)?;
    note(&step, &plans);
    step.done();
    let (mut models, mut faults) = (Vec::new(), Vec::new());
    for (((job, result), target), found) in jobs.iter().zip(trained).zip(&targets).zip(&found) {
        match result {
            Ok(forest) => {
                let parameters = serde_json::to_value(&job.params)?;
                write_atomic(target, to_lightgbm(&forest, &parameters).as_bytes())?;
                models.push(summary(job, &forest, target, found.as_ref()));
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
        "out": asked.out,
    });
    match (models.is_empty(), faults.is_empty()) {
        (_, true) => Ok(report),
        (true, false) => Err(Failure::new(Code::BadData, faults.join("\n"))),
        (false, false) => Err(Failure::new(Code::Partial, faults.join("\n"))),
    }
}

/// Refuses targets and weights that are missing or infinite, with the file and row that hold them.
fn check_numbers(asked: &Training, learnable: &Learnable, train_rows: usize) -> Result<(), Failure> {
    let place = |row: usize| match &asked.valid {
        Some(valid) if row >= train_rows => (valid, row - train_rows),
        _ => (&asked.table, row),
    };
    if let Some(row) = learnable.labels.iter().position(|label| !label.is_finite()) {
        let (file, row) = place(row);
        let message =
            format!("{}: row {row}: target '{}' is missing or infinite", file.display(), asked.columns.target);
        return Err(Failure::new(Code::BadData, message));
    }
    if let Some(row) = learnable.weights.iter().position(|weight| !(*weight >= 0.0 && weight.is_finite())) {
        let (file, row) = place(row);
        let name = asked.columns.weight.as_deref().unwrap_or_default();
        let message = format!("{}: row {row}: weight '{name}' must be a finite number, 0 or more", file.display());
        return Err(Failure::new(Code::BadData, message));
    }
    Ok(())
}

/// A job for each group, by name.
fn jobs(asked: &Training, learnable: &Learnable, train_rows: usize, params: &BoostParams) -> Vec<BoostJob> {
    let mut jobs: BTreeMap<&str, BoostJob> = BTreeMap::new();
    for (row, group) in learnable.groups.iter().enumerate() {
        let job = jobs.entry(group).or_insert_with(|| BoostJob {
            name: if asked.columns.group.is_some() { group.clone() } else { asked.table.display().to_string() },
            params: params.clone(),
            ..BoostJob::default()
        });
        let (rows, labels, weights) = if row < train_rows {
            (&mut job.train, &mut job.train_labels, &mut job.train_weights)
        } else {
            (&mut job.valid, &mut job.valid_labels, &mut job.valid_weights)
        };
        rows.push(row as u32);
        labels.push(learnable.labels[row]);
        weights.extend(learnable.weights.get(row));
    }
    jobs.into_values().collect()
}

/// The jobs with the parameters that a search chose, where one is asked for, and what it found.
fn searched(
    asked: &Training,
    compute: &Compute,
    learnable: &Learnable,
    mut jobs: Vec<BoostJob>,
    ui: &Ui,
) -> Result<(Vec<BoostJob>, Vec<Option<Chosen>>), Failure> {
    let mut found = vec![None; jobs.len()];
    if asked.search < 2 {
        return Ok((jobs, found));
    }
    if asked.valid.is_none() {
        return Err(Failure::new(Code::Usage, "--search chooses by validation rows: give a table of them by --valid"));
    }
    let plan = Search { configurations: asked.search, seed: asked.params.seed, ..Search::default() };
    let step = ui.step("search", Some((jobs.len() * plan.models()) as u64));
    let view = boost::Table { values: &learnable.values, features: learnable.features.len() };
    let pools: Vec<String> = jobs.iter().map(|job| job.name.clone()).collect();
    let (features, told) = (&learnable.features, || step.advance(1));
    let (results, plans) = boost::search_on(compute, view, features, &jobs, &pools, &plan, &|| true, &told)?;
    note(&step, &plans);
    step.done();
    for ((job, found), result) in jobs.iter_mut().zip(&mut found).zip(results) {
        match result {
            Ok(chosen) => {
                job.params = chosen.params.clone();
                *found = Some(chosen);
            }
            // A group without validation rows keeps the parameters given; other faults are named where it is trained.
            Err(BoostError::NoValidation { .. }) => {
                ui.say(&format!("{}: no validation rows, nothing to choose by", job.name))
            }
            Err(_) => {}
        }
    }
    Ok((jobs, found))
}

/// Says who trained what, where a device was asked and did not fail.
fn note(step: &Step, plans: &Plans) {
    if !plans.is_empty() {
        step.note(&plans.to_string());
    }
}

/// The objective that these labels, all finite, can be learned by; else why not.
fn objective(learns: Learns, labels: &[f32]) -> Result<Objective, String> {
    let Learns::Known(objective) = learns else {
        let greatest = labels.iter().copied().fold(0.0, f32::max);
        let most = boost::MOST_CLASSES;
        return if !labels.is_empty() && greatest < 1.0 {
            Err("has class 0 alone; multiclass needs at least two classes".into())
        } else if greatest >= most as f32 {
            Err(format!("has class {greatest}; number the classes from 0 on, {most} at most"))
        } else {
            Ok(Objective::Multiclass { classes: greatest as u32 + 1 })
        };
    };
    Ok(objective)
}

/// One entry a feature; none where nothing is constrained.
fn constraints(given: &[(String, i8)], features: &[String]) -> Result<Vec<i8>, Failure> {
    if given.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = vec![0; features.len()];
    for (name, direction) in given {
        let place = features.iter().position(|feature| feature == name).ok_or_else(|| {
            let message = format!("--monotone names '{name}'; the features are: {}", features.join(", "));
            Failure::new(Code::Usage, message)
        })?;
        all[place] = *direction;
    }
    Ok(all)
}

fn summary(job: &BoostJob, forest: &Forest, target: &Path, found: Option<&Chosen>) -> Value {
    let mut summary = json!({
        "name": job.name,
        "rows": job.train.len(),
        "valid_rows": job.valid.len(),
        "rounds": forest.rounds(),
        "validation_loss": forest.kept_loss(),
        "digest": forest.digest(),
        "out": target,
    });
    if let Some(found) = found {
        summary["search"] = json!(found);
    }
    summary
}
