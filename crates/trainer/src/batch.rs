//! Trains all families of all folds of some symbols in one batch, and predicts their test windows.

use std::collections::BTreeMap;
use std::time::Instant;

use huracan_boost::{device::Plans, mean_loss};
use huracan_decide::{Head, Prediction};
use huracan_engine::EngineError;
use huracan_folds::Fold;

use super::inputs::TrainingInputs;
use super::mix::{self, FamilyPredictions};
use super::networks::{self, FoldNetworks};
use super::trees::{self, TrainedHead};
use super::{
    Family, FamilyModels, FamilyOutcome, FoldOutcome, Mix, ModelError, Networks, Observer, SymbolFolds, TrainedSymbol,
    TrainerParams, Tuned, jobs,
};

/// Number of models trained per fold.
pub fn models_per_fold(params: &TrainerParams) -> usize {
    let count = |family: &Family| match family {
        Family::Neural => params.models.neural.seeds as usize,
        Family::Gbdt | Family::Forest => Head::COUNT,
    };
    Family::of(params.models.kind).iter().map(count).sum()
}

/// One fold of a symbol, trained by all families.
struct TrainedFold {
    /// Trees of the first family.
    heads: BTreeMap<Head, TrainedHead>,
    /// Random forests, if they are a further family.
    forest: Option<BTreeMap<Head, TrainedHead>>,
    networks: Option<FoldNetworks>,
}

/// Trains some symbols with all their folds. Returns one result per symbol, in the order of `batch`, and where the
/// trees were trained if a device is used. A symbol whose training was cancelled gives an error.
///
/// # Errors
/// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
pub fn train(
    inputs: &TrainingInputs<'_>,
    batch: &[SymbolFolds],
    observer: &dyn Observer,
) -> Result<(Vec<Result<TrainedSymbol, ModelError>>, Plans), EngineError> {
    let families = Family::of(inputs.params.models.kind);
    let mut seconds = BTreeMap::new();
    let mut clock = Instant::now();
    let mut record_seconds = |family: Family| {
        seconds.insert(family, clock.elapsed().as_secs_f64() / batch.len() as f64);
        clock = Instant::now();
    };
    let (heads, mut plans) = trees::train(inputs, batch, families[0], observer)?;
    record_seconds(families[0]);
    let (mut forest, mut networks) = (None, None);
    for &family in &families[1..] {
        if family == Family::Neural {
            networks = Some(networks::train(inputs, batch, observer)?.into_iter());
        } else {
            let (trained, more) = trees::train(inputs, batch, family, observer)?;
            plans.extend(more);
            forest = Some(trained.into_iter());
        }
        record_seconds(family);
    }
    let mut heads = heads.into_iter();
    let one = |SymbolFolds { symbol, folds }: &SymbolFolds| {
        // Consumes all results of a symbol even if one failed, so that the next symbol starts at its own.
        let trained_folds: Vec<Result<TrainedFold, ModelError>> = (0..folds.len())
            .map(|_| {
                let main = by_head(&mut heads);
                let forest = forest.as_mut().map(by_head);
                let networks = networks.as_mut().and_then(Iterator::next);
                Ok(TrainedFold { heads: main?, forest: forest.transpose()?, networks: networks.transpose()? })
            })
            .collect();
        let trained_folds = trained_folds.into_iter().collect::<Result<Vec<TrainedFold>, ModelError>>()?;
        Ok(trained_symbol(inputs, *symbol, folds, trained_folds, seconds.clone()))
    };
    Ok((batch.iter().map(one).collect(), plans))
}

/// Takes the next fold's heads.
fn by_head(
    heads: &mut impl Iterator<Item = Result<TrainedHead, ModelError>>,
) -> Result<BTreeMap<Head, TrainedHead>, ModelError> {
    let taken: Vec<Result<TrainedHead, ModelError>> = heads.take(Head::COUNT).collect();
    let taken = taken.into_iter().collect::<Result<Vec<TrainedHead>, ModelError>>()?;
    Ok(Head::ALL.into_iter().zip(taken).collect())
}

