//! Trains all families of all folds of some units in one batch, and scores the symbols' validation parts and test windows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use huracan_boost::device::Plans;
use huracan_boost::{BoostJob, Objective, PackedForest};
use huracan_decide::{Head, Scores, log_odds};
use huracan_engine::EngineError;
use huracan_folds::Fold;
use huracan_neural::Network;

use super::inputs::TrainingInputs;
use super::reasons::EdgeTrees;
use super::scores::{FoldScores, Part};
use super::trees::{self, Scored, SharedForests, TrainedHeads, forests};
use super::{
    Family, FamilyModels, FamilyOutcome, FoldOutcome, Mix, ModelError, ModelScope, ModelScores, Networks, Observer,
    SymbolFolds, TrainedSymbol, TrainerParams, Tuned, Unit, UnitFolds, jobs, mix, networks, scores,
};

/// Number of models trained per fold of a unit.
pub fn models_per_fold(params: &TrainerParams) -> usize {
    let count = |family: &Family| match family {
        Family::Neural => params.models.neural.seeds as usize,
        Family::Gbdt | Family::Forest | Family::Own => Head::COUNT,
    };
    Family::of(params.models.kind).iter().map(count).sum()
}

/// The trained models of some units.
pub struct TrainedUnits {
    /// By name of the unit and number of the fold.
    folds: BTreeMap<(String, usize), Result<TrainedFold, ModelError>>,
    /// Training time per family, seconds.
    seconds: BTreeMap<Family, f64>,
    /// Where the trees were trained, if a device is used.
    pub plans: Plans,
    /// Of a pool with several families, the mix of each fold, by number.
    mixes: BTreeMap<usize, Mix>,
    /// The trees of final models.
    last: SharedForests,
}

/// One fold of a unit, trained by all families.
#[derive(Clone)]
struct TrainedFold {
    /// Trees of the first family.
    heads: TrainedHeads,
    /// Random forests, if they are a further family.
    forest: Option<TrainedHeads>,
    networks: Option<Arc<Vec<Network>>>,
}

/// A fold of a symbol with the models that predict it, and their scores.
struct ScoredFold<'a> {
    symbol: usize,
    fold: &'a Fold,
    models: TrainedFold,
    /// Per family, in the order of training.
    scores: BTreeMap<Family, FoldScores>,
    /// Scores with the parameters of the settings, where the search chose others.
    baseline: Option<FoldScores>,
    /// The coin's own trees and their scores.
    own: Option<(TrainedHeads, FoldScores)>,
    mix: Mix,
}

/// Trains all families of some units.
///
/// # Errors
/// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
pub fn train(
    inputs: &TrainingInputs<'_>,
    units: &[UnitFolds],
    observer: &dyn Observer,
) -> Result<TrainedUnits, EngineError> {
    let families = Family::of(inputs.params.models.kind);
    let (mut seconds, mut clock) = (BTreeMap::new(), Instant::now());
    let mut record_seconds = |family: Family| {
        seconds.insert(family, clock.elapsed().as_secs_f64());
        clock = Instant::now();
    };
    let (heads, mut plans) = trees::train(inputs, units, families[0], observer)?;
    record_seconds(families[0]);
    let (mut forest, mut networks) = (None, None);
    for &family in &families[1..] {
        if family == Family::Neural {
            networks = Some(networks::train(inputs, units, observer)?.into_iter());
        } else {
            let (trained, more) = trees::train(inputs, units, family, observer)?;
            plans.extend(more);
            forest = Some(trained.into_iter());
        }
        record_seconds(family);
    }
    let names = units.iter().flat_map(|own| own.folds.iter().map(|fold| (own.unit.name.clone(), fold.index)));
    let folds = names.zip(heads).map(|(name, heads)| {
        // Takes the results of every fold even if one failed, so that the next fold finds its own.
        let forest = forest.as_mut().and_then(Iterator::next).transpose();
        let networks = networks.as_mut().and_then(Iterator::next).transpose();
        let one = || Ok(TrainedFold { heads: heads?, forest: forest?, networks: networks? });
        (name, one())
    });
    Ok(TrainedUnits { folds: folds.collect(), seconds, plans, mixes: BTreeMap::new(), last: SharedForests::default() })
}

