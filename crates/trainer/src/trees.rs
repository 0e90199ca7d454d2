//! Trains the trees of one family for all heads of all folds of some symbols, in one batch.

use std::collections::HashMap;

use huracan_boost::device::{self, Plans};
use huracan_boost::{BoostError, BoostJob, Forest, PredictJob, Table};
use huracan_decide::Head;
use huracan_engine::{Compute, EngineError};
use huracan_features::{self as features, COUNT};

use super::inputs::TrainingInputs;
use super::{Family, ModelError, Observer, SymbolFolds, jobs};

/// The trained trees of one head of one fold, and their scores.
pub struct TrainedHead {
    pub job: BoostJob,
    pub forest: Forest,
    /// Raw scores, one per bar of the test window.
    pub scores: Vec<f64>,
    /// Raw scores, one per validation row; empty if there is only one family.
    pub validation: Vec<f64>,
    /// Raw scores on the test window of trees with the parameters of the settings, if the search chose others.
    pub baseline_scores: Option<Vec<f64>>,
}

impl TrainedHead {
    /// The prediction for a raw score: a probability, or basis points.
    pub fn predicted(&self, score: f64) -> f64 {
        let mut score = [score];
        self.forest.objective.transform(&mut score);
        score[0]
    }
}

/// Trains all heads. Returns them in the order of symbols, folds and [`Head::ALL`], and where they were trained if a
/// device is used. The search's choices apply only to the first family, for which the search was made.
///
/// # Errors
/// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
pub fn train(
    inputs: &TrainingInputs<'_>,
    batch: &[SymbolFolds],
    family: Family,
    observer: &dyn Observer,
) -> Result<(Vec<Result<TrainedHead, ModelError>>, Plans), EngineError> {
    let TrainingInputs { params, panel, labels, tuning, compute, .. } = *inputs;
    let families = Family::of(params.models.kind);
    let (searched, several) = (family == families[0], families.len() > 1);
    let (mut batch_jobs, mut rows, mut baseline_jobs) = (Vec::new(), Vec::new(), Vec::new());
    for SymbolFolds { symbol, folds } in batch {
        for fold in folds {
            for head in Head::ALL {
                let baseline = jobs::tree_params(&params.models, family, head, params.seed);
                let chosen = searched.then(|| tuning.chosen(&panel.symbols[*symbol], fold, head)).flatten();
                let chosen = chosen.map_or_else(|| baseline.clone(), |chosen| chosen.params.clone());
                let job = jobs::boost_job(panel, labels, *symbol, fold, head, chosen);
                // The gain of the search is measured by also training the parameters of the settings. The latest window
                // has no test part to measure it on.
                if baseline != job.params && !fold.test.is_empty() {
                    baseline_jobs.push((batch_jobs.len(), BoostJob { params: baseline, ..job.clone() }));
                }
                let mut predicted_rows: Vec<u32> = jobs::table_rows(panel, *symbol, &fold.test).collect();
                if several {
                    predicted_rows.extend_from_slice(&job.valid);
                }
                rows.push((fold.test.len(), predicted_rows));
                batch_jobs.push(job);
            }
        }
    }
    let table = Table { values: &inputs.features.values, features: COUNT };
    let names = features::names();
    let keep_going = || !observer.is_cancelled();
    let model_done = |_: &BoostJob| observer.models_done(1);
    let (results, plans) = device::train_on(compute, table, &names, &batch_jobs, &keep_going, &model_done)?;
    let (indices, baseline_jobs): (Vec<usize>, Vec<BoostJob>) = baseline_jobs.into_iter().unzip();
    let (baseline, _) = device::train_on(compute, table, &names, &baseline_jobs, &keep_going, &|_| ())?;

    let all_scores = raw_scores(compute, table, results.iter().zip(rows.iter().map(|(_, rows)| rows.as_slice())))?;
    let tests = indices.iter().map(|&index| &rows[index].1[..rows[index].0]);
    let baseline_scores = raw_scores(compute, table, baseline.iter().zip(tests))?;
    let mut baseline_scores: HashMap<usize, Result<Vec<f64>, BoostError>> =
        indices.into_iter().zip(baseline_scores).collect();
    let mut heads = Vec::with_capacity(batch_jobs.len());
    for (index, ((job, forest), scores)) in batch_jobs.into_iter().zip(results).zip(all_scores).enumerate() {
        let baseline_scores = baseline_scores.remove(&index).transpose();
        let head = || -> Result<TrainedHead, ModelError> {
            let (forest, mut scores) = (forest?, scores?);
            let validation = scores.split_off(rows[index].0);
            Ok(TrainedHead { job, forest, scores, validation, baseline_scores: baseline_scores? })
        };
        heads.push(head());
    }
    Ok((heads, plans))
}

/// Raw scores of each forest for its rows, all in one batch. A forest that could not be trained passes on its error.
fn raw_scores<'a>(
    compute: &Compute,
    table: Table<'_>,
    forests: impl Iterator<Item = (&'a Result<Forest, BoostError>, &'a [u32])>,
) -> Result<Vec<Result<Vec<f64>, BoostError>>, EngineError> {
    let (mut jobs, mut errors) = (Vec::new(), Vec::new());
    for (forest, rows) in forests {
        errors.push(forest.as_ref().err().cloned());
        jobs.extend(forest.as_ref().ok().map(|forest| PredictJob { forest, rows }));
    }
    let mut scores = device::raw_scores_on(compute, table, &jobs)?.into_iter();
    let one = |error: Option<BoostError>| match error {
        Some(error) => Err(error),
        None => Ok(scores.next().unwrap_or_default()),
    };
    Ok(errors.into_iter().map(one).collect())
}