/// Combines the folds of a symbol.
fn trained_symbol(
    inputs: &TrainingInputs<'_>,
    symbol: usize,
    folds: &[Fold],
    trained_folds: Vec<TrainedFold>,
    seconds: BTreeMap<Family, f64>,
) -> TrainedSymbol {
    let mut outcomes: Vec<FoldOutcome> =
        folds.iter().zip(&trained_folds).map(|(fold, trained)| outcome(inputs, symbol, fold, trained)).collect();
    let mix = outcomes.last().map(|outcome| outcome.mix.clone()).unwrap_or_default();
    // The latest window has no test part. If it was trained, its model is the final one, and it gives no outcome.
    let untested = outcomes.pop_if(|outcome| outcome.fold.test.is_empty());
    let latest = untested.map_or_else(|| folds[folds.len() - 1].clone(), |outcome| outcome.fold);
    let last = trained_folds.into_iter().last();
    let (heads, forest, networks) = last.map_or_else(Default::default, |last| (last.heads, last.forest, last.networks));
    let forests =
        |heads: BTreeMap<Head, TrainedHead>| heads.into_iter().map(|(name, head)| (name, head.forest)).collect();
    let forest = forest.map(|heads| (Family::Forest, FamilyModels::Trees(forests(heads))));
    let networks = networks.map(|networks| {
        (Family::Neural, FamilyModels::Networks(Networks { heads: Head::ALL.to_vec(), seeds: networks.networks }))
    });
    TrainedSymbol {
        symbol: inputs.panel.symbols[symbol].clone(),
        folds: outcomes,
        latest,
        train_rows: heads.values().next().map_or(0, |head| head.job.train.len()),
        digests: per_head(&heads, |_, head| Some(head.forest.digest())),
        params: per_head(&heads, |_, head| Some(head.job.params.clone())),
        heads: forests(heads),
        other_families: forest.into_iter().chain(networks).collect(),
        mix,
        seconds,
    }
}

/// Predictions of a fold's families for its test window, and their losses.
fn outcome(inputs: &TrainingInputs<'_>, symbol: usize, fold: &Fold, trained: &TrainedFold) -> FoldOutcome {
    let heads = &trained.heads;
    // Only bars at the end of the data lack a label, so the labels belong to the first scores.
    let labels = |head: Head| jobs::labelled_rows(inputs.panel, inputs.labels, symbol, &fold.test, head).1;
    let loss = |head: Head, scores: &[f64]| {
        let labels = labels(head);
        let loss = mean_loss(heads[&head].forest.objective, &scores[..labels.len()], &labels, &[], &mut Vec::new());
        (!labels.is_empty()).then_some(loss)
    };
    let tuned = |head: Head, trained: &TrainedHead| {
        let chosen = inputs.tuning.chosen(&inputs.panel.symbols[symbol], fold, head)?.clone();
        let test_loss = loss(head, &trained.scores)?;
        let baseline_test_loss = trained.baseline_scores.as_ref().map_or(Some(test_loss), |own| loss(head, own))?;
        Some(Tuned { chosen, test_loss, baseline_test_loss })
    };
    let mut outcome = FoldOutcome {
        fold: fold.clone(),
        train_rows: heads.values().next().map_or(0, |head| head.job.train.len()),
        rounds: per_head(heads, |_, head| Some(head.forest.rounds())),
        validation_loss: per_head(heads, |_, head| head.forest.kept_loss()),
        test_loss: per_head(heads, |head, trained| loss(head, &trained.scores)),
        digests: per_head(heads, |_, head| Some(head.forest.digest())),
        params: per_head(heads, |_, head| Some(head.job.params.clone())),
        tuned: per_head(heads, tuned),
        predictions: predictions(heads, |head| &head.scores),
        families: BTreeMap::new(),
        mix: Mix::new(),
    };
    if trained.forest.is_some() || trained.networks.is_some() {
        combine_families(inputs, symbol, trained, &mut outcome);
    }
    outcome
}