/// Chooses the families of a pool's folds by the validation rows of all `symbols`, whatever batches they are scored in later.
///
/// # Errors
/// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
pub fn choose_pool_families(
    inputs: &TrainingInputs<'_>,
    trained: &mut TrainedUnits,
    symbols: &[SymbolFolds],
) -> Result<(), EngineError> {
    if Family::of(inputs.params.models.kind).len() < 2 {
        return Ok(());
    }
    let mut folds = Vec::new();
    for SymbolFolds { symbol, folds: own } in symbols {
        for fold in own {
            if let Some(Ok(models)) = trained.folds.get(&(Unit::POOL.to_owned(), fold.index)) {
                folds.push((*symbol, fold, models.clone()));
            }
        }
    }
    let mut scored = scored(inputs, folds)?;
    choose_families(inputs, &mut scored, |fold| fold.fold.index);
    trained.mixes = scored.into_iter().map(|fold| (fold.fold.index, fold.mix)).collect();
    Ok(())
}

/// Scores the folds of some symbols by the models of their units, the coins themselves or the pool, and makes their results.
/// One per symbol, in the order of `batch`. With scope `partial`, a coin's own trees learn what the pool leaves over.
///
/// # Errors
/// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
pub fn finish(
    inputs: &TrainingInputs<'_>,
    trained: &TrainedUnits,
    batch: &[SymbolFolds],
    observer: &dyn Observer,
) -> Result<(Vec<Result<TrainedSymbol, ModelError>>, Plans), EngineError> {
    let scope = inputs.params.models.scope;
    let pooled = scope.pools();
    let (mut folds, mut failed) = (Vec::new(), BTreeMap::new());
    for SymbolFolds { symbol, folds: own } in batch {
        let name = if pooled { Unit::POOL } else { &inputs.panel.symbols[*symbol] };
        for fold in own {
            match trained.folds.get(&(name.to_owned(), fold.index)) {
                Some(Ok(models)) => folds.push((*symbol, fold, models.clone())),
                Some(Err(error)) => _ = failed.insert(*symbol, error.clone()),
                None => {}
            }
        }
    }
    folds.retain(|(symbol, ..)| !failed.contains_key(symbol));
    let mut scored = scored(inputs, folds)?;
    let mut plans = Plans::default();
    if scope == ModelScope::Partial {
        plans = add_own_trees(inputs, &mut scored, &mut failed, observer)?;
        scored.retain(|fold| !failed.contains_key(&fold.symbol));
    }
    if pooled {
        for fold in &mut scored {
            fold.mix = trained.mixes.get(&fold.fold.index).cloned().unwrap_or_default();
        }
    } else {
        choose_families(inputs, &mut scored, |fold| (fold.symbol, fold.fold.index));
    }
    let share = if pooled { inputs.panel.symbols.len() } else { batch.len() };
    let seconds: BTreeMap<Family, f64> =
        trained.seconds.iter().map(|(family, seconds)| (*family, seconds / share as f64)).collect();
    let mut scored = scored.into_iter().peekable();
    let one = |own: &SymbolFolds| {
        let mut folds = Vec::new();
        while let Some(fold) = scored.next_if(|fold| fold.symbol == own.symbol) {
            folds.push(fold);
        }
        match failed.remove(&own.symbol) {
            Some(error) => Err(error),
            None => Ok(trained_symbol(inputs, trained, own.symbol, folds, seconds.clone())),
        }
    };
    Ok((batch.iter().map(one).collect(), plans))
}

/// Scores all folds by all families, trees in one batch.
fn scored<'a>(
    inputs: &TrainingInputs<'_>,
    folds: Vec<(usize, &'a Fold, TrainedFold)>,
) -> Result<Vec<ScoredFold<'a>>, EngineError> {
    let kind = inputs.params.models.kind;
    let mut wanted = Vec::new();
    for (symbol, fold, models) in &folds {
        let mut want = |heads: &TrainedHeads, pick: fn(&trees::TrainedHead) -> &huracan_boost::Forest| {
            wanted.push((*symbol, *fold, heads.clone(), pick));
        };
        want(&models.heads, |head| &head.forest);
        if let Some(forest) = &models.forest {
            want(forest, |head| &head.forest);
        }
        if models.heads.iter().any(|head| head.baseline.is_some()) {
            want(&models.heads, |head| head.baseline.as_ref().unwrap_or(&head.forest));
        }
    }
    let wanted: Vec<Scored<'_>> = wanted
        .iter()
        .map(|(symbol, fold, heads, pick)| Scored {
            symbol: *symbol,
            fold,
            heads: [0, 1, 2].map(|at| pick(&heads[at])),
        })
        .collect();
    let mut by_trees = trees::scores(inputs, &wanted)?.into_iter();
    let one = |(symbol, fold, models): (usize, &'a Fold, TrainedFold)| {
        let mut scores = BTreeMap::new();
        scores.insert(Family::of(kind)[0], by_trees.next().unwrap_or_default());
        if models.forest.is_some() {
            scores.insert(Family::Forest, by_trees.next().unwrap_or_default());
        }
        let searched = models.heads.iter().any(|head| head.baseline.is_some());
        let baseline = if searched { by_trees.next() } else { None };
        if let Some(networks) = &models.networks {
            scores.insert(Family::Neural, networks::scores(inputs, networks, symbol, fold));
        }
        ScoredFold { symbol, fold, models, scores, baseline, own: None, mix: Mix::new() }
    };
    Ok(folds.into_iter().map(one).collect())
}

