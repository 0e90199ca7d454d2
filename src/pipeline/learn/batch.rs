//! Training all families of all folds of some symbols in one batch, and what they say of their test windows.

use std::collections::BTreeMap;
use std::time::Instant;

use super::super::checkpoints::{Checkpoints, FamilyOutcome, FoldOutcome, Trained, Tuned};
use super::jobs::{self, EDGE, HEADS, WIN_LONG, WIN_SHORT};
use super::mix::{self, Said};
use super::networks;
use super::trees::{self, Head};
use super::tune::Tuning;
use crate::boost::device::Plans;
use crate::boost::mean_loss;
use crate::decide::Prediction;
use crate::engine::{Compute, EngineError};
use crate::features::Features;
use crate::folds::Fold;
use crate::labels::Labels;
use crate::market::Panel;
use crate::models::{Family, Member, Mix, Networks};
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

/// Who listens to training.
pub struct Listener<'a> {
    /// Once it says no, models are stopped where they are.
    pub wanted: &'a (dyn Fn() -> bool + Sync),
    /// Called after each model.
    pub done: &'a (dyn Fn() + Sync),
    /// Told how far networks are.
    pub told: &'a (dyn Fn(&str) + Sync),
    /// Where networks under way are kept, and go on from.
    pub checkpoints: Option<&'a Checkpoints>,
}

/// Models that are trained for each fold.
pub fn models_a_fold(settings: &Settings) -> usize {
    let of = |family: &Family| match family {
        Family::Neural => settings.models.neural.seeds as usize,
        Family::Gbdt | Family::Forest => HEADS.len(),
    };
    Family::of(settings.models.kind).iter().map(of).sum()
}

/// One fold of a symbol, as every family has trained it.
struct Parts {
    heads: BTreeMap<String, Head>,
    /// The trees of a second family.
    forest: Option<BTreeMap<String, Head>>,
    networks: Option<networks::Part>,
}

/// Trains some symbols, each with its folds; results stand in their order, with who trained the trees that are kept where a device
/// was asked. What is stopped, and so not whole, comes back as an error.
///
/// # Errors
/// Where the device fails and the CPU must not take its place.
pub fn train(
    inputs: &Inputs<'_>,
    batch: &[(usize, Vec<Fold>)],
    listener: &Listener<'_>,
) -> Result<(Vec<Result<Trained, String>>, Plans), EngineError> {
    let families = Family::of(inputs.settings.models.kind);
    let mut seconds = BTreeMap::new();
    let mut clock = Instant::now();
    let mut took = |family: Family| {
        seconds.insert(family, clock.elapsed().as_secs_f64() / batch.len() as f64);
        clock = Instant::now();
    };
    let (heads, mut plans) = trees::train(inputs, batch, families[0], listener)?;
    took(families[0]);
    let (mut forest, mut networks) = (None, None);
    for &family in &families[1..] {
        if family == Family::Neural {
            networks = Some(networks::train(inputs, batch, listener)?.into_iter());
        } else {
            let (trained, more) = trees::train(inputs, batch, family, listener)?;
            plans.extend(more);
            forest = Some(trained.into_iter());
        }
        took(family);
    }
    let mut heads = heads.into_iter();
    let one = |(symbol, folds): &(usize, Vec<Fold>)| {
        // All of a symbol's parts are taken, whether they are whole or not.
        let parts: Vec<Result<Parts, String>> = (0..folds.len())
            .map(|_| {
                let main = by_head(&mut heads);
                let forest = forest.as_mut().map(by_head);
                let networks = networks.as_mut().and_then(Iterator::next);
                Ok(Parts { heads: main?, forest: forest.transpose()?, networks: networks.transpose()? })
            })
            .collect();
        let parts = parts.into_iter().collect::<Result<Vec<Parts>, String>>()?;
        Ok(trained(inputs, *symbol, folds, parts, seconds.clone()))
    };
    Ok((batch.iter().map(one).collect(), plans))
}

/// The next fold's heads.
fn by_head(heads: &mut impl Iterator<Item = Result<Head, String>>) -> Result<BTreeMap<String, Head>, String> {
    let taken: Vec<Result<Head, String>> = heads.take(HEADS.len()).collect();
    let taken = taken.into_iter().collect::<Result<Vec<Head>, String>>()?;
    Ok(HEADS.iter().map(|head| (*head).to_owned()).zip(taken).collect())
}