/// Fills in the outcome of each family, and replaces the predictions by those of the families that are best on the
/// validation rows, per head.
fn combine_families(inputs: &TrainingInputs<'_>, symbol: usize, trained: &TrainedFold, outcome: &mut FoldOutcome) {
    let kind = inputs.params.models.kind;
    let (mut predicted, mut families) = (BTreeMap::new(), BTreeMap::new());
    for (family, heads) in [(Family::of(kind)[0], Some(&trained.heads)), (Family::Forest, trained.forest.as_ref())] {
        let Some(heads) = heads else { continue };
        let (validation, test) = (predictions(heads, |head| &head.validation), predictions(heads, |head| &head.scores));
        predicted.insert(family, FamilyPredictions { validation, test });
        let by_name = |(head, trained): (&Head, &TrainedHead)| (head.name().to_owned(), trained.forest.rounds());
        let rounds = heads.iter().map(by_name).collect();
        let by_name = |(head, trained): (&Head, &TrainedHead)| (head.name().to_owned(), trained.forest.digest());
        let digests = heads.iter().map(by_name).collect();
        families.insert(family, FamilyOutcome { rounds, digests, ..FamilyOutcome::default() });
    }
    if let Some(networks) = &trained.networks {
        predicted.insert(Family::Neural, networks.predictions.clone());
        let seeds = || networks.networks.iter().enumerate().map(|(seed, network)| (seed.to_string(), network));
        let rounds = seeds().map(|(seed, network)| (seed, network.progress.best_epoch + 1)).collect();
        let digests = seeds().map(|(seed, network)| (seed, network.digest())).collect();
        let epochs = epochs(networks);
        families.insert(Family::Neural, FamilyOutcome { rounds, digests, epochs, ..FamilyOutcome::default() });
    }
    for head in Head::ALL {
        let (objective, validation) = (trained.heads[&head].forest.objective, &trained.heads[&head].job.valid_labels);
        let test = jobs::labelled_rows(inputs.panel, inputs.labels, symbol, &outcome.fold.test, head).1;
        for (family, outcome) in &mut families {
            let predictions = &predicted[family];
            let loss = mix::loss(objective, head, &predictions.validation, validation);
            outcome.validation_loss.extend(loss.map(|loss| (head, loss)));
            let loss = mix::loss(objective, head, &predictions.test, &test);
            outcome.test_loss.extend(loss.map(|loss| (head, loss)));
        }
        outcome.mix.insert(head, mix::choose(kind, objective, head, &predicted, validation));
    }
    let tests = predicted.iter().map(|(family, predictions)| (*family, predictions.test.as_slice())).collect();
    outcome.predictions = mix::blend(&outcome.mix, &tests, outcome.fold.test.len());
    for head in Head::ALL {
        let test = jobs::labelled_rows(inputs.panel, inputs.labels, symbol, &outcome.fold.test, head).1;
        let loss = mix::loss(trained.heads[&head].forest.objective, head, &outcome.predictions, &test);
        outcome.test_loss.extend(loss.map(|loss| (head, loss)));
    }
    for (family, outcome) in &mut families {
        outcome.predictions = predicted.remove(family).map(|predictions| predictions.test).unwrap_or_default();
    }
    outcome.families = families;
}

/// Mean training and validation loss per epoch, over the networks that reached it.
fn epochs(networks: &FoldNetworks) -> Vec<(f64, Option<f64>)> {
    let longest = networks.networks.iter().map(|network| network.progress.epochs.len()).max().unwrap_or(0);
    let mean = |number: usize| {
        let reached: Vec<_> = networks.networks.iter().filter_map(|n| n.progress.epochs.get(number)).collect();
        let count = reached.len() as f64;
        let validation: Option<Vec<f64>> = reached.iter().map(|epoch| epoch.validation_loss()).collect();
        (
            reached.iter().map(|epoch| epoch.train_loss).sum::<f64>() / count,
            validation.map(|losses| losses.iter().sum::<f64>() / count),
        )
    };
    (0..longest).map(mean).collect()
}

/// Predictions of the heads from some of their raw scores.
fn predictions(heads: &BTreeMap<Head, TrainedHead>, scores: impl Fn(&TrainedHead) -> &[f64]) -> Vec<Prediction> {
    let predicted = |head: Head, row: usize| heads[&head].predicted(scores(&heads[&head])[row]);
    let rows = scores(&heads[&Head::EdgeBps]).len();
    (0..rows).map(|row| Prediction::new(Head::ALL.map(|head| predicted(head, row)))).collect()
}

/// A value per head, for the heads that have it.
fn per_head<T>(heads: &BTreeMap<Head, TrainedHead>, of: impl Fn(Head, &TrainedHead) -> Option<T>) -> BTreeMap<Head, T> {
    heads.iter().filter_map(|(head, trained)| Some((*head, of(*head, trained)?))).collect()
}
