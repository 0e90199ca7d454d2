//! Trains the trees of one family for all heads of all folds of some units, in one batch, and computes their raw scores.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use huracan_boost::device::{self, Plans};
use huracan_boost::{BoostError, BoostJob, BoostParams, Forest, PredictJob};
use huracan_decide::{Head, Scores};
use huracan_engine::EngineError;
use huracan_features::view_names;
use huracan_folds::Fold;

use super::inputs::TrainingInputs;
use super::scores::FoldScores;
use super::{Family, ModelError, Observer, Unit, UnitFolds, jobs};

/// Rows of the folds whose jobs are in memory at a time. Jobs, codes, scores and gradients take some 300 bytes a row.
const ROWS_AT_A_TIME: usize = 1 << 22;

/// The trained trees of one head of one fold.
#[derive(Debug)]
pub struct TrainedHead {
    pub forest: Forest,
    /// Parameters of the trees, by the settings or by the search.
    pub params: BoostParams,
    /// Number of training rows.
    pub train_rows: usize,
    /// Mean of the training labels, weighted and not.
    pub weighted_mean: f64,
    pub mean: f64,
    /// Trees with the parameters of the settings, if the search chose others.
    pub baseline: Option<Forest>,
}

/// The trained heads of a fold, in the order of [`Head::ALL`].
pub type TrainedHeads = [Arc<TrainedHead>; Head::COUNT];

/// The trees of a fold, by head.
pub fn forests(heads: &TrainedHeads) -> BTreeMap<Head, Forest> {
    Head::ALL.into_iter().map(|head| (head, heads[head.position()].forest.clone())).collect()
}

/// The trees of the fold that was asked for first, in memory once: the coins of a pool have one last fold.
#[derive(Default)]
pub struct SharedForests(OnceLock<(TrainedHeads, Arc<BTreeMap<Head, Forest>>)>);

impl SharedForests {
    /// The trees of a fold.
    pub fn of(&self, heads: &TrainedHeads) -> Arc<BTreeMap<Head, Forest>> {
        let (of, shared) = self.0.get_or_init(|| (heads.clone(), Arc::new(forests(heads))));
        let same = of.iter().zip(heads).all(|(of, heads)| Arc::ptr_eq(of, heads));
        if same { shared.clone() } else { Arc::new(forests(heads)) }
    }
}

/// Trains all heads. Returns them in the order of units and folds, and where they were trained if a device is used. The
/// search's choices apply only to the first family, for which the search was made.
///
/// # Errors
/// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
pub fn train(
    inputs: &TrainingInputs<'_>,
    units: &[UnitFolds],
    family: Family,
    observer: &dyn Observer,
) -> Result<(Vec<Result<TrainedHeads, ModelError>>, Plans), EngineError> {
    let folds: Vec<(&Unit, &Fold)> =
        units.iter().flat_map(|own| own.folds.iter().map(move |fold| (&own.unit, fold))).collect();
    let (mut trained, mut plans) = (Vec::with_capacity(folds.len()), Plans::default());
    let mut left = folds.as_slice();
    while !left.is_empty() {
        if observer.is_cancelled() {
            let cancelled = |(unit, fold): &(&Unit, &Fold)| {
                Err(BoostError::Cancelled { job: format!("{} fold {}", unit.name, fold.index) }.into())
            };
            trained.extend(left.iter().map(cancelled));
            break;
        }
        let (some, after) = left.split_at(together(inputs, left));
        let (heads, more) = train_folds(inputs, some, family, observer)?;
        trained.extend(heads);
        plans.extend(more);
        left = after;
    }
    Ok((trained, plans))
}

/// How many of the next folds are trained together: on devices all, since they are only fast with many models at a time; on the CPU at
/// least one, and no more than have [`ROWS_AT_A_TIME`].
fn together(inputs: &TrainingInputs<'_>, folds: &[(&Unit, &Fold)]) -> usize {
    if inputs.compute.devices_left() > 0 {
        return folds.len();
    }
    let mut rows = 0;
    let fits = |(unit, fold): &&(&Unit, &Fold)| {
        rows += unit.symbols.len() * (fold.train.len() + fold.validation.len());
        rows <= ROWS_AT_A_TIME
    };
    folds.iter().take_while(fits).count().max(1)
}

fn train_folds(
    inputs: &TrainingInputs<'_>,
    folds: &[(&Unit, &Fold)],
    family: Family,
    observer: &dyn Observer,
) -> Result<(Vec<Result<TrainedHeads, ModelError>>, Plans), EngineError> {
    let TrainingInputs { params, tuning, .. } = *inputs;
    let searched = family == Family::of(params.models.kind)[0];
    let of_fold = |&(unit, fold): &(&Unit, &Fold)| {
        Head::ALL.map(|head| {
            let baseline = jobs::tree_params(&params.models, family, head, params.seed);
            let chosen = searched.then(|| tuning.chosen(&unit.name, fold, head)).flatten();
            let chosen = chosen.map_or_else(|| baseline.clone(), |chosen| chosen.params.clone());
            let job = jobs::boost_job(inputs.targets, unit, fold, head, &params.models, chosen);
            // The gain of the search is measured by also training the parameters of the settings. The latest window
            // has no test part to measure it on.
            let measured = baseline != job.params && !fold.test.is_empty();
            (job, measured.then_some(baseline))
        })
    };
    let jobs: Vec<(BoostJob, Option<BoostParams>)> = folds.par_iter().flat_map_iter(of_fold).collect();
    let (batch, baselines): (Vec<BoostJob>, Vec<Option<BoostParams>>) = jobs.into_iter().unzip();
    let baseline_jobs: Vec<(usize, BoostJob)> = (0..)
        .zip(batch.iter().zip(baselines))
        .filter_map(|(at, (job, baseline))| Some((at, BoostJob { params: baseline?, ..job.clone() })))
        .collect();
    let (forests, plans) = run(inputs, &batch, observer, true)?;
    let (indices, baseline_jobs): (Vec<usize>, Vec<BoostJob>) = baseline_jobs.into_iter().unzip();
    let (baseline, _) = run(inputs, &baseline_jobs, observer, false)?;
    let mut baseline = indices.into_iter().zip(baseline).peekable();
    let trained = batch.into_iter().zip(forests).enumerate().map(|(index, (job, forest))| {
        let baseline = baseline.next_if(|(of, _)| *of == index).map(|(_, forest)| forest).transpose();
        Ok(Arc::new(TrainedHead::new(job, forest?, baseline?)))
    });
    Ok((by_fold(trained), plans))
}

