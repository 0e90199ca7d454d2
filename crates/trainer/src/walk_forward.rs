//! The walk-forward of a panel, step by step or whole.

use std::collections::BTreeMap;

use huracan_bars::Panel;
use huracan_boost::device::Plans;
use huracan_decide::Wait;
use huracan_engine::{Compute, Device, EngineError};
use huracan_features::{self as features, Features};
use huracan_folds::{self as folds, Fold, TooShort};
use huracan_labels::{self as labels, Labels};
use huracan_shadow::{Rules, Trade};

use super::batch::{self, Inputs, models_per_fold};
use super::out_of_fold::{Model, OutOfFold, out_of_fold};
use super::search::SearchBatch;
use super::{ModelError, Observer, Trained, TrainerError, TrainerParams, Tuning, TuningEntry};

/// Symbols whose jobs the CPU trains together: few enough that a run that is cut off loses little, many enough to keep
/// every core busy.
const SYMBOLS_PER_BATCH: usize = 8;
/// On a device, which takes the whole table of features for each batch and wants thousands of models at a time.
const SYMBOLS_PER_DEVICE_BATCH: usize = 256;

/// The folds of one symbol.
#[derive(Debug, Clone, PartialEq)]
pub struct SymbolFolds {
    /// Row of the symbol in the panel.
    pub symbol: usize,
    /// In time; the latest window last, where it is trained.
    pub folds: Vec<Fold>,
}

/// What came of training.
#[derive(Debug, Default)]
pub struct TrainedSymbols {
    /// By row in the panel.
    pub trained: BTreeMap<usize, Trained>,
    /// Symbols without a model, by row in the panel, and why.
    pub failed: Vec<(usize, ModelError)>,
    /// Symbols that the observer had from before.
    pub reused: usize,
    /// Who trained the trees, where a device was asked.
    pub trained_by: Plans,
}

/// A walk-forward under way: the folds of all its symbols, and what all models look at.
pub struct WalkForward<'a> {
    pub(crate) params: &'a TrainerParams,
    pub(crate) compute: &'a Compute,
    pub(crate) panel: &'a Panel,
    pub(crate) features: &'a Features,
    pub(crate) rules: Rules,
    /// `[symbols × bars]`.
    pub(crate) atr: Vec<f64>,
    pub(crate) labels: Labels,
    symbols: Vec<SymbolFolds>,
    too_short: Vec<(usize, TooShort)>,
}

impl<'a> WalkForward<'a> {
    /// Plans the folds of `symbols` (rows of the panel) and labels all bars; the other symbols are there for what symbols
    /// have in common. With `latest` each symbol's latest window is trained as well, whose model is the one to hand on.
    ///
    /// # Errors
    /// Where the device fails and the CPU must not take its place.
    pub fn new(
        params: &'a TrainerParams,
        compute: &'a Compute,
        panel: &'a Panel,
        features: &'a Features,
        symbols: &[usize],
        latest: bool,
    ) -> Result<Self, EngineError> {
        let (symbols, too_short) = plan(params, panel, symbols, latest);
        let rules = params.rules(panel.timeframe);
        let atr = features::device::atr_14_on(compute, panel)?;
        let labels = labels::device::compute_on(compute, panel, &atr, &rules)?;
        Ok(Self { params, compute, panel, features, rules, atr, labels, symbols, too_short })
    }

    /// Symbols whose history does not hold one fold, by row in the panel.
    pub fn too_short(&self) -> &[(usize, TooShort)] {
        &self.too_short
    }

    /// Models that [`Self::train`] trains.
    pub fn models(&self) -> usize {
        self.symbols.iter().map(|own| own.folds.len()).sum::<usize>() * models_per_fold(self.params)
    }

    /// Whether the settings ask for a search of hyperparameters.
    pub fn searches(&self) -> bool {
        self.params.models.search.is_on()
    }

    /// The search for all symbols, folds and heads at once; see [`SearchBatch::run`].
    pub fn search_batch(&self) -> SearchBatch {
        SearchBatch::new(self.params, self.panel, &self.labels, &self.symbols)
    }

    /// Searches hyperparameters for all symbols, folds and heads at once; nothing where the settings ask for no search.
    ///
    /// # Errors
    /// Settings that no job can be trained with; a device that fails where the CPU must not take its place; cancellation.
    pub fn search(&self, observer: &dyn Observer) -> Result<(Vec<TuningEntry>, Plans), TrainerError> {
        if self.searches() {
            self.search_batch().run(self.compute, self.features, observer)
        } else {
            Ok(Default::default())
        }
    }

