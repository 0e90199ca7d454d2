//! Walk-forward training of a panel, in single steps or as a whole.

use std::collections::BTreeMap;

use huracan_bars::Panel;
use huracan_boost::device::Plans;
use huracan_decide::WaitReason;
use huracan_engine::{Compute, Device, EngineError};
use huracan_features::{self as features, Features};
use huracan_folds::{self as folds, Fold, TooShort};
use huracan_labels::{self as labels, Labels};
use huracan_shadow::{Rules, Trade};

use super::batch::{self, models_per_fold};
use super::inputs::TrainingInputs;
use super::out_of_fold::{Model, OutOfFold, out_of_fold};
use super::search::SearchBatch;
use super::{ModelError, Observer, TrainedSymbol, TrainerError, TrainerParams, Tuning, TuningEntry};

/// Symbols trained together on the CPU: few enough that an interrupted run loses little, many enough to keep all cores
/// busy.
const SYMBOLS_PER_BATCH: usize = 8;
/// Symbols trained together on a device, which copies the whole feature table per batch and is efficient only with
/// thousands of models at a time.
const SYMBOLS_PER_DEVICE_BATCH: usize = 256;

/// The folds of one symbol.
#[derive(Debug, Clone, PartialEq)]
pub struct SymbolFolds {
    /// Row of the symbol in the panel.
    pub symbol: usize,
    /// Folds in time order; the latest window comes last, if it is trained.
    pub folds: Vec<Fold>,
}

/// Results of training all symbols.
#[derive(Debug, Default)]
pub struct TrainedSymbols {
    /// Trained symbols, by row in the panel.
    pub trained: BTreeMap<usize, TrainedSymbol>,
    /// Symbols without a model (row in the panel), and the reason.
    pub failed: Vec<(usize, ModelError)>,
    /// Number of symbols loaded from checkpoints.
    pub reused: usize,
    /// Where the trees were trained, if a device is used.
    pub trained_by: Plans,
}

/// A walk-forward: the folds of all its symbols, and the inputs that all models share.
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
    /// Plans the folds of `symbols` (rows of the panel) and labels all bars. The panel's other symbols are used only
    /// for features across symbols. With `latest`, each symbol's latest window is trained too, which gives the final
    /// model.
    ///
    /// # Errors
    /// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
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

    /// Symbols (rows in the panel) whose history is too short for one fold.
    pub fn too_short(&self) -> &[(usize, TooShort)] {
        &self.too_short
    }

    /// Number of models that [`Self::train`] trains.
    pub fn model_count(&self) -> usize {
        self.symbols.iter().map(|own| own.folds.len()).sum::<usize>() * models_per_fold(self.params)
    }

    /// Whether the parameters include a hyperparameter search.
    pub fn has_search(&self) -> bool {
        self.params.models.search.is_on()
    }

    /// The hyperparameter search for all symbols, folds and heads; see [`SearchBatch::run`].
    pub fn search_batch(&self) -> SearchBatch {
        SearchBatch::new(self.params, self.panel, &self.labels, &self.symbols)
    }

    /// Searches hyperparameters for all symbols, folds and heads at once. The result is empty without a search.
    ///
    /// # Errors
    /// [`TrainerError`]: a parameter with which no model can be trained, a device failure without a fallback, or
    /// cancellation.
    pub fn search(&self, observer: &dyn Observer) -> Result<(Vec<TuningEntry>, Plans), TrainerError> {
        if self.has_search() {
            self.search_batch().run(self.compute, self.features, observer)
        } else {
            Ok(Default::default())
        }
    }

    /// Trains all symbols in batches. Symbols for which the observer has a checkpoint are not trained again.
    ///
    /// # Errors
    /// [`TrainerError`]: a device failure without a fallback, cancellation, or a checkpoint that cannot be saved.
    pub fn train(&self, tuning: &Tuning, observer: &dyn Observer) -> Result<TrainedSymbols, TrainerError> {
        let Self { params, compute, panel, features, labels, .. } = self;
        let inputs = TrainingInputs { params, panel, features, labels, tuning, compute };
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
            if !observer.may_continue() {
                return Err(TrainerError::Cancelled);
            }
            for (number, own) in (done.trained.len() + 1..).zip(batch) {
                observer.symbol_started(&panel.symbols[own.symbol], number, total);
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
                    // A cancelled symbol has not failed.
                    Err(_) if observer.is_cancelled() => {}
                    Err(reason) => done.failed.push((own.symbol, reason)),
                }
            }
        }
        if observer.is_cancelled() { Err(TrainerError::Cancelled) } else { Ok(done) }
    }

    /// Trades every symbol's out-of-fold predictions, and judges its model. Once `kill` gives a reason, the portfolio
    /// enters no more trades.
    ///
    /// # Errors
    /// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
    pub fn out_of_fold(
        self,
        trained: BTreeMap<usize, TrainedSymbol>,
        kill: &dyn Fn() -> Option<String>,
    ) -> Result<OutOfFold, EngineError> {
        out_of_fold(self, trained, kill)
    }
}

