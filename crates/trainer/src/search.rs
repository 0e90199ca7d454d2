//! Hyperparameters of every fold and head, chosen before anything is trained for good.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use huracan_bars::Panel;
use huracan_boost::{self as boost, BoostError, BoostJob, Chosen, Search, Table, device::Plans};
use huracan_decide::Head;
use huracan_engine::Compute;
use huracan_features::{self as features, COUNT, Features};
use huracan_folds::Fold;
use huracan_labels::Labels;

use super::{ModelParams, Observer, SymbolFolds, TrainerError, TrainerParams, jobs};

/// What the search chose for one symbol, fold and head.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TuningEntry {
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// Index of the fold.
    pub fold: usize,
    /// What the parameters are for.
    pub head: Head,
    /// The parameters, and what they gained.
    pub chosen: Chosen,
}

/// What the search chose for every fold and head; empty where none was asked for.
#[derive(Debug, Clone, Default)]
pub struct Tuning {
    chosen: HashMap<(String, usize, Head), Chosen>,
}

impl Tuning {
    /// The choices of a search.
    pub fn new(entries: Vec<TuningEntry>) -> Self {
        let by_owner = |entry: TuningEntry| ((entry.symbol, entry.fold, entry.head), entry.chosen);
        Self { chosen: entries.into_iter().map(by_owner).collect() }
    }

    /// What was chosen for a head of a symbol's fold, if anything.
    pub fn chosen(&self, symbol: &str, fold: &Fold, head: Head) -> Option<&Chosen> {
        self.chosen.get(&(symbol.to_owned(), fold.index, head))
    }
}

/// Whose hyperparameters are searched.
pub struct SearchBatch {
    jobs: Vec<BoostJob>,
    /// Jobs of one pool choose together.
    pools: Vec<String>,
    owners: Vec<(String, usize, Head)>,
    plan: Search,
}

impl SearchBatch {
    /// One job with the settings' own parameters per symbol, fold and head.
    pub fn new(params: &TrainerParams, panel: &Panel, labels: &Labels, symbols: &[SymbolFolds]) -> Self {
        let (mut batch, mut pools, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        for SymbolFolds { symbol, folds } in symbols {
            for fold in folds {
                for head in Head::ALL {
                    let own = jobs::boost_params(&params.models, head, params.seed);
                    batch.push(jobs::job(panel, labels, *symbol, fold, head, own));
                    pools.push(pool(params.models.search.pool, fold, head, &batch));
                    owners.push((panel.symbols[*symbol].clone(), fold.index, head));
                }
            }
        }
        Self { jobs: batch, pools, owners, plan: plan(&params.models, params.seed) }
    }

    /// Models that the search trains.
    pub fn models(&self) -> usize {
        self.jobs.len() * self.plan.models()
    }

    /// Searches for all jobs at once; gives back who trained where a device was asked.
    pub fn run(
        self,
        compute: &Compute,
        features: &Features,
        observer: &dyn Observer,
    ) -> Result<(Vec<TuningEntry>, Plans), TrainerError> {
        let table = Table { values: &features.values, features: COUNT };
        let (go_on, done) = (|| !observer.is_cancelled(), || observer.models_done(1));
        let names = features::names();
        let (results, trained_by) =
            boost::search_on(compute, table, &names, &self.jobs, &self.pools, &self.plan, &go_on, &done)?;
        if observer.is_cancelled() {
            return Err(TrainerError::Cancelled);
        }
        Ok((entries(self.owners, results)?, trained_by))
    }
}

/// Jobs of one head whose folds choose by the very same bars may choose together: no bar that one of them has yet to
/// be tested on is among them.
fn pool(together: bool, fold: &Fold, head: Head, batch: &[BoostJob]) -> String {
    if together { format!("{head} {:?} {:?}", fold.validation, fold.test) } else { batch.len().to_string() }
}

/// Jobs that cannot be trained fail there, with their own reason; here they only have nothing to choose.
fn entries(
    owners: Vec<(String, usize, Head)>,
    results: Vec<Result<Chosen, BoostError>>,
) -> Result<Vec<TuningEntry>, TrainerError> {
    let mut entries = Vec::with_capacity(owners.len());
    for ((symbol, fold, head), result) in owners.into_iter().zip(results) {
        match result {
            Ok(chosen) => entries.push(TuningEntry { symbol, fold, head, chosen }),
            Err(error @ BoostError::Parameter { .. }) => return Err(TrainerError::Parameter(error)),
            Err(error) => tracing::warn!(symbol, fold, %head, "no search: {error}"),
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