/// Puts a symbol's parts together, fold by fold.
fn trained(
    inputs: &Inputs<'_>,
    symbol: usize,
    folds: &[Fold],
    parts: Vec<Parts>,
    seconds: BTreeMap<Family, f64>,
) -> Trained {
    let mut outcomes: Vec<FoldOutcome> =
        folds.iter().zip(&parts).map(|(fold, parts)| outcome(inputs, symbol, fold, parts)).collect();
    let mix = outcomes.last().map(|outcome| outcome.mix.clone()).unwrap_or_default();
    // The window without a test part, where there is one, is the last model's own, and no outcome.
    let untested = outcomes.pop_if(|outcome| outcome.fold.test.is_empty());
    let latest = untested.map_or_else(|| folds[folds.len() - 1].clone(), |outcome| outcome.fold);
    let last = parts.into_iter().last();
    let (heads, forest, networks) = last.map_or_else(Default::default, |last| (last.heads, last.forest, last.networks));
    let forests = |heads: BTreeMap<String, Head>| heads.into_iter().map(|(name, head)| (name, head.forest)).collect();
    let forest = forest.map(|heads| (Family::Forest, Member::Trees(forests(heads))));
    let networks = networks.map(|networks| {
        (
            Family::Neural,
            Member::Networks(Networks { heads: HEADS.map(str::to_owned).to_vec(), seeds: networks.networks }),
        )
    });
    Trained {
        symbol: inputs.panel.symbols[symbol].clone(),
        folds: outcomes,
        latest,
        train_rows: heads.values().next().map_or(0, |head| head.job.train.len()),
        digests: each(&heads, |_, head| Some(head.forest.digest())),
        params: each(&heads, |_, head| Some(head.job.params.clone())),
        heads: forests(heads),
        beside: forest.into_iter().chain(networks).collect(),
        mix,
        seconds,
    }
}

/// What a fold's families say of its test window, and how far they are from its labels.
fn outcome(inputs: &Inputs<'_>, symbol: usize, fold: &Fold, parts: &Parts) -> FoldOutcome {
    let heads = &parts.heads;
    // Bars without a label stand at the end of the data.
    let labels = |name: &str| jobs::labelled(inputs.panel, inputs.labels, symbol, &fold.test, name).1;
    let loss = |name: &str, scores: &[f64]| {
        let labels = labels(name);
        let loss = mean_loss(heads[name].forest.objective, &scores[..labels.len()], &labels, &[], &mut Vec::new());
        (!labels.is_empty()).then_some(loss)
    };
    let tuned = |name: &str, head: &Head| {
        let chosen = inputs.tuning.chosen(&inputs.panel.symbols[symbol], fold, name)?.clone();
        let test_loss = loss(name, &head.scores)?;
        let own_test_loss = head.own_scores.as_ref().map_or(Some(test_loss), |own| loss(name, own))?;
        Some(Tuned { chosen, test_loss, own_test_loss })
    };
    let mut outcome = FoldOutcome {
        fold: fold.clone(),
        train_rows: heads.values().next().map_or(0, |head| head.job.train.len()),
        rounds: each(heads, |_, head| Some(head.forest.rounds())),
        validation_loss: each(heads, |_, head| head.forest.kept_loss()),
        test_loss: each(heads, |name, head| loss(name, &head.scores)),
        digests: each(heads, |_, head| Some(head.forest.digest())),
        params: each(heads, |_, head| Some(head.job.params.clone())),
        tuned: each(heads, tuned),
        predictions: predictions(heads, |head| &head.scores),
        families: BTreeMap::new(),
        mix: Mix::new(),
    };
    if parts.forest.is_some() || parts.networks.is_some() {
        several(inputs, symbol, parts, &mut outcome);
    }
    outcome
}

