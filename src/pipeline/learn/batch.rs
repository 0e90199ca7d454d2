//! Training all heads of all folds of some symbols in one batch, and what they say of their test windows.

use std::collections::{BTreeMap, HashMap};

use super::super::checkpoints::{FoldOutcome, Trained, Tuned};
use super::jobs::{self, EDGE, HEADS, WIN_LONG, WIN_SHORT};
use super::tune::Tuning;
use crate::boost::{self, BoostError, BoostJob, Forest, PredictJob, Table, mean_loss};
use crate::decide::Prediction;
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
}

/// One head of one fold, trained.
struct Head {
    job: BoostJob,
    forest: Forest,
    /// With the settings' own parameters, where the search chose others.
    own: Option<Forest>,
}

/// Trains some symbols, each with its folds; results stand in their order. `done` is called after each model that is
/// kept.
pub fn train(
    inputs: &Inputs<'_>,
    batch: &[(usize, Vec<Fold>)],
    done: &(dyn Fn() + Sync),
) -> Vec<Result<Trained, String>> {
    let Inputs { settings, panel, labels, tuning, .. } = *inputs;
    let (mut kept, mut untuned) = (Vec::new(), Vec::new());
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
            }
        }
    }
    let table = Table { values: &inputs.features.values, features: COUNT };
    let names = features::names();
    let results = boost::train(table, &names, &kept, &|_| done());
    let (places, untuned): (Vec<usize>, Vec<BoostJob>) = untuned.into_iter().unzip();
    let own = boost::train(table, &names, &untuned, &|_| ());
    let mut own: HashMap<usize, Result<Forest, BoostError>> = places.into_iter().zip(own).collect();
    let mut heads = kept.into_iter().zip(results).enumerate().map(|(place, (job, forest))| {
        let own = own.remove(&place).transpose().map_err(|error| error.to_string())?;
        Ok(Head { job, forest: forest.map_err(|error| error.to_string())?, own })
    });
    batch
        .iter()
        .map(|(symbol, folds)| {
            let taken: Vec<Result<Head, String>> = heads.by_ref().take(folds.len() * HEADS.len()).collect();
            let taken: Vec<Head> = taken.into_iter().collect::<Result<_, _>>()?;
            Ok(trained(inputs, table, *symbol, folds, taken))
        })
        .collect()
}

/// Puts a symbol's heads together, fold by fold.
fn trained(inputs: &Inputs<'_>, table: Table<'_>, symbol: usize, folds: &[Fold], heads: Vec<Head>) -> Trained {
    let mut outcomes = Vec::with_capacity(folds.len());
    let mut heads = heads.into_iter();
    let mut last: Option<(usize, BTreeMap<String, Head>)> = None;
    for fold in folds {
        let own: BTreeMap<String, Head> =
            HEADS.iter().map(|head| (*head).to_owned()).zip(heads.by_ref().take(HEADS.len())).collect();
        outcomes.push(outcome(inputs, table, symbol, fold, &own));
        let rows = own.values().next().map_or(0, |head| head.job.train.len());
        last = Some((rows, own));
    }
    let latest = outcomes.pop().map_or_else(|| folds[folds.len() - 1].clone(), |outcome| outcome.fold);
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
fn outcome(
    inputs: &Inputs<'_>,
    table: Table<'_>,
    symbol: usize,
    fold: &Fold,
    heads: &BTreeMap<String, Head>,
) -> FoldOutcome {
    let of = |name: &str, rows: &[u32], forest: &Forest| {
        let scores = boost::raw_scores(table, &[PredictJob { forest, rows }]).remove(0);
        let (labelled, labels) = jobs::labelled(inputs.panel, inputs.labels, symbol, &fold.test, name);
        // Bars without a label stand at the end of the data.
        let loss = mean_loss(forest.objective, &scores[..labelled.len()], &labels, &[], &mut Vec::new());
        (scores, (!labels.is_empty()).then_some(loss))
    };
    let cells: Vec<u32> = fold.test.clone().map(|bar| (symbol * inputs.panel.bars + bar) as u32).collect();
    let said: BTreeMap<&str, (Vec<f64>, Option<f64>)> =
        heads.iter().map(|(name, head)| (name.as_str(), of(name, &cells, &head.forest))).collect();
    let prediction = |i: usize| {
        let says = |head: &str| {
            let mut score = [said[head].0[i]];
            heads[head].forest.objective.transform(&mut score);
            score[0]
        };
        Prediction { win_long: says(WIN_LONG), win_short: says(WIN_SHORT), edge_bps: says(EDGE) }
    };
    let tuned = |(name, head): (&String, &Head)| {
        let chosen = inputs.tuning.chosen(&inputs.panel.symbols[symbol], fold, name)?;
        let test_loss = said[name.as_str()].1?;
        let own_test_loss = match &head.own {
            Some(own) => of(name, &cells, own).1?,
            None => test_loss,
        };
        Some((name.clone(), Tuned { chosen: chosen.clone(), test_loss, own_test_loss }))
    };
    let each = |what: &dyn Fn(&Head) -> Option<f64>| {
        heads.iter().filter_map(|(name, head)| Some((name.clone(), what(head)?))).collect()
    };
    FoldOutcome {
        fold: fold.clone(),
        train_rows: heads.values().next().map_or(0, |head| head.job.train.len()),
        rounds: heads.iter().map(|(name, head)| (name.clone(), head.forest.rounds())).collect(),
        validation_loss: each(&|head| head.forest.validation_loss.iter().copied().reduce(f64::min)),
        test_loss: said.iter().filter_map(|(name, (_, loss))| Some(((*name).to_owned(), (*loss)?))).collect(),
        digests: heads.iter().map(|(name, head)| (name.clone(), head.forest.digest())).collect(),
        params: heads.iter().map(|(name, head)| (name.clone(), head.job.params.clone())).collect(),
        tuned: heads.iter().filter_map(tuned).collect(),
        predictions: (0..cells.len()).map(prediction).collect(),
    }
}
