//! Hyperparameters of every fold and head, chosen before anything is trained for good.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::super::Failure;
use super::super::checkpoints::Checkpoints;
use super::super::day::Day;
use super::jobs::{self, HEADS};
use crate::boost::{self, BoostError, BoostJob, Chosen, Grid, Search, Table};
use crate::engine::Compute;
use crate::exit::Code;
use crate::features::{self, COUNT, Features};
use crate::folds::Fold;
use crate::labels::Labels;
use crate::market::Panel;
use crate::settings::{Models, Settings};

/// What the search chose for one symbol, fold and head.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    symbol: String,
    fold: usize,
    head: String,
    chosen: Chosen,
}

/// What the search chose for every fold and head, where it was made.
pub struct Tuning {
    chosen: HashMap<(String, usize, String), Chosen>,
}

impl Tuning {
    fn of(entries: Vec<Entry>) -> Self {
        let by_owner = |entry: Entry| ((entry.symbol, entry.fold, entry.head), entry.chosen);
        Self { chosen: entries.into_iter().map(by_owner).collect() }
    }

    /// What the search chose, where it was made.
    pub fn chosen(&self, symbol: &str, fold: &Fold, head: &str) -> Option<&Chosen> {
        self.chosen.get(&(symbol.to_owned(), fold.index, head.to_owned()))
    }
}

/// Searches for all symbols, folds and heads at once where the settings ask for it; what an earlier run of the same
/// candles and settings chose is taken up.
pub async fn tune(
    day: &mut Day,
    panel: &Panel,
    features: &Features,
    labels: &Labels,
    plans: &[(usize, Vec<Fold>)],
    checkpoints: &Checkpoints,
) -> Result<Tuning, Failure> {
    if !day.settings.models.search.wanted() {
        return Ok(Tuning::of(Vec::new()));
    }
    let plan = plan(&day.settings.models, day.settings.seed);
    let Asked { batch, pools, owners } = Asked::of(&day.settings, panel, labels, plans);
    let models = (batch.len() * plan.models()) as u64;
    let step = day.begin("tune", Some(models)).await?;
    let mut by = String::new();
    let entries = match checkpoints.load_tuning::<Vec<Entry>>() {
        Some(entries) => {
            step.advance(models);
            entries
        }
        None => {
            let stop = day.stop.clone();
            let (wanted, done) = (|| !stop.is_asked(), || step.advance(1));
            let (results, trained_by) = tokio::task::block_in_place(|| {
                let table = Table { values: &features.values, features: COUNT };
                let names = features::names();
                boost::search_on(&day.compute, table, &names, &batch, &pools, &plan, &wanted, &done)
            })?;
            if !trained_by.is_empty() {
                by = format!("; {trained_by}");
            }
            day.stop.check()?;
            let entries = entries(owners, results)?;
            checkpoints.save_tuning(&entries)?;
            entries
        }
    };
    let moved = entries.iter().filter(|entry| entry.chosen.moved).count();
    step.note(&format!(
        "{} configurations, {moved} of {} heads left their own{by}",
        plan.configurations,
        entries.len()
    ));
    day.end(step, serde_json::json!({ "models": models, "moved": moved })).await?;
    Ok(Tuning::of(entries))
}

/// [`tune`] in memory alone.
///
/// # Errors
/// Settings of the search that no job can be trained with; a device that fails where the CPU must not take its place.
pub fn search(
    settings: &Settings,
    compute: &Compute,
    panel: &Panel,
    features: &Features,
    labels: &Labels,
    plans: &[(usize, Vec<Fold>)],
) -> Result<Tuning, Failure> {
    if !settings.models.search.wanted() {
        return Ok(Tuning::of(Vec::new()));
    }
    let Asked { batch, pools, owners } = Asked::of(settings, panel, labels, plans);
    let table = Table { values: &features.values, features: COUNT };
    let plan = plan(&settings.models, settings.seed);
    let (results, _) = boost::search_on(compute, table, &features::names(), &batch, &pools, &plan, &|| true, &|| ())?;
    Ok(Tuning::of(entries(owners, results)?))
}

/// Whose hyperparameters are searched: jobs with the settings' own, who chooses together, and whose each job is.
struct Asked {
    batch: Vec<BoostJob>,
    pools: Vec<String>,
    owners: Vec<(String, usize, String)>,
}

impl Asked {
    fn of(settings: &Settings, panel: &Panel, labels: &Labels, plans: &[(usize, Vec<Fold>)]) -> Self {
        let (mut batch, mut pools, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        for (symbol, folds) in plans {
            for fold in folds {
                for head in HEADS {
                    let params = jobs::params(&settings.models, head, settings.seed);
                    batch.push(jobs::job(panel, labels, *symbol, fold, head, params));
                    pools.push(pool(settings.models.search.pool, fold, head, &batch));
                    owners.push((panel.symbols[*symbol].clone(), fold.index, head.to_owned()));
                }
            }
        }
        Self { batch, pools, owners }
    }
}

/// Jobs of one head whose folds choose by the very same bars may choose together: no bar that one of them has yet to
/// be tested on is among them.
fn pool(together: bool, fold: &Fold, head: &str, batch: &[BoostJob]) -> String {
    if together { format!("{head} {:?} {:?}", fold.validation, fold.test) } else { batch.len().to_string() }
}

/// Jobs that cannot be trained fail there, with their own reason; here they only have nothing to choose.
fn entries(
    owners: Vec<(String, usize, String)>,
    results: Vec<Result<Chosen, BoostError>>,
) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::with_capacity(owners.len());
    for ((symbol, fold, head), result) in owners.into_iter().zip(results) {
        match result {
            Ok(chosen) => entries.push(Entry { symbol, fold, head, chosen }),
            Err(BoostError::Parameter { job, key, value, expected }) => {
                return Err(Failure::new(Code::Usage, format!("{job}: {key} is {value}; {expected}")));
            }
            Err(error) => tracing::warn!(symbol, fold, head, "no search: {error}"),
        }
    }
    Ok(entries)
}

fn plan(models: &Models, seed: u64) -> Search {
    let (search, grid) = (&models.search, models.search.grid.clone());
    Search {
        grid: Grid {
            learning_rate: grid.learning_rate,
            max_depth: grid.max_depth,
            l2: grid.l2,
            min_child_hessian: grid.min_child_hessian,
            subsample: grid.subsample,
            colsample: grid.colsample,
        },
        configurations: search.configurations,
        halving: search.halving,
        rungs: search.rungs,
        seed,
    }
}