/// Lets several families speak: each by itself, and for each head those that were best on the validation rows.
fn several(inputs: &Inputs<'_>, symbol: usize, parts: &Parts, outcome: &mut FoldOutcome) {
    let kind = inputs.settings.models.kind;
    let (mut said, mut families) = (BTreeMap::new(), BTreeMap::new());
    for (family, heads) in [(Family::of(kind)[0], Some(&parts.heads)), (Family::Forest, parts.forest.as_ref())] {
        let Some(heads) = heads else { continue };
        let (validation, test) = (predictions(heads, |head| &head.validation), predictions(heads, |head| &head.scores));
        said.insert(family, Said { validation, test });
        let rounds = each(heads, |_, head| Some(head.forest.rounds()));
        let digests = each(heads, |_, head| Some(head.forest.digest()));
        families.insert(family, FamilyOutcome { rounds, digests, ..FamilyOutcome::default() });
    }
    if let Some(networks) = &parts.networks {
        said.insert(Family::Neural, networks.said.clone());
        let seeds = || networks.networks.iter().enumerate().map(|(seed, network)| (seed.to_string(), network));
        let rounds = seeds().map(|(seed, network)| (seed, network.progress.best_epoch + 1)).collect();
        let digests = seeds().map(|(seed, network)| (seed, network.digest())).collect();
        let epochs = epochs(networks);
        families.insert(Family::Neural, FamilyOutcome { rounds, digests, epochs, ..FamilyOutcome::default() });
    }
    for head in HEADS {
        let (objective, validation) = (parts.heads[head].forest.objective, &parts.heads[head].job.valid_labels);
        let test = jobs::labelled(inputs.panel, inputs.labels, symbol, &outcome.fold.test, head).1;
        for (family, outcome) in &mut families {
            let said = &said[family];
            let found = mix::loss(objective, head, &said.validation, validation);
            outcome.validation_loss.extend(found.map(|loss| (head.to_owned(), loss)));
            let found = mix::loss(objective, head, &said.test, &test);
            outcome.test_loss.extend(found.map(|loss| (head.to_owned(), loss)));
        }
        outcome.mix.insert(head.to_owned(), mix::choose(kind, objective, head, &said, validation));
    }
    let tests = said.iter().map(|(family, said)| (*family, said.test.as_slice())).collect();
    outcome.predictions = mix::blend(&outcome.mix, &tests, outcome.fold.test.len());
    for head in HEADS {
        let test = jobs::labelled(inputs.panel, inputs.labels, symbol, &outcome.fold.test, head).1;
        let found = mix::loss(parts.heads[head].forest.objective, head, &outcome.predictions, &test);
        outcome.test_loss.extend(found.map(|loss| (head.to_owned(), loss)));
    }
    for (family, outcome) in &mut families {
        outcome.predictions = said.remove(family).map(|said| said.test).unwrap_or_default();
    }
    outcome.families = families;
}

/// Mean training and validation loss of networks by epoch, of those that have come so far.
fn epochs(networks: &networks::Part) -> Vec<(f64, Option<f64>)> {
    let longest = networks.networks.iter().map(|network| network.progress.epochs.len()).max().unwrap_or(0);
    let mean = |number: usize| {
        let there: Vec<_> = networks.networks.iter().filter_map(|n| n.progress.epochs.get(number)).collect();
        let count = there.len() as f64;
        let validation: Option<Vec<f64>> = there.iter().map(|epoch| epoch.validation_loss()).collect();
        (
            there.iter().map(|epoch| epoch.train_loss).sum::<f64>() / count,
            validation.map(|losses| losses.iter().sum::<f64>() / count),
        )
    };
    (0..longest).map(mean).collect()
}

/// What the heads predict by some of their raw scores.
fn predictions(heads: &BTreeMap<String, Head>, scores: impl Fn(&Head) -> &[f64]) -> Vec<Prediction> {
    let says = |head: &str, row: usize| heads[head].says(scores(&heads[head])[row]);
    let one =
        |row| Prediction { win_long: says(WIN_LONG, row), win_short: says(WIN_SHORT, row), edge_bps: says(EDGE, row) };
    (0..scores(&heads[EDGE]).len()).map(one).collect()
}

/// Something of each head that has it, by name.
fn each<T>(heads: &BTreeMap<String, Head>, of: impl Fn(&str, &Head) -> Option<T>) -> BTreeMap<String, T> {
    heads.iter().filter_map(|(name, head)| Some((name.clone(), of(name, head)?))).collect()
}