/// Trains each coin's own trees on what its pooled models leave over in the coin's training rows, and scores them.
///
/// # Errors
/// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
fn add_own_trees(
    inputs: &TrainingInputs<'_>,
    scored: &mut [ScoredFold<'_>],
    failed: &mut BTreeMap<usize, ModelError>,
    observer: &dyn Observer,
) -> Result<Plans, EngineError> {
    // A coin without rows of its own in a fold adds nothing to the pool.
    let has_rows = |fold: &ScoredFold<'_>| {
        let any = |bars: &std::ops::Range<usize>| {
            bars.clone().any(|bar| inputs.targets.get(fold.symbol, bar, Head::MAIN).is_some())
        };
        any(&fold.fold.train) && any(&fold.fold.validation)
    };
    let mut scored: Vec<&mut ScoredFold<'_>> = scored.iter_mut().filter(|fold| has_rows(fold)).collect();
    let mut batch: Vec<BoostJob> = Vec::new();
    for fold in &scored {
        let unit = Unit::coin(inputs.panel, fold.symbol);
        for head in Head::ALL {
            let params = jobs::own_params(&inputs.params.models, head, inputs.params.seed);
            batch.push(jobs::boost_job(inputs.targets, &unit, fold.fold, head, &inputs.params.models, params));
        }
    }
    let heads = scored.iter().map(|fold| [0, 1, 2].map(|at| &fold.models.heads[at].forest));
    let rows: Vec<(Vec<u32>, usize)> = batch
        .chunks_exact(Head::COUNT)
        .map(|jobs| (jobs[0].train.iter().chain(&jobs[0].valid).copied().collect(), jobs[0].train.len()))
        .collect();
    let pooled = trees::raw(inputs, heads.zip(rows.iter().map(|(rows, _)| rows.as_slice())))?;
    for (jobs, (pooled, (_, train))) in batch.chunks_exact_mut(Head::COUNT).zip(pooled.iter().zip(&rows)) {
        for (head, job) in Head::ALL.into_iter().zip(jobs) {
            let (train, valid) = pooled.split_at(*train);
            jobs::subtract(&mut job.train_labels, head, train);
            jobs::subtract(&mut job.valid_labels, head, valid);
        }
    }
    let (trained, plans) = trees::train_jobs(inputs, batch, observer)?;
    for (fold, heads) in scored.iter_mut().zip(trained) {
        match heads {
            Ok(heads) => fold.own = Some((heads, FoldScores::default())),
            Err(error) => _ = failed.insert(fold.symbol, error),
        }
    }
    let with_own = || scored.iter().filter_map(|fold| fold.own.as_ref().map(|(heads, _)| (fold, heads)));
    let wanted: Vec<Scored<'_>> = with_own()
        .map(|(fold, heads)| Scored {
            symbol: fold.symbol,
            fold: fold.fold,
            heads: [0, 1, 2].map(|at| &heads[at].forest),
        })
        .collect();
    let mut all = trees::scores(inputs, &wanted)?.into_iter();
    for (_, scores) in scored.iter_mut().filter_map(|fold| fold.own.as_mut()) {
        *scores = all.next().unwrap_or_default();
    }
    Ok(plans)
}

