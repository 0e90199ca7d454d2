//! Training all heads of all folds of some symbols in one batch, and what they say of their test windows.

use std::collections::{BTreeMap, HashMap};

use super::super::checkpoints::{FoldOutcome, Trained, Tuned};
use super::jobs::{self, EDGE, HEADS, WIN_LONG, WIN_SHORT};
use super::tune::Tuning;
use crate::boost::device::{self, Plans};
use crate::boost::{BoostError, BoostJob, Forest, PredictJob, Table, mean_loss};
use crate::decide::Prediction;
use crate::engine::{Compute, EngineError};
use crate::features::{self, COUNT, Features};
use crate::folds::Fold;
use crate::labels::Labels;
use crate::market::Panel;
use crate::settings::Settings;

/// What every symbol's training looks at.
pub struct Inputs<'a> {
    pub settings: &'a Settings,
    pub panel: &'a Panel,
    pub features: &'a Features,
    pub labels: &'a Labels,
    pub tuning: &'a Tuning,
    pub compute: &'a Compute,
}

/// One head of one fold, trained, and what it says of the fold's test window.
struct Head {
    job: BoostJob,
    forest: Forest,
    /// Raw scores, one a bar of the test window.
    scores: Vec<f64>,
    /// Those of a forest with the settings' own parameters, where the search chose others.
    own_scores: Option<Vec<f64>>,
}

/// Trains some symbols, each with its folds; results stand in their order, with who trained the models that are kept where
/// a device was asked. `done` is called after each of them. Once `wanted` says no, models are stopped where they are, and what is not whole comes back as an error.
///
/// # Errors
/// Where the device fails and the CPU must not take its place.
pub fn train(
    inputs: &Inputs<'_>,
    batch: &[(usize, Vec<Fold>)],
    wanted: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn() + Sync),
) -> Result<(Vec<Result<Trained, String>>, Plans), EngineError> {
    let Inputs { settings, panel, labels, tuning, compute, .. } = *inputs;
    let (mut kept, mut tests, mut untuned) = (Vec::new(), Vec::new(), Vec::new());
    for (symbol, folds) in batch {
        for fold in folds {
            for head in HEADS {
                let params = tuning.params(settings, &panel.symbols[*symbol], fold, head);
                let job = jobs::job(panel, labels, *symbol, fold, head, params);
                // What the search gained is told by training what it left; the last window has no test to tell it by.
                let own = jobs::params(&settings.models, head, settings.seed);
                if own != job.params && !fold.test.is_empty() {
                    untuned.push((kept.len(), BoostJob { params: own, ..job.clone() }));
                }
                kept.push(job);
                tests.push(fold.test.clone().map(|bar| (symbol * panel.bars + bar) as u32).collect::<Vec<u32>>());
            }
        }
    }
    let table = Table { values: &inputs.features.values, features: COUNT };
    let names = features::names();
    let (results, plans) = device::train_on(compute, table, &names, &kept, wanted, &|_| done())?;
    let (places, untuned): (Vec<usize>, Vec<BoostJob>) = untuned.into_iter().unzip();
    let (own, _) = device::train_on(compute, table, &names, &untuned, wanted, &|_| ())?;

    let told = scores(compute, table, results.iter().zip(&tests))?;
    let own_told = scores(compute, table, own.iter().zip(places.iter().map(|&place| &tests[place])))?;
    let mut own_told: HashMap<usize, Result<Vec<f64>, String>> = places.into_iter().zip(own_told).collect();
    let mut heads = kept.into_iter().zip(results).zip(told).enumerate().map(|(place, ((job, forest), scores))| {
        let forest = forest.map_err(|error| error.to_string())?;
        Ok(Head { job, forest, scores: scores?, own_scores: own_told.remove(&place).transpose()? })
    });
    let one = |(symbol, folds): &(usize, Vec<Fold>)| {
        let taken: Vec<Result<Head, String>> = heads.by_ref().take(folds.len() * HEADS.len()).collect();
        let taken: Vec<Head> = taken.into_iter().collect::<Result<_, _>>()?;
        Ok(trained(inputs, *symbol, folds, taken))
    };
    Ok((batch.iter().map(one).collect(), plans))
}