/// Splits the symbols into the next batch and the rest.
fn next_batch<'a, T>(todo: &'a [T], compute: &Compute) -> (&'a [T], &'a [T]) {
    let on_cpu = compute.device() == Device::Cpu || compute.fallback_reason().is_some();
    todo.split_at(todo.len().min(if on_cpu { SYMBOLS_PER_BATCH } else { SYMBOLS_PER_DEVICE_BATCH }))
}

/// Symbols with their folds, and symbols whose history is too short.
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

/// Results of [`walk_forward`]. The latest window is not trained: it has no test part, so nothing here depends on it.
pub struct WalkForwardResult {
    /// One entry per symbol that could be trained.
    pub models: Vec<Model>,
    /// Out-of-fold trades of all symbols, ordered by entry, then symbol.
    pub trades: Vec<Trade>,
    /// Number of bars per reason not to trade (the first that applies).
    pub waits: BTreeMap<WaitReason, usize>,
    /// Symbols without a model, and the reason.
    pub failed: Vec<(String, ModelError)>,
}

impl WalkForwardResult {
    /// Number of models that [`walk_forward`] trains.
    pub fn model_count(params: &TrainerParams, panel: &Panel, symbols: &[usize]) -> usize {
        let (planned, _) = plan(params, panel, symbols, false);
        planned.iter().map(|own| own.folds.len()).sum::<usize>() * models_per_fold(params)
    }
}

/// Trains some symbols (rows of the panel) walk-forward, trades their out-of-fold predictions and judges each model.
/// The panel's other symbols are used only for features across symbols.
///
/// # Errors
/// [`TrainerError`]: a parameter with which no model can be trained, a device failure without a fallback, cancellation,
/// or a checkpoint that cannot be saved.
pub fn walk_forward(
    params: &TrainerParams,
    compute: &Compute,
    panel: &Panel,
    symbols: &[usize],
    observer: &dyn Observer,
) -> Result<WalkForwardResult, TrainerError> {
    let features = features::device::compute_on(compute, panel)?;
    let walk = WalkForward::new(params, compute, panel, &features, symbols, false)?;
    let (choices, _) = walk.search(&SearchObserver(observer))?;
    let TrainedSymbols { trained, failed, .. } = walk.train(&Tuning::new(choices), observer)?;
    let name = |symbol: usize| panel.symbols[symbol].clone();
    let too_short = walk.too_short.iter().map(|(symbol, error)| (name(*symbol), error.clone().into()));
    let failed = too_short.chain(failed.into_iter().map(|(symbol, error)| (name(symbol), error))).collect();
    let OutOfFold { models, trades, waits, .. } = walk.out_of_fold(trained, &|| None)?;
    Ok(WalkForwardResult { models, trades, waits, failed })
}

/// Observer of the search: it passes on cancellation only, because the search's models do not count as progress.
struct SearchObserver<'a>(&'a dyn Observer);

impl Observer for SearchObserver<'_> {
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}