/// Chooses the families of each head by the validation rows of the unit that they were trained for; folds with equal keys
/// belong to one unit's fold.
fn choose_families<K: Ord>(
    inputs: &TrainingInputs<'_>,
    scored: &mut [ScoredFold<'_>],
    key: impl Fn(&ScoredFold<'_>) -> K,
) {
    let kind = inputs.params.models.kind;
    let mut groups: BTreeMap<K, Vec<usize>> = BTreeMap::new();
    for (at, fold) in scored.iter().enumerate().filter(|(_, fold)| fold.scores.len() > 1) {
        groups.entry(key(fold)).or_default().push(at);
    }
    for members in groups.into_values() {
        let mut mix = Mix::new();
        for head in Head::ALL {
            let (mut predicted, mut labels) = (BTreeMap::<Family, Vec<f64>>::new(), Vec::new());
            for &at in &members {
                let ScoredFold { symbol, fold, scores, .. } = &scored[at];
                let mut own_labels = Vec::new();
                for (family, scores) in scores {
                    let (own, found) = scores.labelled(inputs.targets, *symbol, fold, Part::Validation, head);
                    predicted.entry(*family).or_default().extend(own);
                    own_labels = found;
                }
                labels.extend(own_labels);
            }
            let objective = scored[members[0]].models.heads[head.position()].forest.objective;
            mix.insert(head, mix::choose(kind, objective, head, &predicted, &labels));
        }
        members.into_iter().for_each(|at| scored[at].mix = mix.clone());
    }
}

/// Combines the folds of a symbol.
fn trained_symbol(
    inputs: &TrainingInputs<'_>,
    trained: &TrainedUnits,
    symbol: usize,
    folds: Vec<ScoredFold<'_>>,
    seconds: BTreeMap<Family, f64>,
) -> TrainedSymbol {
    let mut outcomes: Vec<FoldOutcome> = folds.iter().map(|fold| outcome(inputs, fold)).collect();
    let mix = outcomes.last().map(|outcome| outcome.mix.clone()).unwrap_or_default();
    let last = folds.into_iter().last();
    let latest_scores = outcomes.last().map(|outcome| outcome.scores.clone()).unwrap_or_default();
    // The latest window has no test part. If it was trained, its model is the final one, and it gives no outcome.
    let untested = outcomes.pop_if(|outcome| outcome.fold.test.is_empty());
    let latest = untested.or_else(|| outcomes.last().cloned()).map(|outcome| outcome.fold);
    let mut other_families = BTreeMap::new();
    if let Some(last) = &last {
        if let Some(forest) = &last.models.forest {
            other_families.insert(Family::Forest, FamilyModels::Trees(forests(forest)));
        }
        if let Some(networks) = &last.models.networks {
            let networks = Networks { heads: Head::ALL.to_vec(), seeds: networks.to_vec() };
            other_families.insert(Family::Neural, FamilyModels::Networks(networks));
        }
        if let Some((own, _)) = &last.own {
            other_families.insert(Family::Own, FamilyModels::Trees(forests(own)));
        }
    }
    let heads = last.as_ref().map(|last| &last.models.heads);
    TrainedSymbol {
        symbol: inputs.panel.symbols[symbol].clone(),
        folds: outcomes,
        latest: latest.unwrap_or(Fold::EMPTY),
        train_rows: heads.map_or(0, |heads| heads[0].train_rows),
        digests: heads.map(|heads| per_head(heads, |_, head| Some(head.forest.digest()))).unwrap_or_default(),
        params: heads.map(|heads| per_head(heads, |_, head| Some(head.params.clone()))).unwrap_or_default(),
        heads: heads.map(|heads| trained.last.of(heads)).unwrap_or_default(),
        other_families,
        mix,
        latest_scores,
        calibration: None,
        seconds,
    }
}

/// The outcome of a fold: losses and raw scores.
fn outcome(inputs: &TrainingInputs<'_>, scored: &ScoredFold<'_>) -> FoldOutcome {
    let ScoredFold { symbol, fold, models, scores: by_family, baseline, own, mix } = scored;
    let heads = &models.heads;
    let objective = |head: Head| heads[head.position()].forest.objective;
    let loss = |scores: &FoldScores, part: Part, head: Head| {
        let (scores, labels) = scores.labelled(inputs.targets, *symbol, fold, part, head);
        scores::loss(objective(head), &scores, &labels)
    };
    let losses = |scores: &FoldScores, part: Part| -> BTreeMap<Head, f64> {
        Head::ALL.into_iter().filter_map(|head| Some((head, loss(scores, part, head)?))).collect()
    };
    let first = Family::of(inputs.params.models.kind)[0];
    let all = if mix.is_empty() { by_family[&first].clone() } else { blended(mix, by_family, fold) };
    let unit = if inputs.params.models.scope.pools() { Unit::POOL } else { &inputs.panel.symbols[*symbol] };
    let tuned = |head: Head, _: &trees::TrainedHead| {
        let chosen = inputs.tuning.chosen(unit, fold, head)?.clone();
        let test_loss = loss(&by_family[&first], Part::Test, head)?;
        let baseline_test_loss = baseline.as_ref().map_or(Some(test_loss), |own| loss(own, Part::Test, head))?;
        Some(Tuned { chosen, test_loss, baseline_test_loss })
    };
    let base = |head: Head| {
        let own = &heads[head.position()];
        match objective(head) {
            Objective::Binary => log_odds(own.weighted_mean),
            // These start at a percentile, not at the mean.
            Objective::Quantile { .. } | Objective::Huber { .. } if !own.forest.averaged => own.forest.base_score[0],
            _ => own.weighted_mean,
        }
    };
    FoldOutcome {
        fold: (*fold).clone(),
        train_rows: heads[0].train_rows,
        rounds: per_head(heads, |_, head| Some(head.forest.rounds())),
        validation_loss: per_head(heads, |_, head| head.forest.kept_loss()),
        test_loss: losses(&all, Part::Test),
        digests: per_head(heads, |_, head| Some(head.forest.digest())),
        own_digests: own
            .as_ref()
            .map(|(heads, _)| per_head(heads, |_, head| Some(head.forest.digest())))
            .unwrap_or_default(),
        params: per_head(heads, |_, head| Some(head.params.clone())),
        tuned: per_head(heads, tuned),
        scores: ModelScores {
            all,
            own: own.as_ref().map(|(_, scores)| scores.clone()),
            base: Head::ALL.map(base),
            means: Head::ALL.map(|head| heads[head.position()].mean),
        },
        calibration: None,
        predictions: Vec::new(),
        edge_trees: EdgeTrees {
            main: Some(heads[Head::EdgeBps.position()].clone()),
            own: own.as_ref().map(|(heads, _)| PackedForest::of(&heads[Head::EdgeBps.position()].forest)),
        },
        families: if by_family.len() > 1 { families(models, by_family, &losses) } else { BTreeMap::new() },
        mix: mix.clone(),
    }
}

/// The mix of all families.
fn blended(mix: &Mix, by_family: &BTreeMap<Family, FoldScores>, fold: &Fold) -> FoldScores {
    let blend = |part: fn(&FoldScores) -> &[Scores], rows: usize| {
        mix::blend(mix, &by_family.iter().map(|(family, scores)| (*family, part(scores))).collect(), rows)
    };
    FoldScores {
        validation: blend(|scores| &scores.validation, fold.validation.len()),
        test: blend(|scores| &scores.test, fold.test.len()),
    }
}

/// The outcome of each family alone.
fn families(
    models: &TrainedFold,
    by_family: &BTreeMap<Family, FoldScores>,
    losses: &impl Fn(&FoldScores, Part) -> BTreeMap<Head, f64>,
) -> BTreeMap<Family, FamilyOutcome> {
    let one = |(family, scores): (&Family, &FoldScores)| {
        let mut outcome = FamilyOutcome {
            validation_loss: losses(scores, Part::Validation),
            test_loss: losses(scores, Part::Test),
            scores: scores.clone(),
            ..FamilyOutcome::default()
        };
        if let (Family::Neural, Some(networks)) = (family, &models.networks) {
            for (seed, network) in networks.iter().enumerate() {
                outcome.rounds.insert(seed.to_string(), network.progress.best_epoch + 1);
                outcome.digests.insert(seed.to_string(), network.digest());
            }
            outcome.epochs = epochs(networks);
        } else {
            let heads = if *family == Family::Forest { models.forest.as_ref() } else { None };
            for (head, trained) in Head::ALL.into_iter().zip(heads.unwrap_or(&models.heads)) {
                outcome.rounds.insert(head.name().to_owned(), trained.forest.rounds());
                outcome.digests.insert(head.name().to_owned(), trained.forest.digest());
            }
        }
        (*family, outcome)
    };
    by_family.iter().map(one).collect()
}

/// Mean training and validation loss per epoch, over the networks that reached it.
fn epochs(networks: &[Network]) -> Vec<(f64, Option<f64>)> {
    let longest = networks.iter().map(|network| network.progress.epochs.len()).max().unwrap_or(0);
    let mean = |number: usize| {
        let reached: Vec<_> = networks.iter().filter_map(|n| n.progress.epochs.get(number)).collect();
        let count = reached.len() as f64;
        let validation: Option<Vec<f64>> = reached.iter().map(|epoch| epoch.validation_loss()).collect();
        (
            reached.iter().map(|epoch| epoch.train_loss).sum::<f64>() / count,
            validation.map(|losses| losses.iter().sum::<f64>() / count),
        )
    };
    (0..longest).map(mean).collect()
}

/// A value per head, for the heads that have it.
fn per_head<T>(heads: &TrainedHeads, of: impl Fn(Head, &trees::TrainedHead) -> Option<T>) -> BTreeMap<Head, T> {
    Head::ALL.into_iter().filter_map(|head| Some((head, of(head, &heads[head.position()])?))).collect()
}
