//! Training all families of all folds of some symbols in one batch, and what they say of their test windows.

use std::collections::BTreeMap;
use std::time::Instant;

use huracan_bars::Panel;
use huracan_boost::{device::Plans, mean_loss};
use huracan_decide::{Head, Prediction};
use huracan_engine::{Compute, EngineError};
use huracan_features::Features;
use huracan_folds::Fold;
use huracan_labels::Labels;

use super::mix::{self, FamilyPredictions};
use super::networks::{self, FoldNetworks};
use super::trees::{self, TrainedHead};
use super::{
    Family, FamilyOutcome, FoldOutcome, Member, Mix, ModelError, Networks, Observer, SymbolFolds, Trained,
    TrainerParams, Tuned, Tuning, jobs,
};

/// What every symbol's training looks at.
pub struct Inputs<'a> {
    pub params: &'a TrainerParams,
    pub panel: &'a Panel,
    pub features: &'a Features,
    pub labels: &'a Labels,
    pub tuning: &'a Tuning,
    pub compute: &'a Compute,
}

/// Models that are trained for each fold.
pub fn models_per_fold(params: &TrainerParams) -> usize {
    let of = |family: &Family| match family {
        Family::Neural => params.models.neural.seeds as usize,
        Family::Gbdt | Family::Forest => Head::COUNT,
    };
    Family::of(params.models.kind).iter().map(of).sum()
}

/// One fold of a symbol, as every family has trained it.
struct TrainedFold {
    heads: BTreeMap<Head, TrainedHead>,
    /// The trees of a second family.
    forest: Option<BTreeMap<Head, TrainedHead>>,
    networks: Option<FoldNetworks>,
}

/// Trains some symbols, each with its folds; results stand in their order, with who trained the trees that are kept where a device
/// was asked. What is stopped, and so not whole, comes back as an error.
///
/// # Errors
/// Where the device fails and the CPU must not take its place.
pub fn train(
    inputs: &Inputs<'_>,
    batch: &[SymbolFolds],
    observer: &dyn Observer,
) -> Result<(Vec<Result<Trained, ModelError>>, Plans), EngineError> {
    let families = Family::of(inputs.params.models.kind);
    let mut seconds = BTreeMap::new();
    let mut clock = Instant::now();
    let mut took = |family: Family| {
        seconds.insert(family, clock.elapsed().as_secs_f64() / batch.len() as f64);
        clock = Instant::now();
    };
    let (heads, mut plans) = trees::train(inputs, batch, families[0], observer)?;
    took(families[0]);
    let (mut forest, mut networks) = (None, None);
    for &family in &families[1..] {
        if family == Family::Neural {
            networks = Some(networks::train(inputs, batch, observer)?.into_iter());
        } else {
            let (trained, more) = trees::train(inputs, batch, family, observer)?;
            plans.extend(more);
            forest = Some(trained.into_iter());
        }
        took(family);
    }
    let mut heads = heads.into_iter();
    let one = |SymbolFolds { symbol, folds }: &SymbolFolds| {
        // Everything of a symbol is taken, whether it is whole or not.
        let trained_folds: Vec<Result<TrainedFold, ModelError>> = (0..folds.len())
            .map(|_| {
                let main = by_head(&mut heads);
                let forest = forest.as_mut().map(by_head);
                let networks = networks.as_mut().and_then(Iterator::next);
                Ok(TrainedFold { heads: main?, forest: forest.transpose()?, networks: networks.transpose()? })
            })
            .collect();
        let trained_folds = trained_folds.into_iter().collect::<Result<Vec<TrainedFold>, ModelError>>()?;
        Ok(trained(inputs, *symbol, folds, trained_folds, seconds.clone()))
    };
    Ok((batch.iter().map(one).collect(), plans))
}

/// The next fold's heads.
fn by_head(
    heads: &mut impl Iterator<Item = Result<TrainedHead, ModelError>>,
) -> Result<BTreeMap<Head, TrainedHead>, ModelError> {
    let taken: Vec<Result<TrainedHead, ModelError>> = heads.take(Head::COUNT).collect();
    let taken = taken.into_iter().collect::<Result<Vec<TrainedHead>, ModelError>>()?;
    Ok(Head::ALL.into_iter().zip(taken).collect())
}

