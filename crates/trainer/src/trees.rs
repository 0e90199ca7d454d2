//! Training all heads of all folds of some symbols as trees of one family, in one batch.

use std::collections::HashMap;

use huracan_boost::device::{self, Plans};
use huracan_boost::{BoostError, BoostJob, Forest, PredictJob, Table};
use huracan_decide::Head;
use huracan_engine::{Compute, EngineError};
use huracan_features::{self as features, COUNT};

use super::batch::Inputs;
use super::{Family, ModelError, Observer, SymbolFolds, jobs};

/// One head of one fold, trained, and what it says.
pub struct TrainedHead {
    pub job: BoostJob,
    pub forest: Forest,
    /// Raw scores, one a bar of the test window.
    pub scores: Vec<f64>,
    /// One a validation row, where several families are chosen from.
    pub validation: Vec<f64>,
    /// Those of a forest with the settings' own parameters, where the search chose others.
    pub own_scores: Option<Vec<f64>>,
}

impl TrainedHead {
    /// A raw score as what it predicts: a probability, or basis points.
    pub fn predicted(&self, score: f64) -> f64 {
        let mut score = [score];
        self.forest.objective.transform(&mut score);
        score[0]
    }
}

/// Heads in the order of symbols, folds and [`Head::ALL`], and who trained them where a device was asked. The hyperparameters that
/// the search chose are those of `family`, if it is the one that was searched for.
///
/// # Errors
/// Where the device fails and the CPU must not take its place.
pub fn train(
    inputs: &Inputs<'_>,
    batch: &[SymbolFolds],
    family: Family,
    observer: &dyn Observer,
) -> Result<(Vec<Result<TrainedHead, ModelError>>, Plans), EngineError> {
    let Inputs { params, panel, labels, tuning, compute, .. } = *inputs;
    let families = Family::of(params.models.kind);
    let (searched, several) = (family == families[0], families.len() > 1);
    let (mut kept, mut rows, mut untuned) = (Vec::new(), Vec::new(), Vec::new());
    for SymbolFolds { symbol, folds } in batch {
        for fold in folds {
            for head in Head::ALL {
                let own = jobs::tree_params(&params.models, family, head, params.seed);
                let chosen = searched.then(|| tuning.chosen(&panel.symbols[*symbol], fold, head)).flatten();
                let chosen = chosen.map_or_else(|| own.clone(), |chosen| chosen.params.clone());
                let job = jobs::job(panel, labels, *symbol, fold, head, chosen);
                // What the search gained is told by training what it left; the last window has no test to tell it by.
                if own != job.params && !fold.test.is_empty() {
                    untuned.push((kept.len(), BoostJob { params: own, ..job.clone() }));
                }
                let mut asked: Vec<u32> = jobs::rows(panel, *symbol, &fold.test).collect();
                if several {
                    asked.extend_from_slice(&job.valid);
                }
                rows.push((fold.test.len(), asked));
                kept.push(job);
            }
        }
    }
    let table = Table { values: &inputs.features.values, features: COUNT };
    let names = features::names();
    let wanted = || !observer.is_cancelled();
    let (results, plans) = device::train_on(compute, table, &names, &kept, &wanted, &|_| observer.models_done(1))?;
    let (places, untuned): (Vec<usize>, Vec<BoostJob>) = untuned.into_iter().unzip();
    let (own, _) = device::train_on(compute, table, &names, &untuned, &wanted, &|_| ())?;

    let told = scores(compute, table, results.iter().zip(rows.iter().map(|(_, rows)| rows.as_slice())))?;
    let tests = places.iter().map(|&place| &rows[place].1[..rows[place].0]);
    let own_told = scores(compute, table, own.iter().zip(tests))?;
    let mut own_told: HashMap<usize, Result<Vec<f64>, BoostError>> = places.into_iter().zip(own_told).collect();
    let mut heads = Vec::with_capacity(kept.len());
    for (place, ((job, forest), told)) in kept.into_iter().zip(results).zip(told).enumerate() {
        let own_scores = own_told.remove(&place).transpose();
        let head = || -> Result<TrainedHead, ModelError> {
            let (forest, mut scores) = (forest?, told?);
            let validation = scores.split_off(rows[place].0);
            Ok(TrainedHead { job, forest, scores, validation, own_scores: own_scores? })
        };
        heads.push(head());
    }
    Ok((heads, plans))
}

/// Raw scores of every forest that could be trained for its rows, all in one batch; else why there is none.
fn scores<'a>(
    compute: &Compute,
    table: Table<'_>,
    forests: impl Iterator<Item = (&'a Result<Forest, BoostError>, &'a [u32])>,
) -> Result<Vec<Result<Vec<f64>, BoostError>>, EngineError> {
    let (mut jobs, mut faults) = (Vec::new(), Vec::new());
    for (forest, rows) in forests {
        faults.push(forest.as_ref().err().cloned());
        jobs.extend(forest.as_ref().ok().map(|forest| PredictJob { forest, rows }));
    }
    let mut scores = device::raw_scores_on(compute, table, &jobs)?.into_iter();
    let one = |fault: Option<BoostError>| match fault {
        Some(fault) => Err(fault),
        None => Ok(scores.next().unwrap_or_default()),
    };
    Ok(faults.into_iter().map(one).collect())
}