    /// Trains all symbols in batches; what the observer has from before is taken up.
    ///
    /// # Errors
    /// A device that fails where the CPU must not take its place; cancellation; a checkpoint that cannot be saved.
    pub fn train(&self, tuning: &Tuning, observer: &dyn Observer) -> Result<TrainedSymbols, TrainerError> {
        let Self { params, compute, panel, features, labels, .. } = self;
        let inputs = Inputs { params, panel, features, labels, tuning, compute };
        let mut done = TrainedSymbols::default();
        let mut todo = Vec::new();
        for own in &self.symbols {
            match observer.load_symbol(&panel.symbols[own.symbol]) {
                Some(found) => {
                    observer.models_done((own.folds.len() * models_per_fold(params)) as u64);
                    done.trained.insert(own.symbol, found);
                }
                None => todo.push(own.clone()),
            }
        }
        done.reused = done.trained.len();
        let total = done.reused + todo.len();
        let mut left = todo.as_slice();
        while !left.is_empty() {
            let (batch, after) = next_batch(left, compute);
            left = after;
            if !observer.may_go_on() {
                return Err(TrainerError::Cancelled);
            }
            for (number, own) in (done.trained.len() + 1..).zip(batch) {
                observer.symbol_begins(&panel.symbols[own.symbol], number, total);
            }
            let (results, plans) = batch::train(&inputs, batch, observer)?;
            done.trained_by.extend(plans);
            for (own, result) in batch.iter().zip(results) {
                match result {
                    Ok(found) => {
                        let failed = |source| TrainerError::Save { symbol: found.symbol.clone(), source };
                        observer.save_symbol(&found).map_err(failed)?;
                        done.trained.insert(own.symbol, found);
                    }
                    // What was stopped has not failed.
                    Err(_) if observer.is_cancelled() => {}
                    Err(reason) => done.failed.push((own.symbol, reason)),
                }
            }
        }
        if observer.is_cancelled() { Err(TrainerError::Cancelled) } else { Ok(done) }
    }

    /// Trades every symbol's out-of-fold predictions, and judges its model. `kill` ends the portfolio's entries once it
    /// gives a reason.
    ///
    /// # Errors
    /// Where the device fails and the CPU must not take its place.
    pub fn out_of_fold(
        self,
        trained: BTreeMap<usize, Trained>,
        kill: &dyn Fn() -> Option<String>,
    ) -> Result<OutOfFold, EngineError> {
        out_of_fold(self, trained, kill)
    }
}

/// The next symbols to be trained together, and those after them.
fn next_batch<'a, T>(todo: &'a [T], compute: &Compute) -> (&'a [T], &'a [T]) {
    let by_cpu = compute.device() == Device::Cpu || compute.fell_back().is_some();
    todo.split_at(todo.len().min(if by_cpu { SYMBOLS_PER_BATCH } else { SYMBOLS_PER_DEVICE_BATCH }))
}

/// Symbols with their folds, and symbols without one.
fn plan(
    params: &TrainerParams,
    panel: &Panel,
    symbols: &[usize],
    latest: bool,
) -> (Vec<SymbolFolds>, Vec<(usize, TooShort)>) {
    let (mut planned, mut too_short) = (Vec::new(), Vec::new());
    for &symbol in symbols {
        let range = &panel.ranges[symbol];
        match folds::plan(range, &params.folds, panel.timeframe) {
            Ok(mut plan) => {
                if latest {
                    plan.push(folds::latest(range, &params.folds, panel.timeframe, plan.len()));
                }
                planned.push(SymbolFolds { symbol, folds: plan });
            }
            Err(error) => too_short.push((symbol, error)),
        }
    }
    (planned, too_short)
}

/// What the walk-forward of a panel found. The latest window, whose model would be handed on, is not trained: it has
/// no test part, so that nothing here depends on it.
pub struct Study {
    /// One per symbol that could be trained.
    pub models: Vec<Model>,
    /// Out-of-fold trades of all symbols, by entry, then symbol.
    pub trades: Vec<Trade>,
    /// How often each reason to wait was the first that held.
    pub waits: BTreeMap<Wait, usize>,
    /// Symbols without a model, and why.
    pub failed: Vec<(String, ModelError)>,
}

impl Study {
    /// Models that [`walk_forward`] trains.
    pub fn models(params: &TrainerParams, panel: &Panel, symbols: &[usize]) -> usize {
        let (planned, _) = plan(params, panel, symbols, false);
        planned.iter().map(|own| own.folds.len()).sum::<usize>() * models_per_fold(params)
    }
}

/// Trains some symbols of the panel walk-forward, trades their out-of-fold predictions and judges each model by them;
/// the others are there for what symbols have in common.
///
/// # Errors
/// Settings that nothing can be trained with; a device that fails where the CPU must not take its place; cancellation.
pub fn walk_forward(
    params: &TrainerParams,
    compute: &Compute,
    panel: &Panel,
    symbols: &[usize],
    observer: &dyn Observer,
) -> Result<Study, TrainerError> {
    let features = features::device::compute_on(compute, panel)?;
    let walk = WalkForward::new(params, compute, panel, &features, symbols, false)?;
    let searched = walk.search(&Quiet(observer))?;
    let TrainedSymbols { trained, failed, .. } = walk.train(&Tuning::new(searched.0), observer)?;
    let name = |symbol: usize| panel.symbols[symbol].clone();
    let too_short = walk.too_short.iter().map(|(symbol, error)| (name(*symbol), error.clone().into()));
    let failed = too_short.chain(failed.into_iter().map(|(symbol, error)| (name(symbol), error))).collect();
    let OutOfFold { models, trades, waits, .. } = walk.out_of_fold(trained, &|| None)?;
    Ok(Study { models, trades, waits, failed })
}

/// The observer of a search whose models are not counted among those trained for good.
struct Quiet<'a>(&'a dyn Observer);

impl Observer for Quiet<'_> {
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}
