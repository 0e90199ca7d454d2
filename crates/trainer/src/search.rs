//! Hyperparameter search per fold and head, before the final training.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use huracan_boost::{self as boost, BoostError, BoostJob, Search, SearchOutcome, device::Plans};
use huracan_decide::Head;
use huracan_engine::Compute;
use huracan_features::{View, view_names};
use huracan_folds::Fold;

use super::{ModelParams, Observer, Targets, TrainerError, TrainerParams, UnitFolds, jobs};

/// What the search chose for one unit, fold and head.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TuningEntry {
    /// `BASE-QUOTE`, or `pool` for all coins together.
    pub symbol: String,
    /// Index of the fold.
    pub fold: usize,
    /// Head to which the parameters belong.
    pub head: Head,
    /// The chosen parameters and their losses.
    pub chosen: SearchOutcome,
}

/// The search's choices for every fold and head; empty without a search.
#[derive(Debug, Clone, Default)]
pub struct Tuning {
    chosen: HashMap<(String, usize, Head), SearchOutcome>,
}

impl Tuning {
    /// Collects the choices of a search.
    pub fn new(entries: Vec<TuningEntry>) -> Self {
        let by_owner = |entry: TuningEntry| ((entry.symbol, entry.fold, entry.head), entry.chosen);
        Self { chosen: entries.into_iter().map(by_owner).collect() }
    }

    /// The choice for a head of a unit's fold, if there is one.
    pub fn chosen(&self, unit: &str, fold: &Fold, head: Head) -> Option<&SearchOutcome> {
        self.chosen.get(&(unit.to_owned(), fold.index, head))
    }
}

/// A batch of jobs whose hyperparameters are searched together.
pub struct SearchBatch {
    jobs: Vec<BoostJob>,
    /// Pool of each job; jobs of one pool choose together.
    pools: Vec<String>,
    owners: Vec<(String, usize, Head)>,
    plan: Search,
}

impl SearchBatch {
    /// One job per unit, fold and head, with the parameters of the settings.
    pub(super) fn new(params: &TrainerParams, targets: &Targets, units: &[UnitFolds]) -> Self {
        let (mut batch, mut pools, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        for UnitFolds { unit, folds } in units {
            for fold in folds {
                for head in Head::ALL {
                    let own = jobs::boost_params(&params.models, head, params.seed);
                    batch.push(jobs::boost_job(targets, unit, fold, head, &params.models, own));
                    pools.push(pool(params.models.search.pool, fold, head, &batch));
                    owners.push((unit.name.clone(), fold.index, head));
                }
            }
        }
        Self { jobs: batch, pools, owners, plan: plan(&params.models, params.seed) }
    }

    /// Number of models that the search trains.
    pub fn model_count(&self) -> usize {
        self.jobs.len() * self.plan.models()
    }

    /// Searches for all jobs at once. Returns the choices, and where the models were trained if a device is used.
    ///
    /// # Errors
    /// [`TrainerError`]: a parameter with which no model can be trained, a device failure without a fallback, or
    /// cancellation.
    pub fn run(
        self,
        compute: &Compute,
        view: &View,
        observer: &dyn Observer,
    ) -> Result<(Vec<TuningEntry>, Plans), TrainerError> {
        let (keep_going, model_done) = (|| !observer.is_cancelled(), || observer.models_done(1));
        let names = view_names();
        let (results, trained_by) = boost::search_on(
            compute,
            view.table(),
            &names,
            &self.jobs,
            &self.pools,
            &self.plan,
            &keep_going,
            &model_done,
        )?;
        if observer.is_cancelled() {
            return Err(TrainerError::Cancelled);
        }
        Ok((entries(self.owners, results)?, trained_by))
    }
}

/// Pool of a job. Jobs of one head may choose together if their folds have the same validation and test bars, because
/// then none of them chooses by bars on which another is still to be tested.
fn pool(together: bool, fold: &Fold, head: Head, batch: &[BoostJob]) -> String {
    if together { format!("{head} {:?} {:?}", fold.validation, fold.test) } else { batch.len().to_string() }
}

/// Pairs the choices with their owners. A job that cannot be trained is skipped here; training reports its error later.
fn entries(
    owners: Vec<(String, usize, Head)>,
    results: Vec<Result<SearchOutcome, BoostError>>,
) -> Result<Vec<TuningEntry>, TrainerError> {
    let mut entries = Vec::with_capacity(owners.len());
    for ((symbol, fold, head), result) in owners.into_iter().zip(results) {
        match result {
            Ok(chosen) => entries.push(TuningEntry { symbol, fold, head, chosen }),
            Err(error @ BoostError::Parameter { .. }) => return Err(TrainerError::Parameter(error)),
            Err(error) => tracing::warn!(symbol, fold, %head, "hyperparameter search failed: {error}"),
        }
    }
    Ok(entries)
}

fn plan(models: &ModelParams, seed: u64) -> Search {
    let search = &models.search;
    Search {
        grid: search.grid.clone(),
        configurations: search.configurations,
        halving: search.halving,
        rungs: search.rungs,
        seed,
    }
}