/// Trains jobs that are not part of the search.
///
/// # Errors
/// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
pub fn train_jobs(
    inputs: &TrainingInputs<'_>,
    batch: Vec<BoostJob>,
    observer: &dyn Observer,
) -> Result<(Vec<Result<TrainedHeads, ModelError>>, Plans), EngineError> {
    let (forests, plans) = run(inputs, &batch, observer, true)?;
    let trained =
        batch.into_iter().zip(forests).map(|(job, forest)| Ok(Arc::new(TrainedHead::new(job, forest?, None))));
    Ok((by_fold(trained), plans))
}

fn run(
    inputs: &TrainingInputs<'_>,
    batch: &[BoostJob],
    observer: &dyn Observer,
    counts: bool,
) -> Result<(Vec<Result<Forest, BoostError>>, Plans), EngineError> {
    let keep_going = || !observer.is_cancelled();
    let model_done = |_: &BoostJob| {
        if counts {
            observer.models_done(1);
        }
    };
    device::train_on(inputs.compute, inputs.view.table(), &view_names(), batch, &keep_going, &model_done)
}

/// Groups heads by fold; a fold with a head that failed passes on the first error.
fn by_fold(heads: impl Iterator<Item = Result<Arc<TrainedHead>, ModelError>>) -> Vec<Result<TrainedHeads, ModelError>> {
    let heads: Vec<Result<Arc<TrainedHead>, ModelError>> = heads.collect();
    let one = |heads: &[Result<Arc<TrainedHead>, ModelError>]| {
        let head = |at: usize| heads[at].clone();
        Ok([head(0)?, head(1)?, head(2)?])
    };
    heads.chunks_exact(Head::COUNT).map(one).collect()
}

impl TrainedHead {
    fn new(job: BoostJob, forest: Forest, baseline: Option<Forest>) -> Self {
        let (mut sum, mut weighted, mut weight) = (0.0, 0.0, 0.0);
        for (row, &label) in job.train_labels.iter().enumerate() {
            let own = job.train_weights.get(row).map_or(1.0, |&weight| f64::from(weight));
            sum += f64::from(label);
            weighted += own * f64::from(label);
            weight += own;
        }
        let train_rows = job.train.len();
        Self {
            forest,
            params: job.params,
            train_rows,
            weighted_mean: weighted / weight,
            mean: sum / train_rows as f64,
            baseline,
        }
    }
}

/// A symbol's fold whose scores are wanted, and the trees that give them.
pub struct Scored<'a> {
    pub symbol: usize,
    pub fold: &'a Fold,
    pub heads: [&'a Forest; Head::COUNT],
}

/// Raw scores of all folds for their validation part and test window, in one batch.
///
/// # Errors
/// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
pub fn scores(inputs: &TrainingInputs<'_>, wanted: &[Scored<'_>]) -> Result<Vec<FoldScores>, EngineError> {
    let rows: Vec<Vec<u32>> = wanted
        .iter()
        .map(|Scored { symbol, fold, .. }| {
            let rows = |bars| jobs::table_rows(inputs.panel, *symbol, bars);
            rows(&fold.validation).chain(rows(&fold.test)).collect()
        })
        .collect();
    let all = raw(inputs, wanted.iter().zip(&rows).map(|(scored, rows)| (scored.heads, rows.as_slice())))?;
    let split = |(scored, mut scores): (&Scored<'_>, Vec<Scores>)| {
        let test = scores.split_off(scored.fold.validation.len());
        FoldScores { validation: scores, test }
    };
    Ok(wanted.iter().zip(all).map(split).collect())
}

/// Raw scores of several sets of heads, each for its rows of the view.
///
/// # Errors
/// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
pub fn raw<'a>(
    inputs: &TrainingInputs<'_>,
    wanted: impl Iterator<Item = ([&'a Forest; Head::COUNT], &'a [u32])>,
) -> Result<Vec<Vec<Scores>>, EngineError> {
    let jobs: Vec<PredictJob<'_>> =
        wanted.flat_map(|(heads, rows)| heads.map(|forest| PredictJob { forest, rows })).collect();
    let scores = device::raw_scores_on(inputs.compute, inputs.view.table(), &jobs)?;
    let one =
        |heads: &[Vec<f64>]| (0..heads[0].len()).map(|row| [heads[0][row], heads[1][row], heads[2][row]]).collect();
    Ok(scores.chunks_exact(Head::COUNT).map(one).collect())
}