/// Puts a symbol's folds together.
fn trained(
    inputs: &Inputs<'_>,
    symbol: usize,
    folds: &[Fold],
    trained_folds: Vec<TrainedFold>,
    seconds: BTreeMap<Family, f64>,
) -> Trained {
    let mut outcomes: Vec<FoldOutcome> =
        folds.iter().zip(&trained_folds).map(|(fold, of)| outcome(inputs, symbol, fold, of)).collect();
    let mix = outcomes.last().map(|outcome| outcome.mix.clone()).unwrap_or_default();
    // The window without a test part, where there is one, is the last model's own, and no outcome.
    let untested = outcomes.pop_if(|outcome| outcome.fold.test.is_empty());
    let latest = untested.map_or_else(|| folds[folds.len() - 1].clone(), |outcome| outcome.fold);
    let last = trained_folds.into_iter().last();
    let (heads, forest, networks) = last.map_or_else(Default::default, |last| (last.heads, last.forest, last.networks));
    let forests =
        |heads: BTreeMap<Head, TrainedHead>| heads.into_iter().map(|(name, head)| (name, head.forest)).collect();
    let forest = forest.map(|heads| (Family::Forest, Member::Trees(forests(heads))));
    let networks = networks.map(|networks| {
        (Family::Neural, Member::Networks(Networks { heads: Head::ALL.to_vec(), seeds: networks.networks }))
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
fn outcome(inputs: &Inputs<'_>, symbol: usize, fold: &Fold, parts: &TrainedFold) -> FoldOutcome {
    let heads = &parts.heads;
    // Bars without a label stand at the end of the data.
    let labels = |head: Head| jobs::labelled_rows(inputs.panel, inputs.labels, symbol, &fold.test, head).1;
    let loss = |head: Head, scores: &[f64]| {
        let labels = labels(head);
        let loss = mean_loss(heads[&head].forest.objective, &scores[..labels.len()], &labels, &[], &mut Vec::new());
        (!labels.is_empty()).then_some(loss)
    };
    let tuned = |head: Head, trained: &TrainedHead| {
        let chosen = inputs.tuning.chosen(&inputs.panel.symbols[symbol], fold, head)?.clone();
        let test_loss = loss(head, &trained.scores)?;
        let own_test_loss = trained.own_scores.as_ref().map_or(Some(test_loss), |own| loss(head, own))?;
        Some(Tuned { chosen, test_loss, own_test_loss })
    };
    let mut outcome = FoldOutcome {
        fold: fold.clone(),
        train_rows: heads.values().next().map_or(0, |head| head.job.train.len()),
        rounds: each(heads, |_, head| Some(head.forest.rounds())),
        validation_loss: each(heads, |_, head| head.forest.kept_loss()),
        test_loss: each(heads, |head, trained| loss(head, &trained.scores)),
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
fn several(inputs: &Inputs<'_>, symbol: usize, parts: &TrainedFold, outcome: &mut FoldOutcome) {
    let kind = inputs.params.models.kind;
    let (mut said, mut families) = (BTreeMap::new(), BTreeMap::new());
    for (family, heads) in [(Family::of(kind)[0], Some(&parts.heads)), (Family::Forest, parts.forest.as_ref())] {
        let Some(heads) = heads else { continue };
        let (validation, test) = (predictions(heads, |head| &head.validation), predictions(heads, |head| &head.scores));
        said.insert(family, FamilyPredictions { validation, test });
        let by_name = |(head, trained): (&Head, &TrainedHead)| (head.name().to_owned(), trained.forest.rounds());
        let rounds = heads.iter().map(by_name).collect();
        let by_name = |(head, trained): (&Head, &TrainedHead)| (head.name().to_owned(), trained.forest.digest());
        let digests = heads.iter().map(by_name).collect();
        families.insert(family, FamilyOutcome { rounds, digests, ..FamilyOutcome::default() });
    }
    if let Some(networks) = &parts.networks {
        said.insert(Family::Neural, networks.predictions.clone());
        let seeds = || networks.networks.iter().enumerate().map(|(seed, network)| (seed.to_string(), network));
        let rounds = seeds().map(|(seed, network)| (seed, network.progress.best_epoch + 1)).collect();
        let digests = seeds().map(|(seed, network)| (seed, network.digest())).collect();
        let epochs = epochs(networks);
        families.insert(Family::Neural, FamilyOutcome { rounds, digests, epochs, ..FamilyOutcome::default() });
    }
    for head in Head::ALL {
        let (objective, validation) = (parts.heads[&head].forest.objective, &parts.heads[&head].job.valid_labels);
        let test = jobs::labelled_rows(inputs.panel, inputs.labels, symbol, &outcome.fold.test, head).1;
        for (family, outcome) in &mut families {
            let said = &said[family];
            let found = mix::loss(objective, head, &said.validation, validation);
            outcome.validation_loss.extend(found.map(|loss| (head, loss)));
            let found = mix::loss(objective, head, &said.test, &test);
            outcome.test_loss.extend(found.map(|loss| (head, loss)));
        }
        outcome.mix.insert(head, mix::choose(kind, objective, head, &said, validation));
    }
    let tests = said.iter().map(|(family, said)| (*family, said.test.as_slice())).collect();
    outcome.predictions = mix::blend(&outcome.mix, &tests, outcome.fold.test.len());
    for head in Head::ALL {
        let test = jobs::labelled_rows(inputs.panel, inputs.labels, symbol, &outcome.fold.test, head).1;
        let found = mix::loss(parts.heads[&head].forest.objective, head, &outcome.predictions, &test);
        outcome.test_loss.extend(found.map(|loss| (head, loss)));
    }
    for (family, outcome) in &mut families {
        outcome.predictions = said.remove(family).map(|said| said.test).unwrap_or_default();
    }
    outcome.families = families;
}

/// Mean training and validation loss of networks by epoch, of those that have come so far.
fn epochs(networks: &FoldNetworks) -> Vec<(f64, Option<f64>)> {
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
fn predictions(heads: &BTreeMap<Head, TrainedHead>, scores: impl Fn(&TrainedHead) -> &[f64]) -> Vec<Prediction> {
    let predicted = |head: Head, row: usize| heads[&head].predicted(scores(&heads[&head])[row]);
    let rows = scores(&heads[&Head::EdgeBps]).len();
    (0..rows).map(|row| Prediction::new(Head::ALL.map(|head| predicted(head, row)))).collect()
}

/// Something of each head that has it.
fn each<T>(heads: &BTreeMap<Head, TrainedHead>, of: impl Fn(Head, &TrainedHead) -> Option<T>) -> BTreeMap<Head, T> {
    heads.iter().filter_map(|(head, trained)| Some((*head, of(*head, trained)?))).collect()
}