/// Raw scores of every forest that could be trained for its rows, all in one batch; else why there is none.
fn scores<'a>(
    compute: &Compute,
    table: Table<'_>,
    forests: impl Iterator<Item = (&'a Result<Forest, BoostError>, &'a Vec<u32>)>,
) -> Result<Vec<Result<Vec<f64>, String>>, EngineError> {
    let (mut jobs, mut faults) = (Vec::new(), Vec::new());
    for (forest, rows) in forests {
        faults.push(forest.as_ref().err().map(BoostError::to_string));
        jobs.extend(forest.as_ref().ok().map(|forest| PredictJob { forest, rows }));
    }
    let mut scores = device::raw_scores_on(compute, table, &jobs)?.into_iter();
    let one = |fault: Option<String>| match fault {
        Some(fault) => Err(fault),
        None => Ok(scores.next().unwrap_or_default()),
    };
    Ok(faults.into_iter().map(one).collect())
}

/// Puts a symbol's heads together, fold by fold.
fn trained(inputs: &Inputs<'_>, symbol: usize, folds: &[Fold], heads: Vec<Head>) -> Trained {
    let mut outcomes = Vec::with_capacity(folds.len());
    let mut heads = heads.into_iter();
    let mut last: Option<(usize, BTreeMap<String, Head>)> = None;
    for fold in folds {
        let own: BTreeMap<String, Head> =
            HEADS.iter().map(|head| (*head).to_owned()).zip(heads.by_ref().take(HEADS.len())).collect();
        outcomes.push(outcome(inputs, symbol, fold, &own));
        let rows = own.values().next().map_or(0, |head| head.job.train.len());
        last = Some((rows, own));
    }
    // The window without a test part, where there is one, is the last model's own, and no outcome.
    let untested = outcomes.pop_if(|outcome| outcome.fold.test.is_empty());
    let latest = untested.map_or_else(|| folds[folds.len() - 1].clone(), |outcome| outcome.fold);
    let (train_rows, heads) = last.unwrap_or_default();
    Trained {
        symbol: inputs.panel.symbols[symbol].clone(),
        folds: outcomes,
        latest,
        train_rows,
        digests: heads.iter().map(|(name, head)| (name.clone(), head.forest.digest())).collect(),
        params: heads.iter().map(|(name, head)| (name.clone(), head.job.params.clone())).collect(),
        heads: heads.into_iter().map(|(name, head)| (name, head.forest)).collect(),
    }
}

/// What a fold's heads say of its test window, and how far they are from its labels.
fn outcome(inputs: &Inputs<'_>, symbol: usize, fold: &Fold, heads: &BTreeMap<String, Head>) -> FoldOutcome {
    let prediction = |bar: usize| {
        let says = |head: &str| {
            let mut score = [heads[head].scores[bar]];
            heads[head].forest.objective.transform(&mut score);
            score[0]
        };
        Prediction { win_long: says(WIN_LONG), win_short: says(WIN_SHORT), edge_bps: says(EDGE) }
    };
    let loss = |name: &str, scores: &[f64]| {
        // Bars without a label stand at the end of the data.
        let (_, labels) = jobs::labelled(inputs.panel, inputs.labels, symbol, &fold.test, name);
        let scores = &scores[..labels.len()];
        let loss = mean_loss(heads[name].forest.objective, scores, &labels, &[], &mut Vec::new());
        (!labels.is_empty()).then_some(loss)
    };
    let tuned = |name: &str, head: &Head| {
        let chosen = inputs.tuning.chosen(&inputs.panel.symbols[symbol], fold, name)?.clone();
        let test_loss = loss(name, &head.scores)?;
        let own_test_loss = head.own_scores.as_ref().map_or(Some(test_loss), |own| loss(name, own))?;
        Some(Tuned { chosen, test_loss, own_test_loss })
    };
    FoldOutcome {
        fold: fold.clone(),
        train_rows: heads.values().next().map_or(0, |head| head.job.train.len()),
        rounds: each(heads, |_, head| Some(head.forest.rounds())),
        validation_loss: each(heads, |_, head| head.forest.kept_loss()),
        test_loss: each(heads, |name, head| loss(name, &head.scores)),
        digests: each(heads, |_, head| Some(head.forest.digest())),
        params: each(heads, |_, head| Some(head.job.params.clone())),
        tuned: each(heads, tuned),
        predictions: (0..fold.test.len()).map(prediction).collect(),
    }
}

/// Something of each head that has it, by name.
fn each<T>(heads: &BTreeMap<String, Head>, of: impl Fn(&str, &Head) -> Option<T>) -> BTreeMap<String, T> {
    heads.iter().filter_map(|(name, head)| Some((name.clone(), of(name, head)?))).collect()
}
